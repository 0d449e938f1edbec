"""Where the journal and the world outside differ, since when, and what was said about it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from compensation.models.assets import Asset
from provenance.models import User


class Difference(models.Model):
    """Something that the journal and a bank or chain do not agree on; kept, so that it has an age.

    An explanation is for one amount: when that changes, the difference is unexplained again.
    """

    class Side(models.TextChoices):
        BANK = "bank", _("Bank")
        CHAIN = "chain", _("Chain")

    # Names it again at the next comparison.
    key = models.CharField(max_length=200, unique=True)
    side = models.CharField(max_length=5, choices=Side.choices)
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="differences")
    # The world's side less the journal's.
    amount_units = models.DecimalField(max_digits=40, decimal_places=0)
    words = models.CharField(max_length=500)
    advice = models.CharField(max_length=500)
    # Since when it is so in the world; when we first and last saw it.
    since = models.DateTimeField()
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    # Null while it is there; null while nobody has explained it.
    gone_at = models.DateTimeField(null=True)
    explained_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["since", "id"]

    def __str__(self) -> str:
        return self.words


class Explanation(models.Model):
    """What an operator found out about a difference; kept as it was said."""

    difference = models.ForeignKey(
        Difference, on_delete=models.PROTECT, related_name="explanations"
    )
    amount_units = models.DecimalField(max_digits=40, decimal_places=0)
    note = models.CharField(max_length=500)
    by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.note
