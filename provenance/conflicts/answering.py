"""One answer to many conflicts at once: each is answered in its own transaction, none twice.

The conflicts are fixed when the answer is given; what has moved on meanwhile says so in its row.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from provenance.conflicts.claims import answer, claim, reply, withdraw_claim
from provenance.conflicts.concessions import concede, given_up
from provenance.conflicts.filters import FOR_A_SIDE, chosen_by, within
from provenance.conflicts.resolutions import Outcome
from provenance.conflicts.sides import OPEN_STATES, State, side_of
from provenance.models import (
    AnsweredConflict,
    BulkAnswer,
    Claim,
    Conflict,
    ContestedRecord,
    Party,
    User,
)
from provenance.refusals import Refused

Choice = BulkAnswer.Choice
SPOKEN = (Choice.CLAIM, Choice.DISPUTE, Choice.REPLY)
"""Answers that say nothing without words."""
NARROWED = (Choice.KEEP, Choice.GIVE)
"""Answers that a filter of pairs narrows; the others are on all that a conflict holds."""


class NothingToAnswer(Refused):
    """None of these conflicts can be answered so now."""

    code = "nothing_to_answer"
    hint = "Widen the filter, or choose another answer: the page counts what each would reach."


class WordsMissing(Refused):
    """The other sides read this answer: it needs words."""

    code = "nothing_said"
    status = 400
    hint = "Say in your own words what the other side should know."


def answerable(conflicts: QuerySet[Conflict], party: Party, choice: str) -> QuerySet[Conflict]:
    """Those of `conflicts` in which `party` may answer so now."""
    rows = conflicts.filter(Q(later__owner=party) | Q(earlier__owner=party))
    own = Claim.objects.filter(conflict=OuterRef("pk"), claimant=party, round=OuterRef("round"))
    if choice == Choice.KEEP:
        # Of one's own there is nothing to let go: what is held of the other side is.
        held = ContestedRecord.objects.filter(
            conflict=OuterRef("pk"), held_since__isnull=False, released_at=None, resolution=None
        ).exclude(record__dataset__owner=party)
        return rows.filter(Exists(held), state__in=OPEN_STATES)
    if choice == Choice.GIVE:
        return rows.filter(state__in=OPEN_STATES)
    if choice == Choice.CLAIM:
        return rows.filter(~Exists(own), state__in=(*OPEN_STATES, State.RELEASED))
    if choice == Choice.WITHDRAW:
        in_force = own.filter(rejected_at=None, withdrawn_at=None)
        return rows.filter(Exists(in_force), state__in=(*OPEN_STATES, State.RELEASED))
    awaited = State.CLAIMED if choice == Choice.DISPUTE else State.ANSWERED
    return rows.filter(state=awaited, awaits=party)


def open_pairs(conflicts: QuerySet[Conflict]) -> QuerySet[ContestedRecord]:
    """The pairs of `conflicts` that are in question, one for each record of the newcomer."""
    rows = ContestedRecord.objects.filter(conflict__in=conflicts.values("pk"), resolution=None)
    return rows.filter(record__dataset=F("conflict__later"))


@transaction.atomic
def answer_all(
    *,
    conflicts: QuerySet[Conflict],
    party: Party,
    choice: str,
    text: str = "",
    evidence: str = "",
    filter: Mapping[str, Any] | None = None,  # noqa: A002  (the word of the model and the API)
    by: User | None = None,
    at: datetime,
) -> BulkAnswer:
    """Give one answer to all of `conflicts` that can be answered so; `advance` carries it out."""
    if choice in SPOKEN and not text.strip():
        raise WordsMissing
    chosen = chosen_by(filter, FOR_A_SIDE) if choice in NARROWED else {}
    keys = answerable(conflicts, party, choice).order_by("pk").values_list("pk", flat=True)
    made = BulkAnswer.objects.create(
        party=party,
        choice=choice,
        text=text,
        evidence=evidence,
        filter=chosen,
        made_by=by,
        made_at=at,
    )
    cases = [AnsweredConflict(answer=made, conflict_id=pk) for pk in keys]
    if not cases:
        raise NothingToAnswer
    AnsweredConflict.objects.bulk_create(cases, batch_size=1_000)
    return made


def advance(answer_id: uuid.UUID, *, clock: Callable[[], datetime], seconds: float) -> bool:
    """Answer one conflict after the other for so long; whether any are left. Safe to repeat."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not _next(answer_id, clock()):
            return False
    return AnsweredConflict.objects.filter(answer=answer_id, done_at=None).exists()


def unfinished() -> QuerySet[BulkAnswer]:
    """Answers that are still being given, the oldest first."""
    return BulkAnswer.objects.filter(finished_at=None).order_by("made_at")


@transaction.atomic
def _next(answer_id: uuid.UUID, at: datetime) -> bool:
    """Answer in one conflict that nobody works on; whether there was one."""
    rows = AnsweredConflict.objects.filter(answer=answer_id, done_at=None).order_by("pk")
    locked = rows.select_related("answer__party", "answer__made_by", "conflict__later__owner")
    case = locked.select_for_update(of=("self",), skip_locked=True, no_key=True).first()
    if case is None:
        if not rows.exists():
            BulkAnswer.objects.filter(pk=answer_id, finished_at=None).update(finished_at=at)
        return False
    try:
        with transaction.atomic():
            case.pair_count = _give(case, at)
    except Refused as refusal:
        case.refusal = f"{refusal.detail} {refusal.next_step}".strip()
    case.done_at = at
    case.save(update_fields=["pair_count", "refusal", "done_at"])
    return True


def _give(case: AnsweredConflict, at: datetime) -> int:
    """Give the answer in one conflict; how many pairs it was about."""
    given, conflict = case.answer, case.conflict
    own = side_of(conflict, given.party)
    pairs = open_pairs(Conflict.objects.filter(pk=conflict.pk))
    count = within(pairs, given.filter, own).count()
    said: dict[str, Any] = {
        "conflict": conflict,
        "party": given.party,
        "by": given.made_by,
        "at": at,
    }
    if given.choice in NARROWED:
        outcome: str = Outcome.COMMON
        if given.choice == Choice.GIVE:
            outcome = given_up(conflict, given.party)
        concede(**said, outcome=outcome, filter=given.filter, text=given.text)
    elif given.choice == Choice.CLAIM:
        claim(
            conflict=conflict,
            claimant=given.party,
            statement=given.text,
            evidence=given.evidence,
            by=given.made_by,
            at=at,
        )
    elif given.choice == Choice.DISPUTE:
        answer(**said, text=given.text, agrees=False)
    elif given.choice == Choice.REPLY:
        reply(**said, text=given.text)
    else:
        own_claim = conflict.claims.get(claimant=given.party, round=conflict.round)
        withdraw_claim(claim=own_claim, at=at)
    return count
