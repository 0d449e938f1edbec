"""The journal held against the world: what banks and the chain say, and where they differ.

Differences are kept, so that each has an age, and so that a person can say what it is. An
explanation holds for one amount.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from compensation import money
from compensation.models import Difference, Explanation
from compensation.reconciliation import bank, chain
from compensation.reconciliation.finding import Finding
from provenance import evm, kept, ledger
from provenance.models import User
from provenance.refusals import Refused

Side = Difference.Side

# The chain cannot be read now; what is known of it stays as it is.
_AWAY = (evm.ChainUnreachable, evm.WrongChain, chain.NotThereYet)


class DifferenceGone(Refused):
    """This difference is not there any more."""

    code = "difference_gone"
    hint = "Nothing needs to be explained; look at the list again."


class NoNote(Refused):
    """An explanation says something."""

    code = "explanation_empty"
    status = 400
    hint = "Write what the difference is and how it will be settled."


@dataclass(frozen=True)
class Outcome:
    """What a comparison found: all that differs now, and what could not be read, in words."""

    compared_at: datetime
    differences: list[Difference]
    unread: list[str]

    @property
    def unexplained(self) -> list[Difference]:
        """What nobody has explained yet."""
        return [one for one in self.differences if one.explained_at is None]

    @property
    def is_clean(self) -> bool:
        """Whether everything was read, and everything that differs is explained."""
        return not self.unexplained and not self.unread


@kept.in_english()
def reconcile(*, at: datetime) -> Outcome:
    """Compare journal, banks and chain, and keep what differs. Safe to repeat, also by two at once.

    The chain is read outside of the transaction; where it is away, its differences stay.
    """
    sides: dict[str, Callable[[datetime], Iterator[Finding]]] = {
        Side.BANK: bank.findings,
        Side.CHAIN: chain.findings,
    }
    unread = []
    for side, look in sides.items():
        try:
            found = list(look(at))
        except _AWAY as reason:
            unread.append(str(reason))
            continue
        _keep(side, found, at)
    return Outcome(at, list(open_differences()), unread)


def open_differences() -> Iterator[Difference]:
    """What differed when it was last looked, the oldest first."""
    rows = Difference.objects.filter(gone_at=None).select_related("asset")
    yield from rows.prefetch_related("explanations__by").order_by("since", "pk")


@transaction.atomic
def explain(
    *, difference: Difference, note: str, at: datetime, by: User | None = None
) -> Explanation:
    """Say what a difference is; raises DifferenceGone or NoNote. It is kept in the ledger too."""
    if not note.strip():
        raise NoNote
    locked = Difference.objects.select_for_update().get(pk=difference.pk)
    if locked.gone_at is not None:
        raise DifferenceGone
    made = Explanation.objects.create(
        difference=locked, amount_units=locked.amount_units, note=note.strip()[:500], by=by, at=at
    )
    locked.explained_at = at
    locked.save(update_fields=["explained_at"])
    ledger.record(
        "difference.explained",
        at=at,
        subject_kind="difference",
        body={
            "difference": locked.key,
            "amount_units": str(locked.amount_units),
            "explanation": made.pk,
            "by": by.pk if by else None,
        },
    )
    return made


def as_json(outcome: Outcome) -> dict[str, Any]:
    """An outcome for programs; amounts are whole units as text, ages whole days."""
    return {
        "compared_at": outcome.compared_at.isoformat(),
        "is_clean": outcome.is_clean,
        "unread": outcome.unread,
        "differences": [_row(one, outcome.compared_at) for one in outcome.differences],
    }


def _row(one: Difference, at: datetime) -> dict[str, Any]:
    last = next(reversed(one.explanations.all()), None)
    return {
        "id": one.pk,
        "key": one.key,
        "side": one.side,
        "asset": one.asset.code,
        "amount_units": str(int(one.amount_units)),
        "amount": money.to_text(int(one.amount_units), one.asset.scale),
        "words": one.words,
        "advice": one.advice,
        "since": one.since.isoformat(),
        "age_days": age_days(one, at),
        "is_explained": one.explained_at is not None,
        "explanation": last.note if last is not None and one.explained_at is not None else None,
    }


def age_days(difference: Difference, at: datetime) -> int:
    """For how many whole days it has been so."""
    return max(0, (at - difference.since).days)


@transaction.atomic
def _keep(side: str, found: list[Finding], at: datetime) -> None:
    """Make the kept differences of one side those that were found."""
    kept = {row.key: row for row in Difference.objects.select_for_update().filter(side=side)}
    for finding in found:
        row = kept.pop(finding.key, None)
        if row is None:
            new = {"side": side, "asset": finding.asset, "first_seen_at": at}
            new |= _content(finding, at, at)
            Difference.objects.get_or_create(key=finding.key, defaults=new)
            continue
        is_back = row.gone_at is not None
        changed = _content(finding, at, at if is_back else row.since) | {"gone_at": None}
        if is_back:
            changed["first_seen_at"] = at
        if is_back or int(row.amount_units) != finding.amount_units:
            changed["explained_at"] = None
        Difference.objects.filter(pk=row.pk).update(**changed)
    gone = [row.pk for row in kept.values() if row.gone_at is None]
    Difference.objects.filter(pk__in=gone).update(gone_at=at)


def _content(finding: Finding, at: datetime, since: datetime) -> dict[str, Any]:
    return {
        "amount_units": finding.amount_units,
        "words": finding.words[:500],
        "advice": finding.advice[:500],
        "since": min(finding.since or since, at),
        "last_seen_at": at,
    }
