"""What labs do with keys for tests: rows of their own, that nothing which reads facts can meet.

They are deleted some time after they were made; nothing but these tables points at them.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from provenance.models import (
    Dataset,
    DatasetVersion,
    Grant,
    Licence,
    Party,
    Purpose,
    Rate,
    Run,
    RunEdge,
)

if TYPE_CHECKING:
    from provenance.access import Viewer

_Row = TypeVar("_Row", bound=models.Model, covariant=True)


class TrialQuerySet(models.QuerySet[_Row]):
    """A lab's test data."""

    def visible_to(self, viewer: Viewer) -> Self:
        """The lab's own; nobody else's, operators not excepted."""
        return self.filter(lab=viewer.party)


class Trial(models.Model):
    """What all test data has: whose it is, and since when."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    lab = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="+")
    # By our clock, whatever moment was reported: what is old is deleted.
    made_at = models.DateTimeField()

    class Meta:
        abstract = True


class TrialGrant(Trial):
    """A grant as it would be, with its terms; nobody was asked."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="+")
    licence = models.ForeignKey(Licence, on_delete=models.PROTECT, related_name="+")
    rate = models.ForeignKey(Rate, null=True, on_delete=models.PROTECT, related_name="+")
    purposes = ArrayField(models.CharField(max_length=20, choices=Purpose.choices), default=list)
    state = models.CharField(
        max_length=10, choices=Grant.State.choices, default=Grant.State.GIVEN.value
    )
    terms = models.JSONField(default=dict)
    message = models.TextField(blank=True)
    requested_at = models.DateTimeField()
    decided_at = models.DateTimeField()
    decided_automatically = models.BooleanField(default=True)
    reason = models.TextField(blank=True)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField()

    objects = TrialQuerySet["TrialGrant"].as_manager()

    class Meta:
        verbose_name = _("test grant")
        verbose_name_plural = _("test grants")
        indexes: ClassVar = [
            models.Index(fields=["lab", "dataset"], name="trial_grant_by_lab_and_dataset")
        ]

    def __str__(self) -> str:
        return f"{self.dataset} to {self.lab}, for tests"


class TrialQuote(Trial):
    """A quote as it would be; items and totals as they were shown."""

    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    period = models.CharField(max_length=7)
    created_at = models.DateTimeField()
    valid_until = models.DateTimeField()
    items = models.JSONField(default=list)
    totals = models.JSONField(default=list)

    objects = TrialQuerySet["TrialQuote"].as_manager()

    class Meta:
        verbose_name = _("test quote")
        verbose_name_plural = _("test quotes")

    def __str__(self) -> str:
        return f"Test quote of {self.created_at:%Y-%m-%d}"


class TrialRun(Trial):
    """A training job that was reported with a key for tests."""

    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="children")
    root = models.ForeignKey(
        "self", null=True, on_delete=models.CASCADE, related_name="descendants"
    )
    name = models.CharField(max_length=200, blank=True)
    pseudonym = models.CharField(max_length=20)
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    quote = models.ForeignKey(TrialQuote, null=True, on_delete=models.CASCADE, related_name="runs")
    project = models.CharField(max_length=100, blank=True)
    cap_asset = models.CharField(max_length=120, null=True)
    cap_units = models.BigIntegerField(null=True)
    state = models.CharField(
        max_length=10, choices=Run.State.choices, default=Run.State.RUNNING.value
    )
    started_at = models.DateTimeField()
    last_heard_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = TrialQuerySet["TrialRun"].as_manager()

    class Meta:
        verbose_name = _("test run")
        verbose_name_plural = _("test runs")
        indexes: ClassVar = [models.Index(fields=["lab", "-made_at"], name="trial_run_by_lab")]

    def __str__(self) -> str:
        return self.name or self.pseudonym

    @property
    def top(self) -> TrialRun:
        """The root run, which is the run itself unless it has one."""
        return self.root or self


class TrialUsage(Trial):
    """How much of one version a test run has used so far; counters only grow."""

    run = models.ForeignKey(TrialRun, on_delete=models.CASCADE, related_name="usages")
    version = models.ForeignKey(
        DatasetVersion, null=True, on_delete=models.PROTECT, related_name="+"
    )
    subject = models.CharField(max_length=300)
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    grant = models.ForeignKey(
        TrialGrant, null=True, on_delete=models.SET_NULL, related_name="usages"
    )
    # What it is priced by: of the quote, the grant, or where there is neither, the one on offer.
    rate = models.ForeignKey(Rate, null=True, on_delete=models.PROTECT, related_name="+")
    meter = models.CharField(max_length=20, default="native")
    # The last word of each stream: its number, records, tokens, epochs and fetches.
    streams = models.JSONField(default=dict)
    record_count = models.BigIntegerField(default=0)
    token_count = models.BigIntegerField(default=0)
    epoch_count = models.BigIntegerField(default=0)
    fetch_count = models.BigIntegerField(default=0)
    revision = models.PositiveIntegerField(default=0)
    is_unknown = models.BooleanField(default=False)
    is_ungranted = models.BooleanField(default=False)
    is_of_withdrawn = models.BooleanField(default=False)
    is_signed = models.BooleanField(default=False)
    used_at = models.DateTimeField()
    reported_at = models.DateTimeField()

    objects = TrialQuerySet["TrialUsage"].as_manager()

    class Meta:
        verbose_name = _("test usage")
        verbose_name_plural = _("test usages")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["run", "subject", "purpose"], name="trial_usage_once_per_run_and_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject} by {self.run}"

    @property
    def awaits_grant_until(self) -> datetime | None:
        """Never: no owner is told of tests."""
        return None


class TrialModel(Trial):
    """A model that a test run made."""

    name = models.CharField(max_length=200)
    version = models.CharField(max_length=60, default="1")
    is_published = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    objects = TrialQuerySet["TrialModel"].as_manager()

    class Meta:
        verbose_name = _("test model")
        verbose_name_plural = _("test models")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["lab", "name", "version"], name="trial_model_named_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"


class TrialEdge(Trial):
    """A test run consumed or produced a version or a test model."""

    run = models.ForeignKey(TrialRun, on_delete=models.CASCADE, related_name="edges")
    direction = models.CharField(max_length=10, choices=RunEdge.Direction.choices)
    version = models.ForeignKey(
        DatasetVersion, null=True, on_delete=models.PROTECT, related_name="+"
    )
    model = models.ForeignKey(
        TrialModel, null=True, on_delete=models.CASCADE, related_name="run_edges"
    )
    at = models.DateTimeField()

    objects = TrialQuerySet["TrialEdge"].as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["run", "direction", "version", "model"],
                name="trial_edge_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.run} {self.direction} {self.version or self.model}"
