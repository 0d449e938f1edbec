"""The operators' cases as facts: those that wait, or all that waited since a moment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, OuterRef, Q, QuerySet, Subquery

from compensation import stakes
from compensation.models import Difference
from compensation.policies.matters import MOST, Matter, add_stakes, percent, whole
from compensation.stakes import Stake
from provenance.conflicts.sides import STEP
from provenance.models import CaseKind, Claim, Conflict, Match, Resolution, Review, Submission


def cases(
    *, names: Collection[str], since: datetime | None = None, kinds: Collection[str] = ()
) -> list[Matter]:
    """What waits, or all that waited at some time since `since`; facts by what `names` asks for.

    What costs to look up (`stake`, `assets`, `score`) is there only where it is named; `age_days`
    is not there, because it changes.
    """
    found: list[Matter] = []
    for kind, rows in _ROWS.items():
        if kinds and kind not in kinds:
            continue
        matters = list(rows(since))
        if {"stake", "assets"} & set(names):
            add_stakes(matters, _STAKES[kind]([one.stake_key for one in matters]))
        if "score" in names:
            _add_scores(matters)
        found += matters
    return found


def _waited(is_open: Q, since: datetime | None, *ends: str) -> Q:
    """Rows that are open, or that ended since."""
    for end in ends if since is not None else ():
        is_open |= Q(**{f"{end}__gte": since})
    return is_open


def _newest(rows: QuerySet[Any], since: datetime | None, by: str) -> Iterable[Any]:
    """All that wait; of the past no more than are looked at."""
    ordered = rows.order_by(f"-{by}")
    return ordered if since is None else ordered[:MOST]


def _facts(
    kind: str,
    parties: Collection[str],
    *,
    about: str = "",
    records: int = 0,
    conflict: Conflict | None = None,
) -> dict[str, Any]:
    overlap = conflict.overlap if conflict is not None else None
    size = overlap.later.record_count if overlap is not None else 0
    alike = overlap.matching_count if overlap is not None else records
    return {
        "kind": kind,
        "about": about,
        "parties": sorted(set(parties)),
        "records": whole(alike),
        "share": percent(alike, size),
        "stake": 0,
        "assets": [],
        "score": 0,
    }


def _sides(conflict: Conflict) -> list[str]:
    return [conflict.later.owner.namespace, conflict.earlier.owner.namespace]


_SIDES = ("later__owner", "earlier__owner", "overlap__later")


def _conflicts(since: datetime | None) -> Iterator[Matter]:
    state = Conflict.State.DECIDING
    rows = Conflict.objects.select_related(*_SIDES).annotate(
        decided_at=Max("resolutions__decided_at", filter=Q(resolutions__decided_by__isnull=False)),
        said_at=Max("submissions__made_at", filter=~Q(submissions__kind="appeal")),
    )
    found = rows.filter(_waited(Q(state=state), since, "decided_at"))
    for row in _newest(found, since, "opened_at"):
        is_open = row.state == state
        assert not is_open or row.deadline_at is not None, "a decision has its deadline"
        began_at = row.deadline_at - STEP if is_open and row.deadline_at else row.said_at
        yield Matter(
            CaseKind.CONFLICT,
            str(row.pk),
            began_at or row.opened_at,
            None if is_open else row.decided_at,
            row.pk,
            _facts("conflict", _sides(row), conflict=row),
        )


def _appeals(since: datetime | None) -> Iterator[Matter]:
    later = Resolution.objects.filter(
        conflict=OuterRef("conflict"), decided_at__gt=OuterRef("made_at"), decided_by__isnull=False
    )
    rows = Submission.objects.filter(kind=Submission.Kind.APPEAL).annotate(
        decided_at=Subquery(later.order_by("decided_at").values("decided_at")[:1])
    )
    waits = Q(decided_at=None, conflict__state=Conflict.State.APPEALED)
    sides = [f"conflict__{one}" for one in _SIDES]
    found = rows.filter(_waited(waits, since, "decided_at")).select_related(*sides)
    for row in _newest(found, since, "made_at"):
        yield Matter(
            CaseKind.APPEAL,
            str(row.conflict_id),
            row.made_at,
            row.decided_at,
            row.conflict_id,
            _facts("appeal", _sides(row.conflict), conflict=row.conflict),
        )


def _claims(since: datetime | None) -> Iterator[Matter]:
    ends = ("admitted_at", "rejected_at", "withdrawn_at")
    waits = Q(**dict.fromkeys(ends, None))
    rows = Claim.objects.filter(_waited(waits, since, *ends), needs_admission=True)
    found = rows.select_related("claimant", *(f"conflict__{one}" for one in _SIDES))
    for row in _newest(found, since, "made_at"):
        yield Matter(
            CaseKind.CLAIM,
            str(row.pk),
            row.made_at,
            row.admitted_at or row.rejected_at or row.withdrawn_at,
            row.conflict_id,
            _facts("claim", _sides(row.conflict), conflict=row.conflict),
        )


def _reviews(since: datetime | None) -> Iterator[Matter]:
    rows = Review.objects.filter(_waited(Q(state=Review.State.OPEN), since, "closed_at"))
    found = rows.select_related("run__lab", "version__dataset__owner")
    for row in _newest(found, since, "raised_at"):
        parties = [row.run.lab.namespace]
        if row.version is not None:
            parties.append(row.version.dataset.owner.namespace)
        yield Matter(
            CaseKind.REVIEW,
            str(row.pk),
            row.raised_at,
            row.closed_at,
            row.usage_id,
            _facts("review", parties, about=row.rule, records=row.measure),
        )


def _differences(since: datetime | None) -> Iterator[Matter]:
    waits = Q(gone_at=None, explained_at=None)
    rows = Difference.objects.filter(_waited(waits, since, "gone_at", "explained_at"))
    for row in _newest(rows, since, "since"):
        ended_at = row.explained_at or row.gone_at
        yield Matter(
            CaseKind.DIFFERENCE,
            str(row.pk),
            min(row.since, ended_at) if ended_at else row.since,
            ended_at,
            row.pk,
            _facts("difference", [], about=row.side),
        )


def _of_differences(keys: Collection[Any]) -> dict[str, Stake]:
    rows = Difference.objects.filter(pk__in=keys).select_related("asset")
    return {str(row.pk): {row.asset: abs(int(row.amount_units))} for row in rows}


def _of_reviews(usages: Collection[Any]) -> dict[str, Stake]:
    return stakes.of_usages([pk for pk in usages if pk is not None])


_ROWS: dict[CaseKind, Callable[[datetime | None], Iterator[Matter]]] = {
    CaseKind.CONFLICT: _conflicts,
    CaseKind.APPEAL: _appeals,
    CaseKind.CLAIM: _claims,
    CaseKind.REVIEW: _reviews,
    CaseKind.DIFFERENCE: _differences,
}
_STAKES: dict[CaseKind, Callable[[Collection[Any]], dict[str, Stake]]] = {
    CaseKind.CONFLICT: stakes.of_conflicts,
    CaseKind.APPEAL: stakes.of_conflicts,
    CaseKind.CLAIM: stakes.of_conflicts,
    CaseKind.REVIEW: _of_reviews,
    CaseKind.DIFFERENCE: _of_differences,
}
KINDS = tuple(_ROWS)


def age_days(matter: Matter, at: datetime) -> int:
    """For how many whole days it has waited, or had when it was done with."""
    return max((matter.ended_at or at) - matter.began_at, timedelta(0)).days


def _add_scores(matters: Collection[Matter]) -> None:
    """The best score of the matches in question."""
    conflicts = [
        one.stake_key for one in matters if one.facts["kind"] in ("conflict", "appeal", "claim")
    ]
    best = dict(
        Match.objects.filter(overlap__conflicts__in=conflicts)
        .values_list("overlap__conflicts")
        .annotate(best=Max("score"))
    )
    for matter in matters:
        matter.facts["score"] = int(100 * best.get(matter.stake_key, 0))
