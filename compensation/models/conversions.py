"""Conversions: money that changed from one asset into another, at a price, out of the treasury."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q

from compensation.models.accounts import Account
from compensation.models.entries import Entry
from provenance.models import User

if TYPE_CHECKING:
    from provenance.access import Viewer


class ConversionQuerySet(models.QuerySet["Conversion"]):
    """Conversions as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> ConversionQuerySet:
        """Those of the viewer's accounts; all for an operator."""
        mine = Q(from_account__party=viewer.party) | Q(to_account__party=viewer.party)
        return self if viewer.is_operator else self.filter(mine)


class Conversion(models.Model):
    """Two entries that belong together: what was given to the treasury, and what came from it.

    `numerator / denominator` is the price: units of the asset that came for one unit of the asset
    that went. The floor came; the part of a unit that it leaves is the treasury's.
    """

    from_account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    to_account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    from_units = models.BigIntegerField()
    to_units = models.BigIntegerField()
    numerator = models.DecimalField(max_digits=38, decimal_places=0)
    denominator = models.DecimalField(max_digits=38, decimal_places=0)
    out_entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="conversion_out")
    in_entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="conversion_in")
    idempotency_key = models.CharField(max_length=190, unique=True)
    reason = models.CharField(max_length=300)
    converted_at = models.DateTimeField()
    converted_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")

    objects = ConversionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(from_units__gt=0, to_units__gt=0, numerator__gt=0, denominator__gt=0),
                name="conversion_moves_something",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_units} in {self.from_account} for {self.to_units}"

    @property
    def rate(self) -> Fraction:
        """Whole amounts of the asset that came for one whole amount of the asset that went."""
        scale = self.from_account.asset.scale - self.to_account.asset.scale
        return Fraction(int(self.numerator), int(self.denominator)) * Fraction(10) ** scale
