"""Money that labs paid in."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q

from compensation.models.assets import Asset
from compensation.models.entries import Entry
from provenance.models import Party, User

if TYPE_CHECKING:
    from provenance.access import Viewer


class DepositQuerySet(models.QuerySet["Deposit"]):
    """Deposits as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> DepositQuerySet:
        """The viewer's own; all for an operator."""
        return self if viewer.is_operator else self.filter(lab=viewer.party)


class Deposit(models.Model):
    """Money a lab paid in; the reference (a bank's, a processor's, a tx_hash) counts once."""

    lab = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="deposits")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    amount_units = models.BigIntegerField()
    reference = models.CharField(max_length=150)
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="deposit")
    received_at = models.DateTimeField()
    recorded_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")

    objects = DepositQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["asset", "reference"], name="deposit_counts_once"),
            models.CheckConstraint(condition=Q(amount_units__gt=0), name="deposit_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.amount_units} {self.asset} from {self.lab}"
