"""What a run said it would use, and what looks wrong in what it reported."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy as _named

from provenance.models.datasets import DatasetVersion
from provenance.models.licences import Purpose
from provenance.models.parties import Party, User
from provenance.models.runs import Run, Usage

if TYPE_CHECKING:
    from provenance.access import Viewer


class RunPlan(models.Model):
    """What a root run said at its start that it would use of one subject for one purpose."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="plan")
    # As in the usage that fulfils it: the version's id, or a name nobody registered.
    subject = models.CharField(max_length=300)
    version = models.ForeignKey(
        DatasetVersion, null=True, on_delete=models.PROTECT, related_name="plans"
    )
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    # In all, over all epochs; null where only the epochs are known.
    record_count = models.BigIntegerField(null=True)
    epoch_count = models.BigIntegerField(null=True)
    declared_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["run", "subject", "purpose"], name="planned_once_per_run"
            ),
            models.CheckConstraint(
                condition=Q(record_count__isnull=False) | Q(epoch_count__isnull=False),
                name="plan_says_how_much",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} planned by {self.run}"


class ReviewQuerySet(models.QuerySet["Review"]):
    """Reviews as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> ReviewQuerySet:
        """Those of the viewer's runs, and those about use of its data; all for an operator."""
        if viewer.is_operator:
            return self
        owned = Q(version__dataset__owner=viewer.party) | Q(
            other_version__dataset__owner=viewer.party
        )
        untold = Usage.objects.awaiting_grant(timezone.now())
        told = Q(usage=None) | ~Q(usage__in=untold)
        return self.filter(Q(run__lab=viewer.party) | (owned & told))


class Review(models.Model):
    """Something in the reports of a run that a person should look at; it moves no money.

    One for each subject of a run and rule: found again, its evidence is brought up to date.
    """

    class Rule(models.TextChoices):
        GAP = "gap", _("Reports are missing")
        PLAN = "plan", _("Differs from the run's plan")
        HISTORY = "history", _("Differs from earlier runs")
        SIZE = "size", _("More than the dataset holds")
        TWO_NAMES = "two_names", _("One content under two names")
        METERS = "meters", _("Meters disagree")
        POLICY = "policy", _("A policy asks for a look")

    class State(models.TextChoices):
        OPEN = "open", _named("state", "Open")
        CLOSED = "closed", _named("state", "Closed")

    class Outcome(models.TextChoices):
        EXPLAINED = "explained", _("Explained")
        CORRECTED = "corrected", _("A mistake, and corrected")
        MISREPORTED = "misreported", _("Misreported")
        FALSE_ALARM = "false_alarm", _("The rule was wrong")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    rule = models.CharField(max_length=10, choices=Rule.choices)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="reviews")
    subject = models.CharField(max_length=300)
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    # Null where the run reported nothing of what it planned.
    usage = models.ForeignKey(Usage, null=True, on_delete=models.PROTECT, related_name="reviews")
    version = models.ForeignKey(
        DatasetVersion, null=True, on_delete=models.PROTECT, related_name="reviews"
    )
    # The same content under its other name.
    other_version = models.ForeignKey(
        DatasetVersion, null=True, on_delete=models.PROTECT, related_name="+"
    )
    # How far off it is, in what the rule counts: reports or records.
    measure = models.BigIntegerField()
    evidence = models.JSONField()
    state = models.CharField(max_length=6, choices=State.choices, default=State.OPEN)
    raised_at = models.DateTimeField()
    found_at = models.DateTimeField()
    # Since when the reports no longer show it: a late report came, or figures agree again.
    gone_at = models.DateTimeField(null=True)
    assignee = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    outcome = models.CharField(max_length=12, choices=Outcome.choices, blank=True)
    reason = models.TextField(blank=True)
    closed_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    closed_at = models.DateTimeField(null=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["run", "subject", "purpose", "rule"], name="review_once_per_use_and_rule"
            ),
            models.CheckConstraint(
                condition=Q(state="open", closed_at__isnull=True)
                | (Q(state="closed", closed_at__isnull=False) & ~Q(outcome="") & ~Q(reason="")),
                name="closed_review_says_why",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["raised_at"], name="review_open", condition=Q(state="open")),
        ]

    def __str__(self) -> str:
        return f"{self.get_rule_display()}: {self.run.pseudonym}"


class ReviewNote(models.Model):
    """What the lab or an operator said in a review; owners do not see it."""

    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="notes")
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="+")
    by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.party} on {self.review_id}"
