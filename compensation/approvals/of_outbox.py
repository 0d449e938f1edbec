"""Dismissing a reverted transaction: by one operator, or by two where it carries money."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_noop as _noop

from compensation.approvals.ways import Body, Kind, Way
from compensation.limits import AlwaysTwo
from compensation.models import PayoutClaim, PayoutEpoch
from provenance import dismissals
from provenance.models import OutboxTransaction, Proposal, User


def _row(body: Body) -> OutboxTransaction:
    return OutboxTransaction.objects.get(pk=body["transaction"])


def _dismiss(body: Body, by: User | None, at: datetime, approved: int | None) -> OutboxTransaction:
    """A payout tree that is not active yet still needs what carries it."""
    row = _row(body)
    trees = PayoutEpoch.objects.filter(Q(outbox=row) | Q(activation=row))
    if trees.exclude(state=PayoutEpoch.State.ACTIVE).exists():
        raise dismissals.StillNeeded
    if approved is None and (trees.exists() or PayoutClaim.objects.filter(outbox=row).exists()):
        raise AlwaysTwo
    return dismissals.dismiss(reviewed=row, reason=body["reason"], by=by, at=at)


def _words(body: Body) -> str:
    row = _row(body)
    words = _noop("Never send \u201c%(purpose)s\u201d again, which the chain reverted.") % {
        "purpose": row.purpose
    }
    return f"{words}\n{body['reason']}"


def _basis(body: Body) -> dict[str, Any]:
    """The transaction as it reverted."""
    row = _row(body)
    return {"state": row.state, "tx_hash": row.tx_hash}


WAYS: dict[Proposal.Kind, Way] = {
    Kind.DISMISSAL: Way(
        perform=_dismiss,
        basis=_basis,
        words=_words,
        told=lambda made: _noop("It is dismissed."),
        right="develop",
    ),
}
