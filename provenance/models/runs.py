"""What was done with data: runs, what they used, and the models they made."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop as _noop
from django.utils.translation import pgettext_lazy as _named

from provenance import plans
from provenance.models.datasets import DatasetVersion
from provenance.models.grants import Grant
from provenance.models.ids import new_id
from provenance.models.licences import Purpose
from provenance.models.ownership import Tenure
from provenance.models.parties import Party
from provenance.models.projects import Project
from provenance.models.quotes import Quote
from provenance.models.rates import Rate

if TYPE_CHECKING:
    from datetime import datetime

    from provenance.access import Viewer


_Row = TypeVar("_Row", bound=models.Model, covariant=True)


class LabScopedQuerySet(models.QuerySet[_Row]):
    """Rows that belong to the lab in their `lab` column."""

    def visible_to(self, viewer: Viewer) -> Self:
        """The lab's own; all for an operator."""
        return self if viewer.is_operator else self.filter(lab=viewer.party)


class TrainedModel(models.Model):
    """A model that a lab made or tuned."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    lab = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="models")
    name = models.CharField(max_length=200)
    version = models.CharField(max_length=60, default="1")
    is_published = models.BooleanField(default=False, help_text=_("Owners may see its name."))
    created_at = models.DateTimeField()

    objects = LabScopedQuerySet["TrainedModel"].as_manager()

    class Meta:
        verbose_name = _noop("model")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["lab", "name", "version"], name="model_named_once")
        ]

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"


class Run(models.Model):
    """One training job; the ranks and children of a job name the same root."""

    class State(models.TextChoices):
        RUNNING = "running", _named("state", "Running")
        ENDED = "ended", _named("state", "Ended")
        # Nothing was heard of it for RUN_SILENCE_SECONDS.
        LAPSED = "lapsed", _named("state", "Lapsed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    lab = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="runs")
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")
    root = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="descendants"
    )
    name = models.CharField(max_length=200, blank=True)
    # What owners see instead of the lab's own name for it.
    pseudonym = models.CharField(max_length=20)
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    # Prices promised for this run; the root's holds for its ranks and children.
    quote = models.ForeignKey(Quote, null=True, on_delete=models.PROTECT, related_name="runs")
    # Of a root run: what it belongs to, and what it may cost in one asset before usage waits.
    project = models.ForeignKey(Project, null=True, on_delete=models.PROTECT, related_name="runs")
    cap_asset = models.CharField(max_length=120, null=True)
    cap_units = models.BigIntegerField(null=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    started_at = models.DateTimeField()
    last_heard_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = LabScopedQuerySet["Run"].as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(cap_asset__isnull=True, cap_units__isnull=True)
                | Q(cap_asset__isnull=False, cap_units__gte=0, root__isnull=True),
                name="cap_is_of_a_root_in_an_asset",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["ended_at"], name="run_by_end"),
            models.Index(fields=["lab", "started_at"], name="run_by_lab_and_start"),
        ]

    def __str__(self) -> str:
        return self.name or self.pseudonym

    def name_for(self, party: Party) -> str:
        """What a party knows it by: its own lab by its name, everybody else by its pseudonym."""
        return str(self) if party.pk == self.lab_id else self.pseudonym

    @property
    def top(self) -> Run:
        """The root run, which is the run itself unless it has one."""
        return self.root or self


class RunEdgeQuerySet(models.QuerySet["RunEdge"]):
    """Edges as one viewer may know of them."""

    def known_to(self, viewer: Viewer) -> RunEdgeQuerySet:
        """All but those to uses of others that only their lab is told of yet."""
        if viewer.is_operator:
            return self
        run = Coalesce(OuterRef("run__root"), OuterRef("run"))
        uses = Usage.objects.filter(run=run, version=OuterRef("version"))
        now = timezone.now()
        told = ~Exists(uses.awaiting_grant(now)) | Exists(uses.told_to_owners(now))
        return self.filter(Q(run__lab=viewer.party) | told)


class RunEdge(models.Model):
    """A run consumed or produced a dataset version or a model: one step of lineage."""

    class Direction(models.TextChoices):
        CONSUMED = "consumed"
        PRODUCED = "produced"

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="edges")
    direction = models.CharField(max_length=10, choices=Direction.choices)
    version = models.ForeignKey(
        DatasetVersion, null=True, on_delete=models.PROTECT, related_name="run_edges"
    )
    model = models.ForeignKey(
        TrainedModel, null=True, on_delete=models.PROTECT, related_name="run_edges"
    )
    at = models.DateTimeField()
    # When this service heard of it: a report may come long after what it tells.
    known_at = models.DateTimeField(db_default=Now())

    objects = RunEdgeQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["run", "direction", "version"],
                name="run_touches_version_once",
                condition=Q(version__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["run", "direction", "model"],
                name="run_touches_model_once",
                condition=Q(model__isnull=False),
            ),
            models.CheckConstraint(
                condition=Q(version__isnull=False) ^ Q(model__isnull=False),
                name="edge_has_one_end",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run} {self.direction} {self.version or self.model}"


class UsageQuerySet(models.QuerySet["Usage"]):
    """Usages as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> UsageQuerySet:
        """Those of the viewer's runs or of the viewer's data; all for an operator.

        A former owner sees those of its time; the owner sees those before it, too. Neither sees
        those of which only the lab is told yet.
        """
        if viewer.is_operator:
            return self
        former = Tenure.objects.ended_of(viewer.party, dataset="version__dataset", moment="used_at")
        owned = (Q(version__dataset__owner=viewer.party) | former) & ~_awaits(timezone.now())
        return self.filter(Q(run__lab=viewer.party) | owned)

    def awaiting_grant(self, at: datetime) -> UsageQuerySet:
        """Those for which their lab may still obtain a grant before the owner is told."""
        return self.filter(_awaits(at))

    def told_to_owners(self, at: datetime) -> UsageQuerySet:
        """The others: what owners may know of."""
        return self.exclude(_awaits(at))


