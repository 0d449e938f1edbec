"""How a conflict is settled: by an operator, by agreement, by a derivation, and on appeal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from provenance.conflicts.evidence import ask_openings
from provenance.conflicts.filters import chosen_by, within
from provenance.conflicts.sides import (
    APPEAL,
    OPEN_STATES,
    STEP,
    NotAnOperator,
    State,
    held_records,
    in_question,
    locked,
    move,
    note,
    other,
    require_operator,
    require_state,
    settle,
    side_of,
    standing_claims,
    submit,
    tell,
)
from provenance.models import (
    Conflict,
    Dataset,
    Party,
    Resolution,
    Submission,
    User,
)
from provenance.refusals import Refused

Outcome = Resolution.Outcome
FROM_THE_START = _noop("It holds from the first use of these records on.")
FROM_NOW = _noop("It holds from the moment of the decision on; what was earned before stays.")


class BadDecision(Refused):
    """That is no decision."""

    code = "bad_decision"
    status = 400
    hint = "Choose an outcome, give the reasons, and for `shared` parts from 1 to 9,999 of 10,000."


class NothingToDecide(Refused):
    """No contested record is both in question and within that filter."""

    code = "nothing_to_decide"
    hint = "Leave the filter out, or name kinds and records that the conflict still holds."


class AlreadyAppealed(Refused):
    """There is one appeal, and it was made."""

    code = "already_appealed"
    hint = "Wait for the decision of the operator who looks at the appeal."


class TooLate(Refused):
    """The time to appeal has passed."""

    code = "too_late"
    hint = "A decision can be appealed for 30 days; it is final here now."


@transaction.atomic
def decide(
    *,
    conflict: Conflict,
    outcome: str,
    reasons: str,
    by: User,
    at: datetime,
    filter: Mapping[str, Any] | None = None,  # noqa: A002  (the word of the model and the API)
    earlier_basis_points: int = 5_000,
    from_the_start: bool = True,
) -> Resolution:
    """Decide on the records in question that `filter` names; what it leaves out stays held.

    `filter`: {"kind": ["exact", ...], "record_ids": [...]}; a pair follows either of its records.
    Only sides against which a claim stands are decided on; once nothing is left in question the
    rest is released and the time to appeal begins.
    """
    conflict = locked(conflict)
    require_operator(conflict, by)
    require_state(conflict, State.DECIDING)
    chosen = chosen_by(filter)
    _require_decision(outcome, reasons, earlier_basis_points)
    rows = within(in_question(conflict), chosen)
    if not rows.exists():
        raise NothingToDecide
    terms = (outcome, earlier_basis_points, from_the_start)
    resolution = _resolve(conflict, terms, chosen, reasons, by, at)
    count = rows.update(resolution=resolution, released_at=at)
    until = at + APPEAL
    if not in_question(conflict).exists():
        held_records(conflict).update(released_at=at)
        move(conflict, State.DECIDED, until=until)
    announce(conflict, "decision", resolution, count, at, until=until)
    return resolution


@transaction.atomic
def appeal(
    *, conflict: Conflict, party: Party, text: str, by: User | None = None, at: datetime
) -> Submission:
    """Ask another operator to look at the decision: once, within its time.

    The decision stands until then; what it moved can be restated.
    """
    conflict = locked(conflict)
    side_of(conflict, party)
    said = conflict.submissions.filter(kind=Submission.Kind.APPEAL, round=conflict.round)
    if said.exists():
        raise AlreadyAppealed
    require_state(conflict, State.DECIDED)
    if conflict.deadline_at is not None and conflict.deadline_at <= at:
        raise TooLate
    if not text.strip():
        raise BadDecision(
            _("An appeal without words says nothing."), hint=_("Say what was overlooked.")
        )
    submission = submit(conflict, party, Submission.Kind.APPEAL, text, by, at)
    move(conflict, State.APPEALED, until=at + STEP)
    note(conflict, "appealed", at, party=party.id)
    return submission


@transaction.atomic
def decide_appeal(
    *,
    conflict: Conflict,
    outcome: str,
    reasons: str,
    by: User,
    at: datetime,
    filter: Mapping[str, Any] | None = None,  # noqa: A002  (the word of the model and the API)
    earlier_basis_points: int = 5_000,
    from_the_start: bool = True,
) -> Resolution:
    """Decide the appeal, afresh, for the records that `filter` names; the others stay decided."""
    conflict = locked(conflict)
    require_operator(conflict, by)
    require_state(conflict, State.APPEALED)
    chosen = chosen_by(filter)
    _require_decision(outcome, reasons, earlier_basis_points)
    # What a side gave up by its own word is not in question any more.
    before = conflict.resolutions.filter(round=conflict.round, decided_by__isnull=False)
    if before.filter(decided_by=by).exists():
        raise NotAnOperator(_("You decided this before: another operator decides the appeal."))
    rows = within(conflict.contested.filter(resolution__in=before), chosen)
    if not rows.exists():
        raise NothingToDecide
    first = list(before.values_list("pk", flat=True))
    terms = (outcome, earlier_basis_points, from_the_start)
    resolution = _resolve(conflict, terms, chosen, reasons, by, at, is_on_appeal=True)
    count = rows.update(resolution=resolution)
    conflict.resolutions.filter(pk__in=first).exclude(
        pk__in=conflict.contested.filter(resolution__in=first).values("resolution")
    ).update(superseded_by=resolution)
    announce(conflict, "appeal_decision", resolution, count, at)
    settle(conflict, at)
    return resolution


def resolve_by_agreement(conflict: Conflict, claimant: Dataset, at: datetime) -> Resolution:
    """The respondent accepts the claim: all its contested records are the claimant's."""
    respondent = other(conflict, claimant)
    to_earlier = claimant.pk == conflict.earlier_id
    resolution = Resolution.objects.create(
        conflict=conflict,
        outcome=Outcome.TO_EARLIER if to_earlier else Outcome.TO_LATER,
        round=conflict.round,
        reasons="The other side accepted the claim.",
        decided_at=at,
    )
    rows = held_records(conflict, respondent)
    count = rows.update(resolution=resolution, released_at=at)
    # Whoever accepts the other's claim gives up its own on the same material.
    held_records(conflict).update(released_at=at)
    announce(
        conflict,
        "agreed",
        resolution,
        count,
        at,
        claimant=claimant.owner,
        respondent=respondent.owner,
    )
    settle(conflict, at)
    return resolution


