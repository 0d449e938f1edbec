"""Files on their way into versions, and the rows of theirs that could not be read."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ingest.models.leased import Leased
from ingest.models.progress import Progress, speed
from provenance.models import DatasetVersion, User

if TYPE_CHECKING:
    from provenance.access import Viewer


class UploadQuerySet(models.QuerySet["Upload"]):
    """Uploads as one viewer may see them, and those that wait for work."""

    def visible_to(self, viewer: Viewer) -> UploadQuerySet:
        """Uploads to the viewer's own datasets; all of them for an operator."""
        return self if viewer.is_operator else self.filter(version__dataset__owner=viewer.party)

    def waiting(self, at: datetime) -> UploadQuerySet:
        """Those with work to do that nobody holds at `at`."""
        return self._free(at).filter(state__in=Upload.WORKING, started_at__isnull=False)

    def to_embed(self, at: datetime) -> UploadQuerySet:
        """Those that are done but for their embeddings, that nobody holds at `at`."""
        return self._free(at).filter(state=Upload.State.SEALED, embedded_at__isnull=True)

    def _free(self, at: datetime) -> UploadQuerySet:
        nobody = Q(lease_until__isnull=True) | Q(lease_until__lte=at)
        return self.filter(nobody, retry_at__lte=at)


class Upload(Leased):
    """A file on its way into a version: where it lies, how far it is read, who works on it.

    received -> reading -> [ready, a delta waiting to be confirmed] -> screening -> sealed; or
    failed, with what went wrong and what to do. The version is sealed when screening begins: it is
    compared with all that was registered before it, which its place in the ledger decides.
    """

    class State(models.TextChoices):
        RECEIVED = "received", _("Received")
        READING = "reading", _("Reading")
        READY = "ready", _("Read; the changes wait to be confirmed")
        SCREENING = "screening", _("Sealed; being compared with earlier registrations")
        SEALED = "sealed", _("Done")
        FAILED = "failed", _("Failed")

    class Content(models.TextChoices):
        FILE = "file", _("File")
        PRINTS = "prints", _("Fingerprints only")

    WORKING: ClassVar = (State.RECEIVED, State.READING, State.SCREENING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="uploads")
    content = models.CharField(max_length=6, choices=Content.choices, default=Content.FILE)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RECEIVED)
    stage = models.CharField(max_length=60, default="waiting")
    # One of the two: the name under which it was sent, or where it is fetched from.
    file_name = models.CharField(max_length=255, blank=True)
    url = models.CharField(max_length=2000, blank=True)
    # Below DATA_FOLDER, once the bytes are here; `sha256` is of these bytes.
    path = models.CharField(max_length=400, blank=True)
    sha256 = models.BinaryField(max_length=32, null=True)
    file_format = models.CharField(max_length=30, blank=True)
    # What was found in the file, and which columns are read: guessed unless they were named.
    columns = models.JSONField(default=list)
    text_column = models.CharField(max_length=200, blank=True)
    key_column = models.CharField(max_length=200, blank=True)
    # Who made each record, where a column says so: it is never guessed.
    contributor_column = models.CharField(max_length=200, blank=True)
    bytes_total = models.BigIntegerField(null=True)
    bytes_done = models.BigIntegerField(default=0)
    # Rows read so far, good and bad: where reading goes on.
    row_count = models.BigIntegerField(default=0)
    record_count = models.BigIntegerField(default=0)
    bad_count = models.BigIntegerField(default=0)
    # In a delta: rows that are as they were.
    unchanged_count = models.BigIntegerField(default=0)
    # The last record that was screened, and how many: where screening goes on.
    screened_to = models.BigIntegerField(default=0)
    screened_count = models.BigIntegerField(default=0)
    # How many records this version added, all of which are compared; against how many of others.
    to_compare_count = models.BigIntegerField(null=True)
    against_records = models.BigIntegerField(null=True)
    against_owners = models.BigIntegerField(null=True)
    # The last places of the stage at work, oldest first (see `ingest.models.progress`).
    pace = models.JSONField(default=list)
    # When its owner's people first looked at what was found.
    result_seen_at = models.DateTimeField(null=True)
    # Embeddings follow when all else is done: how far, and when they were through.
    embedded_to = models.BigIntegerField(default=0)
    embedded_count = models.BigIntegerField(default=0)
    embedded_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_detail = models.TextField(blank=True)
    error_hint = models.TextField(blank=True)
    by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    # When somebody asked to begin; null while the columns may still be chosen.
    started_at = models.DateTimeField(null=True)
    stage_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = UploadQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version"], name="upload_once_per_version", condition=~Q(state="failed")
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["retry_at"],
                name="upload_waiting",
                condition=Q(state__in=("received", "reading", "screening")),
            ),
            models.Index(
                fields=["retry_at"],
                name="upload_to_embed",
                condition=Q(state="sealed", embedded_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return _("%(file)s to %(version)s") % {
            "file": self.file_name or self.url,
            "version": self.version,
        }

    def progress(self, at: datetime) -> Progress:
        """Where it stands at `at`; the time left is reckoned from how fast it went just now."""
        pace = speed(self.pace, at) if self.state in self.WORKING else None
        estimate = self._record_estimate()
        left = (estimate or 0) - self.record_count
        if self.state == self.State.SCREENING:
            left = (self.to_compare_count or 0) - self.screened_count
        return Progress(
            stage=self.stage,
            record_count=self.record_count,
            bad_count=self.bad_count,
            bytes_done=self.bytes_done,
            bytes_total=self.bytes_total,
            screened_count=self.screened_count,
            remaining_seconds=round(left / pace) if pace and left >= 0 else None,
            records_per_second=pace,
            record_estimate=estimate,
            to_compare_count=self.to_compare_count,
            against_records=self.against_records,
            against_owners=self.against_owners,
            last_moved_at=datetime.fromtimestamp(self.pace[-1][0], UTC) if self.pace else None,
        )

    def _record_estimate(self) -> int | None:
        """How many records the file may hold; None before some of it was read."""
        if not self.record_count or not self.bytes_done or not self.bytes_total:
            return None
        if self.state != self.State.READING:
            return self.record_count
        return round(self.record_count * max(self.bytes_total / self.bytes_done, 1))


class BadRow(models.Model):
    """A row that could not be read: where it stands and why; the rest of the file went on."""

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="bad_rows")
    line = models.BigIntegerField()
    reason = models.CharField(max_length=300)

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"
