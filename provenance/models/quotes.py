"""Quotes: what a use will cost, promised to a lab for a time."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from provenance.models.datasets import DatasetVersion
from provenance.models.licences import Licence, Purpose
from provenance.models.parties import Party, User
from provenance.models.rates import Rate

if TYPE_CHECKING:
    from provenance.access import Viewer


class QuoteQuerySet(models.QuerySet["Quote"]):
    """Quotes as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> Self:
        """The lab's own; all for an operator."""
        return self if viewer.is_operator else self.filter(lab=viewer.party)


class Quote(models.Model):
    """Prices that bind: a run that names it, started before it ends, is priced by its rates."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    lab = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="quotes")
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    # The month whose tiers and quotas were counted in.
    period = models.CharField(max_length=7)
    asked_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    valid_until = models.DateTimeField()

    objects = QuoteQuerySet.as_manager()

    def __str__(self) -> str:
        return _("Quote of %(day)s for %(lab)s") % {
            "day": f"{self.created_at:%Y-%m-%d}",
            "lab": self.lab,
        }


class QuoteItem(models.Model):
    """One dataset version in a quote: the rate, what is expected of it, and what that costs."""

    quote = models.ForeignKey(Quote, on_delete=models.PROTECT, related_name="items")
    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="+")
    licence = models.ForeignKey(Licence, on_delete=models.PROTECT, related_name="+")
    # Null where use is free.
    rate = models.ForeignKey(Rate, null=True, on_delete=models.PROTECT, related_name="+")
    record_count = models.BigIntegerField()
    token_count = models.BigIntegerField()
    epoch_count = models.BigIntegerField()
    fetch_count = models.BigIntegerField()
    # What its rate counts, and how much of that was used in the period when it was quoted.
    quantity = models.BigIntegerField()
    used_quantity = models.BigIntegerField()
    amount_units = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["quote", "version"], name="quoted_once"),
            models.CheckConstraint(condition=Q(amount_units__gte=0), name="quote_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.version}: {self.amount_units}"
