"""What the two sides say: claims, answers and replies, and an operator's hand at the door."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from provenance.conflicts.evidence import ask_openings
from provenance.conflicts.opening import open_from_lead
from provenance.conflicts.resolutions import resolve_by_agreement
from provenance.conflicts.sides import (
    OPEN_STATES,
    STEP,
    NotASide,
    State,
    WrongMoment,
    claimant_and_respondent,
    held_records,
    locked,
    move,
    note,
    other,
    require_operator,
    require_state,
    rest,
    side_of,
    standing_claims,
    submit,
    tell,
)
from provenance.models import Claim, Conflict, Dataset, Overlap, Party, Submission, User
from provenance.refusals import Refused


class NothingSaid(Refused):
    """A statement without words says nothing."""

    code = "nothing_said"
    status = 400
    hint = "Say in your own words what the other side should know."


class EvidenceMissing(Refused):
    """A claim on what was registered earlier needs evidence."""

    code = "evidence_missing"
    status = 400
    hint = "Say how one can see that the records are yours: publications, dates, contracts."


class ClaimJudged(Refused):
    """An operator has looked at this claim already."""

    code = "claim_judged"
    hint = "Look at the claim: it says whether it was admitted."


class ClaimWithdrawn(Refused):
    """This side claimed these records before, and took its claim back."""

    code = "claim_withdrawn"
    hint = "Records that are found later can be claimed anew; for these, write to the operator."


@transaction.atomic
def claim(
    *,
    conflict: Conflict,
    claimant: Party,
    statement: str,
    evidence: str = "",
    by: User | None = None,
    at: datetime,
) -> Claim:
    """Say that the contested records are one's own. One claim a side and round; safe to repeat.

    The earlier owner's claim holds the newcomer's records until it is settled. The newcomer's,
    and any claim after the time for it, needs evidence, and holds something once admitted.
    """
    conflict = locked(conflict)
    dataset = side_of(conflict, claimant)
    standing = conflict.claims.filter(claimant=claimant, round=conflict.round).first()
    if standing is not None and standing.withdrawn_at is not None:
        raise ClaimWithdrawn
    if standing is not None:
        return standing
    require_state(conflict, *OPEN_STATES, State.RELEASED)
    _require_words(statement)
    is_judged_first = needs_admission(conflict, dataset, at)
    if is_judged_first and not evidence.strip():
        raise EvidenceMissing
    made = Claim.objects.create(
        conflict=conflict,
        claimant=claimant,
        round=conflict.round,
        statement=statement,
        evidence=evidence,
        made_by=by,
        made_at=at,
        needs_admission=is_judged_first,
    )
    note(conflict, "claimed", at, claimant=claimant.id, needs_admission=is_judged_first)
    if is_judged_first:
        respondent = other(conflict, dataset).owner
        runs = {"until": conflict.deadline_at} if conflict.may_still_claim == respondent else {}
        tell(conflict, "claim_waits", at, claimant=claimant, respondent=respondent, **runs)
    else:
        _take_effect(conflict, made, at)
    return made


@transaction.atomic
def claim_lead(
    *,
    overlap: Overlap,
    claimant: Party,
    statement: str,
    evidence: str,
    by: User | None = None,
    at: datetime,
) -> Claim:
    """Claim on likeness that no detector accuses by: a person's word opens the conflict.

    Nothing is held before an operator has admitted the claim.
    """
    conflict = open_from_lead(overlap=overlap, at=at)
    return claim(
        conflict=conflict,
        claimant=claimant,
        statement=statement,
        evidence=evidence,
        by=by,
        at=at,
    )


@transaction.atomic
def admit_claim(*, claim: Claim, by: User, at: datetime) -> Claim:
    """An operator lets a claim in: from now on the other side's records are held."""
    conflict = locked(claim.conflict)
    require_operator(conflict, by)
    claim = _locked(claim)
    if claim.admitted_at is not None:
        return claim
    if not claim.needs_admission or claim.rejected_at is not None:
        raise ClaimJudged
    if claim.withdrawn_at is not None:
        raise ClaimWithdrawn(_("The claimant took this claim back."))
    if claim.round != conflict.round:
        raise WrongMoment(_("This claim belongs to a round that is settled."))
    require_state(conflict, *OPEN_STATES, State.RELEASED)
    claim.admitted_by, claim.admitted_at = by, at
    claim.save(update_fields=["admitted_by", "admitted_at"])
    note(conflict, "claim_admitted", at, claimant=claim.claimant_id)
    _take_effect(conflict, claim, at)
    return claim


@transaction.atomic
def reject_claim(*, claim: Claim, reason: str, by: User, at: datetime) -> Claim:
    """An operator does not let a claim in; nothing is held because of it."""
    conflict = locked(claim.conflict)
    require_operator(conflict, by)
    claim = _locked(claim)
    if claim.rejected_at is not None:
        return claim
    if not claim.needs_admission or claim.admitted_at is not None:
        raise ClaimJudged
    if claim.withdrawn_at is not None:
        raise ClaimWithdrawn(_("The claimant took this claim back."))
    _require_words(reason)
    claim.rejected_at = at
    claim.save(update_fields=["rejected_at"])
    note(conflict, "claim_rejected", at, claimant=claim.claimant_id)
    tell(conflict, "claim_rejected", at, claimant=claim.claimant, reasons=reason)
    _release_if_nothing_runs(conflict)
    return claim