def _awaits(at: datetime) -> Q:
    return Q(awaits_grant_until__isnull=False, awaits_grant_until__gt=at)


class Usage(models.Model):
    """How much of one version a root run has used so far for one purpose; counters only grow.

    A use of something unknown, ungranted or withdrawn is kept and flagged, never refused.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="usages")
    version = models.ForeignKey(
        DatasetVersion, null=True, on_delete=models.PROTECT, related_name="usages"
    )
    # What the report called it: the version's id, or a name nobody registered.
    subject = models.CharField(max_length=300)
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    grant = models.ForeignKey(Grant, null=True, on_delete=models.PROTECT, related_name="usages")
    # What it is priced by, once a grant covers it: the quote's rate, else the one the grant froze.
    rate = models.ForeignKey(Rate, null=True, on_delete=models.PROTECT, related_name="usages")
    meter = models.CharField(max_length=20, default="native")
    record_count = models.BigIntegerField(default=0)
    token_count = models.BigIntegerField(default=0)
    epoch_count = models.BigIntegerField(default=0)
    fetch_count = models.BigIntegerField(default=0)
    # Grows with every change of the counters; billing charges revisions it has not charged.
    revision = models.PositiveIntegerField(default=1)
    is_unknown = models.BooleanField(default=False)
    is_ungranted = models.BooleanField(default=False)
    # Of an ungranted use: until then only its lab is told, and a grant covers all of it.
    awaits_grant_until = models.DateTimeField(null=True)
    is_of_withdrawn = models.BooleanField(default=False)
    # Whether signed receipts add up to exactly these counters.
    is_signed = models.BooleanField(default=False)
    used_at = models.DateTimeField()
    reported_at = models.DateTimeField()

    objects = UsageQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["run", "subject", "purpose"], name="usage_once_per_run_and_version"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["reported_at"], name="usage_by_report"),
            models.Index(
                fields=["awaits_grant_until"],
                name="usage_awaits_grant",
                condition=Q(awaits_grant_until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version or self.subject} by {self.run}"

    @property
    def is_by_sealed_count(self) -> bool:
        """Whether its tokens follow from its records, rather than from the lab's own count."""
        return bool(self.record_count and self.version and self.version.record_count)

    @property
    def tokens_used(self) -> int:
        """The tokens that it is priced by."""
        return plans.tokens_used(
            record_count=self.record_count,
            reported_tokens=self.token_count,
            version_records=self.version.record_count if self.version else 0,
            version_tokens=self.version.token_count if self.version else 0,
        )


class UsageCut(models.Model):
    """The counters of a usage as they stood when its dataset passed to another owner.

    Kept when a later report lets them grow past that moment, so that what was used before is
    charged for the one who owned it then.
    """

    usage = models.ForeignKey(Usage, on_delete=models.PROTECT, related_name="cuts")
    revision = models.PositiveIntegerField()
    record_count = models.BigIntegerField()
    token_count = models.BigIntegerField()
    epoch_count = models.BigIntegerField()
    fetch_count = models.BigIntegerField()
    used_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["usage", "revision"], name="usage_cut_once"),
        ]

    def __str__(self) -> str:
        return f"{self.usage_id} up to {self.used_at}"


class UsageReport(models.Model):
    """The last word of one stream on a usage: cumulative counters, numbered so that gaps show."""

    usage = models.ForeignKey(Usage, on_delete=models.PROTECT, related_name="reports")
    meter = models.CharField(max_length=20, default="native")
    stream = models.CharField(max_length=100)
    sequence = models.BigIntegerField()
    has_gap = models.BooleanField(default=False)
    # The numbers that never came: [first, last] each; and since when any has been missing.
    missing = models.JSONField(default=list)
    gap_since = models.DateTimeField(null=True)
    record_count = models.BigIntegerField(default=0)
    token_count = models.BigIntegerField(default=0)
    epoch_count = models.BigIntegerField(default=0)
    fetch_count = models.BigIntegerField(default=0)
    # Of a signed report: what the ledger's events commit to, over the receipt and its signature.
    mark = models.BinaryField(max_length=32, null=True)
    received_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["usage", "meter", "stream"], name="stream_once_per_usage"
            )
        ]
        indexes: ClassVar = [BrinIndex(fields=["received_at"], name="report_by_receipt")]

    def __str__(self) -> str:
        return f"{self.stream} #{self.sequence}"
