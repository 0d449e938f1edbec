"""Policies: what operators let the service do with new matters by itself, and what it did."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from provenance.models import Review, User


class PolicyQuerySet(models.QuerySet["Policy"]):
    """Policies by whether they act."""

    def in_force(self) -> PolicyQuerySet:
        """Those that act now."""
        return self.filter(begun_at__isnull=False, ended_at=None)


class Policy(models.Model):
    """One version of a policy: a condition over published facts, and what is done where it holds.

    It is never changed: another rule is the next version. It acts from the moment at which an
    operator puts it in force until one ends it; a policy neither moves money nor decides anything.
    """

    class Target(models.TextChoices):
        CASE = "case", _("Cases in the queue")
        USE = "use", _("Reports of use")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80)
    version = models.PositiveIntegerField()
    target = models.CharField(max_length=4, choices=Target.choices)
    condition = models.TextField()
    # Of cases: who looks after them, and within how many hours they are due.
    assign_to = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    due_hours = models.PositiveIntegerField(null=True)
    # Of reports: what the lab reads in the review.
    words = models.CharField(max_length=500, blank=True)
    written_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    written_at = models.DateTimeField()
    begun_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    begun_at = models.DateTimeField(null=True)
    begun_reason = models.TextField(blank=True)
    ended_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True)
    ended_reason = models.TextField(blank=True)
    # Up to which report it has looked.
    looked_at = models.DateTimeField(null=True)

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = _("policies")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "version"], name="policy_version_once"),
            models.UniqueConstraint(
                fields=["name"],
                name="policy_in_force_once",
                condition=Q(begun_at__isnull=False, ended_at__isnull=True),
            ),
            models.CheckConstraint(
                name="policy_does_what_its_target_allows",
                condition=Q(target="case", words="")
                & (Q(assign_to__isnull=False) | Q(due_hours__gt=0))
                | Q(target="use", assign_to__isnull=True, due_hours__isnull=True) & ~Q(words=""),
            ),
            models.CheckConstraint(
                name="policy_begins_with_a_reason",
                condition=Q(begun_at__isnull=True, begun_by__isnull=True, begun_reason="")
                | Q(begun_at__isnull=False, begun_by__isnull=False) & ~Q(begun_reason=""),
            ),
            models.CheckConstraint(
                name="policy_ends_with_a_reason",
                condition=Q(ended_at__isnull=True, ended_by__isnull=True, ended_reason="")
                | Q(ended_at__gte=F("begun_at"), ended_by__isnull=False) & ~Q(ended_reason=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"

    @property
    def since(self) -> datetime:
        """Since when it acts."""
        assert self.begun_at is not None, "only what was put in force acts"
        return self.begun_at


class PolicyAct(models.Model):
    """Something that a policy did, with the facts on which it did it."""

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="acts")
    # A kind of case, or `use`; and the key of its row.
    kind = models.CharField(max_length=12)
    subject = models.CharField(max_length=64)
    facts = models.JSONField()
    assigned_to = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    due_at = models.DateTimeField(null=True)
    review = models.ForeignKey(Review, null=True, on_delete=models.PROTECT, related_name="+")
    acted_at = models.DateTimeField()
    # Since when the case does not wait any more; of a report, never.
    gone_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["policy", "kind", "subject"],
                name="policy_acts_once",
                condition=Q(gone_at__isnull=True),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["kind", "subject"], name="policy_act_live", condition=Q(gone_at=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.policy} on {self.kind} {self.subject}"
