"""A side settles pairs by its own word, where that gives up nothing but what is its own.

Nobody needs an operator, or the other side, to say "keep them" or "they are yours".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Case, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from provenance.conflicts.filters import FOR_A_SIDE, FOR_ALL, chosen_by, within
from provenance.conflicts.resolutions import Outcome, announce
from provenance.conflicts.sides import (
    APPEAL,
    OPEN_STATES,
    State,
    held_records,
    in_question,
    locked,
    move,
    require_state,
    rest,
    side_of,
    submit,
)
from provenance.models import (
    Claim,
    Conflict,
    ContestedRecord,
    Dataset,
    Party,
    Resolution,
    Submission,
    User,
)
from provenance.refusals import Refused


class NotYoursToGive(Refused):
    """A side may give up its own, never take the other's."""

    code = "not_yours_to_give"
    status = 400
    hint = "Say that each keeps its own, or that the records are the other side's; or claim them."


class NothingToConcede(Refused):
    """Nothing in question is within that filter, or it is not held on this side's account."""

    code = "nothing_to_concede"
    hint = "Widen the filter; what is released or decided already needs no answer."


@transaction.atomic
def concede(
    *,
    conflict: Conflict,
    party: Party,
    outcome: str,
    filter: Mapping[str, Any] | None = None,  # noqa: A002  (the word of the model and the API)
    text: str = "",
    by: User | None = None,
    at: datetime,
) -> Resolution:
    """Settle the pairs that `filter` names in the other side's favour; the others stay as they are.

    `outcome`: `common`, and what is held of the other side on one's own account goes free; or that
    of the other side, and the pairs' money follows it from the start. `filter`: {"kind": [...],
    "record_ids": [...], "key_starts": of one's own keys, "up_to": the last contested row seen}.
    The answer follows record digests into later versions, so that the same is not asked again.
    """
    conflict = locked(conflict)
    own = side_of(conflict, party)
    require_state(conflict, *OPEN_STATES)
    if outcome not in (Outcome.COMMON, given_up(conflict, party)):
        raise NotYoursToGive
    chosen = chosen_by(filter, FOR_A_SIDE)
    rows, moved = _rows(conflict, own, outcome, chosen)
    count = moved.count()
    if not count:
        raise NothingToConcede
    submit(conflict, party, Submission.Kind.CONCESSION, text, by, at, agrees=True)
    resolution = Resolution.objects.create(
        conflict=conflict,
        outcome=outcome,
        round=conflict.round,
        # Keys are one side's own; the rows themselves say what was settled.
        filter={name: value for name, value in chosen.items() if name in FOR_ALL},
        reasons=text,
        decided_at=at,
    )
    freed = Case(When(held_since__isnull=False, then=Value(at)))
    rows.update(resolution=resolution, released_at=Coalesce("released_at", freed))
    # First where it stands now: what is told says until when one may act.
    _go_on(conflict, at)
    announce(conflict, "conceded", resolution, count, at, conceder=party)
    return resolution


def given_up(conflict: Conflict, party: Party) -> str:
    """The outcome by which `party` gives its own up: the records are the other side's."""
    is_later = side_of(conflict, party).pk == conflict.later_id
    return Outcome.TO_EARLIER if is_later else Outcome.TO_LATER


def _rows(
    conflict: Conflict, own: Dataset, outcome: str, chosen: Mapping[str, Any]
) -> tuple[QuerySet[ContestedRecord], QuerySet[ContestedRecord]]:
    """What is settled, and that part of it which is released or moves.

    "Each keeps its own" lets go of what is held of the other side, and leaves in question what the
    other side has claimed of one's own.
    """
    open_rows = conflict.contested.filter(resolution=None)
    mine = Q(record__dataset=own)
    if outcome != Outcome.COMMON:
        rows = within(open_rows, chosen, own)
        return rows, rows.filter(mine)
    is_held = Q(held_since__isnull=False, released_at=None)
    rows = within(open_rows.filter((mine & ~is_held) | (~mine & is_held)), chosen, own)
    return rows, rows.exclude(mine)


def _go_on(conflict: Conflict, at: datetime) -> None:
    """Settle the conflict once nothing of it is in question; else it goes on with the rest."""
    if in_question(conflict).exists():
        return
    if held_records(conflict).exists():
        if conflict.state != State.OPEN:
            rest(conflict, at)
        return
    if Claim.objects.waiting().filter(conflict=conflict, round=conflict.round).exists():
        return
    if conflict.resolutions.filter(round=conflict.round, decided_by__isnull=False).exists():
        move(conflict, State.DECIDED, until=at + APPEAL)
    else:
        rest(conflict, at)
