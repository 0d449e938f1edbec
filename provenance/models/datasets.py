"""What was registered: datasets, their versions and their records."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy as _named

from provenance.models.parties import Party

if TYPE_CHECKING:
    from provenance.access import Viewer


class DatasetQuerySet(models.QuerySet["Dataset"]):
    """Datasets as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> DatasetQuerySet:
        """The viewer's own datasets; all of them for an operator."""
        return self if viewer.is_operator else self.filter(owner=viewer.party)

    def listed_for(self, viewer: Viewer) -> DatasetQuerySet:
        """What a lab may find in the catalogue: its own and those with a sealed version."""
        if viewer.is_operator:
            return self
        sealed = Q(versions__state=DatasetVersion.State.SEALED)
        return self.filter(Q(owner=viewer.party) | sealed).distinct()


class Dataset(models.Model):
    """A named collection of one owner; its versions hold the records."""

    class Kind(models.TextChoices):
        TEXT = "text", _named("kind of content", "Text")
        TABLE = "table", _("Table")
        IMAGE = "image", _("Image")
        CODE = "code", _("Source code")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="datasets")
    name = models.SlugField(max_length=120)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.TEXT)
    is_fingerprint_only = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    # Since when its owner owns it, where it had another before.
    owned_since = models.DateTimeField(null=True)
    # Since when anybody may see its page; null: nobody does.
    published_at = models.DateTimeField(null=True)

    objects = DatasetQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "name"], name="dataset_name_once_per_owner")
        ]

    def __str__(self) -> str:
        return f"{self.owner.namespace}/{self.name}"


class DatasetVersionQuerySet(models.QuerySet["DatasetVersion"]):
    """Versions as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> DatasetVersionQuerySet:
        """Versions of the viewer's own datasets; all of them for an operator."""
        return self if viewer.is_operator else self.filter(dataset__owner=viewer.party)


class DatasetVersion(models.Model):
    """One state of a dataset; once sealed, its records enter the ledger as one root."""

    class State(models.TextChoices):
        OPEN = "open", _named("state", "Open")
        READY = "ready", _named("state", "Ready")  # a delta, shown and waiting to be sealed
        SEALED = "sealed", _named("state", "Sealed")
        FAILED = "failed", _named("state", "Failed")
        WITHDRAWN = "withdrawn", _named("state", "Withdrawn")
        ERASED = "erased", _named("state", "Erased")

    class Mode(models.TextChoices):
        FULL = "full", _("Full")
        DELTA = "delta", _("Delta")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    mode = models.CharField(max_length=5, choices=Mode.choices, default=Mode.FULL)
    record_count = models.BigIntegerField(default=0)
    token_count = models.BigIntegerField(default=0)
    byte_count = models.BigIntegerField(default=0)
    added_count = models.BigIntegerField(default=0)
    changed_count = models.BigIntegerField(default=0)
    withdrawn_count = models.BigIntegerField(default=0)
    # Salts the record digests under `records_root`; deleted at erasure.
    salt = models.BinaryField(max_length=32, null=True)
    records_root = models.BinaryField(max_length=32, null=True)
    # Of the file as it was uploaded or fetched; never in the ledger, which erasure leaves as it is.
    file_sha256 = models.BinaryField(max_length=32, null=True)
    created_at = models.DateTimeField()
    sealed_at = models.DateTimeField(null=True)
    # Ledger sequence of `version.sealed`: the order of registration (null until the sealer ran).
    sealed_sequence = models.BigIntegerField(null=True, db_index=True)
    withdrawn_at = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(null=True)
    # Why it failed or was withdrawn, in its owner's or our words; never in the ledger.
    reason = models.CharField(max_length=300, blank=True)

    objects = DatasetVersionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dataset", "number"], name="version_number_once"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset}@{self.number}"


class RecordQuerySet(models.QuerySet["Record"]):
    """Records as members of a version."""

    def of_version(self, version: DatasetVersion) -> RecordQuerySet:
        """The records that `version` holds: added up to it and not yet withdrawn in it."""
        gone_later = Q(withdrawn_number__isnull=True) | Q(withdrawn_number__gt=version.number)
        return self.filter(gone_later, dataset=version.dataset_id, added_number__lte=version.number)


class Record(models.Model):
    """One text, table row or image of a dataset: what is known of it without its content.

    A record is added by one version and withdrawn by a later one, so that a version by delta
    costs only its changes.
    """

    # Two indexes below begin with the dataset: a third would only slow registration.
    dataset = models.ForeignKey(
        Dataset, on_delete=models.PROTECT, related_name="records", db_index=False
    )
    added_number = models.PositiveIntegerField()
    withdrawn_number = models.PositiveIntegerField(null=True)
    # The last full version that held this record unchanged, which costs no new row.
    confirmed_number = models.PositiveIntegerField(null=True)
    ordinal = models.BigIntegerField()
    key = models.CharField(max_length=200)
    digest = models.BinaryField(max_length=32)
    token_count = models.IntegerField(default=0)
    byte_count = models.IntegerField(default=0)

    objects = RecordQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["dataset", "added_number", "ordinal"], name="record_ordinal_once"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["digest", "dataset"], name="record_by_digest"),
            models.Index(fields=["dataset", "key"], name="record_by_key"),
        ]

    def __str__(self) -> str:
        return self.key
