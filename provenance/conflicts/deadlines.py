"""What passes when time passes: silence releases, or goes to a person; decisions become final."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from provenance.conflicts.sides import (
    OPEN_STATES,
    STEP,
    State,
    claimant_and_respondent,
    held_records,
    locked,
    move,
    note,
    settle,
    standing_claims,
    tell,
)
from provenance.models import Claim, Conflict


def pass_deadlines(at: datetime) -> int:
    """Do what is due by `at` in every conflict, each in its own transaction; how many moved."""
    timed = Q(deadline_at__lte=at) & ~Q(state__in=[State.DECIDING, State.APPEALED])
    unclaimed = Q(
        state__in=OPEN_STATES,
        contested__held_since__lte=at - STEP,
        contested__released_at=None,
        contested__resolution=None,
    )
    due = Conflict.objects.filter(timed | unclaimed).order_by("pk").distinct()
    return sum(_pass(pk, at) for pk in due.values_list("pk", flat=True))


@transaction.atomic
def _pass(pk: uuid.UUID, at: datetime) -> bool:
    """Do what is due in one conflict; whether anything was."""
    conflict = locked(Conflict(pk=pk))
    released = _release_unclaimed(conflict, at)
    if conflict.deadline_at is None or conflict.deadline_at > at:
        return released
    if conflict.state == State.OPEN:
        _nobody_claimed(conflict, at)
    elif conflict.state == State.CLAIMED:
        _respondent_is_silent(conflict, at)
    elif conflict.state == State.ANSWERED:
        _claimant_is_silent(conflict, at)
    elif conflict.state == State.DECIDED:
        note(conflict, "closed", at)
        settle(conflict, at)
    else:
        # A decision that is late stays with its operators: no clock decides who is right.
        return released
    return True


def _release_unclaimed(conflict: Conflict, at: datetime) -> bool:
    """Release the newcomer's records that were held for 14 days without the other's claim."""
    claimants = {claim.claimant_id for claim in standing_claims(conflict)}
    if conflict.state not in OPEN_STATES or conflict.earlier.owner_id in claimants:
        return False
    due = held_records(conflict, conflict.later).filter(held_since__lte=at - STEP)
    count = due.update(released_at=at)
    if count:
        note(conflict, "released", at, dataset=conflict.later_id, records=count)
        tell(conflict, "released", at, records=count, held=conflict.later)
    return bool(count)


def _nobody_claimed(conflict: Conflict, at: datetime) -> None:
    """A claim that waits for admission keeps the conflict open; nothing is held for it."""
    waits = Claim.objects.waiting().filter(conflict=conflict, round=conflict.round)
    move(conflict, State.OPEN if waits.exists() else State.RELEASED)


def _respondent_is_silent(conflict: Conflict, at: datetime) -> None:
    """A respondent's silence proves nothing: a person decides."""
    claimant, respondent = claimant_and_respondent(conflict)
    move(conflict, State.DECIDING, until=at + STEP)
    note(conflict, "unanswered", at, party=respondent.owner_id)
    tell(
        conflict,
        "referred",
        at,
        claimant=claimant.owner,
        respondent=respondent.owner,
        until=conflict.deadline_at,
    )


def _claimant_is_silent(conflict: Conflict, at: datetime) -> None:
    """A claimant's silence releases what its claim held; the other side's claim lives on."""
    claimant, respondent = claimant_and_respondent(conflict)
    count = held_records(conflict, respondent).update(released_at=at)
    note(conflict, "released", at, dataset=respondent.id, records=count)
    tell(conflict, "silence", at, claimant=claimant.owner, records=count)
    if any(claim.claimant_id == respondent.owner_id for claim in standing_claims(conflict)):
        move(conflict, State.DECIDING, until=at + STEP)
    else:
        held_records(conflict).update(released_at=at)
        settle(conflict, at)
