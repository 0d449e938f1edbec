"""Letting a reverted transaction be, for good: with a reason, on record, where nothing needs it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from provenance import ledger
from provenance.models import Anchor, OutboxTransaction, User
from provenance.outbox import NotInReview
from provenance.refusals import Refused

State = OutboxTransaction.State


class DismissedWithoutReason(Refused):
    """What is dismissed is dismissed with a reason."""

    code = "dismissed_without_reason"
    status = 400
    hint = "Say what the cause was, and why nothing needs this transaction any more."


class StillNeeded(Refused):
    """Something waits for this transaction."""

    code = "transaction_still_needed"
    hint = "Find the cause, remove it, and send it again."


@transaction.atomic
def dismiss(
    *, reviewed: OutboxTransaction, reason: str, by: User | None, at: datetime
) -> OutboxTransaction:
    """Put a reverted transaction aside; it is never sent again.

    Raises NotInReview, DismissedWithoutReason, or StillNeeded where a batch of the ledger, or a
    payout tree, waits for it.
    """
    row = OutboxTransaction.objects.select_for_update().get(pk=reviewed.pk)
    if row.state != State.REVIEW:
        raise NotInReview(_("This transaction is %(state)s, not in review.") % {"state": row.state})
    if not reason.strip():
        raise DismissedWithoutReason
    if Anchor.objects.filter(outbox=row).exists():
        raise StillNeeded(_("A batch of the ledger is anchored by it."))
    row.state = State.DISMISSED
    row.note = f"{row.note}\ndismissed {at:%Y-%m-%d %H:%M}: {reason.strip()}".strip()
    row.save(update_fields=["state", "note"])
    ledger.record(
        "outbox.dismissed",
        at=at,
        subject_kind="outbox",
        body={
            "transaction": row.pk,
            "chain_id": row.chain_id,
            "tx_hash": row.tx_hash,
            "by": by.pk if by else None,
        },
    )
    return row
