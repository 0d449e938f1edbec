"""What an operator stopped: a party that is suspended, and what a legal hold keeps as it is."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from provenance.models.datasets import Dataset
from provenance.models.parties import Party, PartyScopedQuerySet, User

if TYPE_CHECKING:
    from datetime import datetime


class RestrictionQuerySet(PartyScopedQuerySet["Restriction"]):
    """Restrictions by whether they are in force."""

    def in_force(self, at: datetime) -> RestrictionQuerySet:
        """Those that bind at `at`: begun, neither over nor lifted."""
        is_over = Q(ends_at__lte=at) | Q(lifted_at__lte=at)
        return self.filter(begins_at__lte=at).exclude(is_over)


class Restriction(models.Model):
    """A suspension or a legal hold, with its reason and its end; its party reads both.

    A suspended party registers nothing, starts no run and is paid nothing; it reads, answers and
    appeals as before. Under a legal hold nothing is erased and nothing is paid out; where it names
    a dataset, nothing of that dataset is erased, and its owner is paid nothing.
    """

    class Kind(models.TextChoices):
        SUSPENSION = "suspension", _("Suspension")
        LEGAL_HOLD = "legal_hold", _("Legal hold")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="restrictions")
    dataset = models.ForeignKey(
        Dataset, null=True, on_delete=models.PROTECT, related_name="restrictions"
    )
    reason = models.TextField()
    begins_at = models.DateTimeField()
    # Null holds until it is lifted.
    ends_at = models.DateTimeField(null=True)
    set_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    lifted_reason = models.TextField(blank=True, default="")

    objects = RestrictionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="restriction_has_a_reason", condition=~Q(reason="")),
            models.CheckConstraint(
                name="restriction_ends_after_its_start",
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("begins_at")),
            ),
            models.CheckConstraint(
                name="suspension_is_of_a_party",
                condition=Q(kind="legal_hold") | Q(dataset__isnull=True),
            ),
            models.CheckConstraint(
                name="restriction_is_lifted_with_a_reason",
                condition=Q(lifted_at__isnull=True, lifted_by__isnull=True, lifted_reason="")
                | Q(lifted_at__isnull=False, lifted_by__isnull=False) & ~Q(lifted_reason=""),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["party"],
                name="restriction_of_party",
                condition=Q(lifted_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.dataset or self.party}"