@transaction.atomic
def withdraw_claim(*, claim: Claim, at: datetime) -> Claim:
    """Take one's own claim back: what it held goes free, as after silence. Safe to repeat.

    The other side's claim, where there is one, lives on. What was decided already stays decided,
    and the same records cannot be claimed again.
    """
    conflict = locked(claim.conflict)
    claim = _locked(claim)
    if claim.withdrawn_at is not None:
        return claim
    if claim.rejected_at is not None:
        raise ClaimJudged
    if claim.round != conflict.round:
        raise WrongMoment(_("This claim belongs to a round that is settled."))
    require_state(conflict, *OPEN_STATES, State.RELEASED)
    stood = any(one.pk == claim.pk for one in standing_claims(conflict))
    claim.withdrawn_at = at
    claim.save(update_fields=["withdrawn_at"])
    note(conflict, "claim_withdrawn", at, claimant=claim.claimant_id)
    if stood:
        _let_go(conflict, claim, at)
    else:
        tell(conflict, "claim_withdrawn", at, claimant=claim.claimant, records=0)
        _release_if_nothing_runs(conflict)
    return claim


@transaction.atomic
def answer(
    *,
    conflict: Conflict,
    party: Party,
    text: str,
    agrees: bool,
    by: User | None = None,
    at: datetime,
) -> Submission:
    """The respondent answers the claim; agreement settles it for the claimant at once."""
    conflict = locked(conflict)
    side_of(conflict, party)
    require_state(conflict, State.CLAIMED)
    claimant, respondent = claimant_and_respondent(conflict)
    if party.pk != respondent.owner_id:
        raise NotASide(_("The other side has claimed: it is not yours to answer your own claim."))
    if not agrees:
        _require_words(text)
    said = submit(conflict, party, Submission.Kind.ANSWER, text, by, at, agrees=agrees)
    if not agrees:
        move(conflict, State.ANSWERED, awaits=claimant.owner, until=at + STEP)
    note(conflict, "answered", at, party=party.id, agrees=agrees)
    if agrees:
        resolve_by_agreement(conflict, claimant, at)
    return said


@transaction.atomic
def reply(
    *, conflict: Conflict, party: Party, text: str, by: User | None = None, at: datetime
) -> Submission:
    """The claimant replies to the answer; then an operator decides."""
    conflict = locked(conflict)
    side_of(conflict, party)
    require_state(conflict, State.ANSWERED)
    claimant, _respondent = claimant_and_respondent(conflict)
    if party.pk != claimant.owner_id:
        raise NotASide(_("Only the side that claimed replies to the answer."))
    _require_words(text)
    said = submit(conflict, party, Submission.Kind.REPLY, text, by, at)
    move(conflict, State.DECIDING, until=at + STEP)
    note(conflict, "replied", at, party=party.id)
    return said


def needs_admission(conflict: Conflict, dataset: Dataset, at: datetime) -> bool:
    """Only the earlier owner's claim, in time, on what is held already, needs no operator."""
    is_late = conflict.deadline_at is not None and conflict.deadline_at <= at
    is_late = is_late and conflict.state == State.OPEN
    against = other(conflict, dataset)
    is_held = held_records(conflict, against).exists()
    return is_late or dataset.pk == conflict.later_id or not is_held


def _take_effect(conflict: Conflict, claim: Claim, at: datetime) -> None:
    """Hold the other side's open records, and ask it to answer if nobody was asked before."""
    claimant = side_of(conflict, claim.claimant)
    against = other(conflict, claimant)
    rows = conflict.contested.filter(record__dataset=against, resolution=None)
    rows.filter(held_since=None).update(held_since=at)
    rows.filter(released_at__isnull=False).update(held_since=at, released_at=None)
    ask_openings(conflict, claimant, at)
    if conflict.state in (State.OPEN, State.RELEASED):
        move(conflict, State.CLAIMED, awaits=against.owner, until=at + STEP)
    held = held_records(conflict, against).count()
    note(conflict, "held", at, dataset=against.id, records=held)
    tell(
        conflict,
        "claim",
        at,
        claimant=claim.claimant,
        respondent=against.owner,
        held=against,
        records=held,
        until=conflict.deadline_at,
    )


def _let_go(conflict: Conflict, claim: Claim, at: datetime) -> None:
    """Release what the withdrawn claim held; the other side's claim goes on without it."""
    against = other(conflict, side_of(conflict, claim.claimant))
    count = held_records(conflict, against).update(released_at=at)
    note(conflict, "released", at, dataset=against.id, records=count)
    tell(conflict, "claim_withdrawn", at, claimant=claim.claimant, records=count)
    left = standing_claims(conflict)
    if not left:
        rest(conflict, at)
    elif conflict.state != State.DECIDING and not _has_answered(conflict, claim.claimant):
        move(conflict, State.CLAIMED, awaits=claim.claimant, until=at + STEP)


def _has_answered(conflict: Conflict, party: Party) -> bool:
    said = conflict.submissions.filter(round=conflict.round, kind=Submission.Kind.ANSWER)
    return said.filter(party=party).exists()


def _release_if_nothing_runs(conflict: Conflict) -> None:
    """A conflict that stayed open only for a claim to be admitted holds nothing any more."""
    waits = Claim.objects.waiting().filter(conflict=conflict, round=conflict.round)
    if conflict.state == State.OPEN and conflict.deadline_at is None and not waits.exists():
        move(conflict, State.RELEASED)


def _locked(claim: Claim) -> Claim:
    rows = Claim.objects.select_related("claimant")
    return rows.select_for_update(of=("self",), no_key=True).get(pk=claim.pk)


def _require_words(text: str) -> None:
    if not text.strip():
        raise NothingSaid
