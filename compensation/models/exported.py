"""Payouts on chains that we do not sign for: exported once as a file, and read back."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils.translation import pgettext_lazy

from compensation.models.assets import Asset
from compensation.models.entries import Entry
from compensation.models.payouts import PayoutMethod, PayoutScopedQuerySet
from provenance.models import Party, User


class PayoutExport(models.Model):
    """All that was due in one asset at one moment, for the operator's own payout tool."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.PositiveIntegerField(unique=True)
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="payout_exports")
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="payout_export")
    amount_units = models.BigIntegerField()
    payout_count = models.PositiveIntegerField()
    made_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["number"]

    def __str__(self) -> str:
        return f"export {self.number}"


class ExportedPayout(models.Model):
    """One line of an export: what one payee is to get, and what became of it."""

    class State(models.TextChoices):
        SENT = "sent", pgettext_lazy("state", "Sent")
        PAID = "paid", pgettext_lazy("state", "Paid")
        RETURNED = "returned", pgettext_lazy("state", "Returned")

    export = models.ForeignKey(PayoutExport, on_delete=models.PROTECT, related_name="payouts")
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="exported_payouts")
    method = models.ForeignKey(PayoutMethod, on_delete=models.PROTECT, related_name="exported")
    reference = models.CharField(max_length=20, unique=True)
    # CAIP-10.
    address = models.CharField(max_length=120)
    amount_units = models.BigIntegerField()
    # In the token's own decimals.
    token_amount = models.DecimalField(max_digits=40, decimal_places=0)
    state = models.CharField(max_length=8, choices=State.choices, default=State.SENT)
    # What the operator's tool says: the transaction, or why there is none.
    tx_hash = models.CharField(max_length=200, blank=True, default="")
    words = models.CharField(max_length=300, blank=True, default="")
    outcome = models.OneToOneField(
        Entry, null=True, on_delete=models.PROTECT, related_name="exported_payout"
    )
    settled_at = models.DateTimeField(null=True)

    objects = PayoutScopedQuerySet["ExportedPayout"].as_manager()

    class Meta:
        ordering: ClassVar = ["export", "id"]

    def __str__(self) -> str:
        return self.reference