def settle_derived(*, child: Dataset, parent: Dataset, at: datetime) -> None:
    """One dataset was made from the other, and both owners say so: what is held goes free.

    What was decided already stays decided.
    """
    pair = Q(later=child, earlier=parent) | Q(later=parent, earlier=child)
    for found in Conflict.objects.filter(pair).order_by("pk"):
        conflict = locked(found)
        count = held_records(conflict).update(released_at=at)
        if not count and conflict.state not in OPEN_STATES:
            continue
        note(conflict, "derived", at, child=child.pk, parent=parent.pk, records=count)
        tell(conflict, "derived", at, records=count, child=str(child), parent=str(parent))
        settle(conflict, at)


def _resolve(
    conflict: Conflict,
    terms: tuple[str, int, bool],
    chosen: dict[str, Any],
    reasons: str,
    by: User,
    at: datetime,
    *,
    is_on_appeal: bool = False,
) -> Resolution:
    """The resolution as an operator decided it; `terms`: outcome, parts, from the start."""
    outcome, earlier_basis_points, from_the_start = terms
    return Resolution.objects.create(
        conflict=conflict,
        outcome=outcome,
        round=conflict.round,
        earlier_basis_points=earlier_basis_points,
        filter=chosen,
        reasons=reasons,
        from_the_start=from_the_start,
        is_on_appeal=is_on_appeal,
        decided_by=by,
        decided_at=at,
    )


def announce(
    conflict: Conflict, kind: str, resolution: Resolution, count: int, at: datetime, **facts: Any
) -> None:
    """Tell both sides, write it into the ledger, and ask fingerprint-only winners for samples."""
    for claim in standing_claims(conflict):
        ask_openings(conflict, side_of(conflict, claim.claimant), at)
    note(
        conflict,
        "decided",
        at,
        round=resolution.round,
        resolution=resolution.id,
        outcome=resolution.outcome,
        earlier_basis_points=resolution.earlier_basis_points,
        from_the_start=resolution.from_the_start,
        is_on_appeal=resolution.is_on_appeal,
        records=count,
    )
    tell(
        conflict,
        kind,
        at,
        outcome=resolution.outcome,
        records=count,
        reasons=resolution.reasons,
        earlier_parts=resolution.earlier_basis_points,
        scope=FROM_THE_START if resolution.from_the_start else FROM_NOW,
        **facts,
    )


def _require_decision(outcome: str, reasons: str, earlier_basis_points: int) -> None:
    if outcome not in Outcome.values or not reasons.strip():
        raise BadDecision
    if outcome == Outcome.SHARED and not 0 < earlier_basis_points < 10_000:
        raise BadDecision
