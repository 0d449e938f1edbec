"""Acts of operators that may take two people: done at once, or put forward and approved.

Every door comes through `attempt`. Below the limits the act is done; above, it is tried (and
undone), so that what is put forward can be done, and kept as a proposal for a second person.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import translation

from compensation import limits
from compensation.approvals import (
    of_conflicts,
    of_incoming,
    of_money,
    of_outbox,
    of_ownership,
    of_parties,
    of_payouts,
)
from compensation.approvals.of_payouts import NothingToBuild
from compensation.approvals.ways import APPROVED_BY, Body, Kind, Way
from compensation.limits import TakesTwo
from provenance import proposals
from provenance.models import Proposal, User

__all__ = ["Body", "Kind", "NothingToBuild", "approve", "attempt", "right_for"]

WAYS: dict[Proposal.Kind, Way] = {
    **of_conflicts.WAYS,
    **of_incoming.WAYS,
    **of_money.WAYS,
    **of_outbox.WAYS,
    **of_ownership.WAYS,
    **of_parties.WAYS,
    **of_payouts.WAYS,
}


def attempt(*, kind: Proposal.Kind, subject: str, body: Body, by: User | None, at: datetime) -> Any:
    """Do an act, or put it forward where it takes two: what was made of it, or the Proposal.

    Raises whatever refuses the act; TakesTwo where no person asks, because a proposal has one.
    """
    way = WAYS[kind]
    try:
        return way.perform(body, by, at, None)
    except TakesTwo as need:
        if by is None:
            raise
        units = max(need.stake.values(), default=0)
        allowed = units + units * way.headroom_percent // 100
        with transaction.atomic():
            way.perform(body, by, at, allowed)
            transaction.set_rollback(True)
        return proposals.propose(
            kind=kind,
            subject=subject,
            body={**body, "approved_units": str(allowed)},
            basis=way.basis(body),
            words=_kept(way.words, body),
            stake=limits.in_words(need.stake),
            by=by,
            at=at,
        )


def _kept(say: Callable[[Any], str], subject: Any) -> str:
    """What a proposal keeps of itself: in English, whoever reads it; pages say it in theirs."""
    with translation.override(settings.LANGUAGE_CODE):
        return say(subject)


def right_for(proposal: Proposal) -> str:
    """The right that speaking to a proposal needs."""
    return WAYS[Kind(proposal.kind)].right


def approve(*, proposal: Proposal, by: User, at: datetime, reason: str = "") -> Proposal:
    """Do exactly what was put forward, because a second person agrees.

    Raises as proposals.approve does, and what refuses the act; then it goes on waiting.
    """
    way = WAYS[Kind(proposal.kind)]

    def perform(locked: Proposal) -> str:
        way.check(locked.body, by)
        units = int(locked.body["approved_units"])
        try:
            body = {**locked.body, APPROVED_BY: by.pk}
            return _kept(way.told, way.perform(body, locked.proposed_by, at, units))
        except TakesTwo as grown:
            raise proposals.ProposalVoid from grown

    return proposals.approve(
        proposal=proposal,
        basis=lambda locked: way.basis(locked.body),
        perform=perform,
        by=by,
        at=at,
        reason=reason,
    )
