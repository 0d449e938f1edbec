"""Candidate files on their way through a screening, what was found, and who asked how much.

Nothing of a candidate file's content is kept: of a match only the row's number and how alike it is,
of a row that could not be read its number. Only who asks for it (`watches`) has fingerprints kept
for a time, here and not in the index.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ingest.models.leased import Leased
from provenance.models import Dataset, DatasetVersion, MatchKind, Party, Purpose, Record, User

if TYPE_CHECKING:
    from datetime import datetime

    from provenance.access import Viewer


class ScreeningQuerySet(models.QuerySet["Screening"]):
    """Screenings as one viewer may see them, and those that wait for work."""

    def visible_to(self, viewer: Viewer) -> ScreeningQuerySet:
        """The viewer's own; all of them for an operator."""
        return self if viewer.is_operator else self.filter(party=viewer.party)

    def waiting(self, at: datetime) -> ScreeningQuerySet:
        """Those with work to do that nobody holds at `at`."""
        return self.free(at).filter(state__in=Screening.WORKING)

    def free(self, at: datetime) -> ScreeningQuerySet:
        """Those that nobody holds at `at` and whose time to be looked after has come."""
        nobody = Q(lease_until__isnull=True) | Q(lease_until__lte=at)
        return self.filter(nobody, retry_at__lte=at)

    def watching(self, at: datetime) -> ScreeningQuerySet:
        """Finished ones whose fingerprints are still compared with what is registered since."""
        return self.filter(state=Screening.State.DONE, watched_until__gt=at)


class Screening(Leased):
    """A candidate file that a lab asks about: may I use this?

    received -> screening -> done, with a signed report; or failed, with what went wrong. The file
    is deleted at either end. It is compared with what was registered up to `corpus_sequence`.
    """

    class State(models.TextChoices):
        RECEIVED = "received", _("Received")
        SCREENING = "screening", _("Being compared with what is registered")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    WORKING: ClassVar = (State.RECEIVED, State.SCREENING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="screenings")
    by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    kind = models.CharField(max_length=10, choices=Dataset.Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RECEIVED)
    stage = models.CharField(max_length=60, default="waiting")
    file_name = models.CharField(max_length=255)
    # Below DATA_FOLDER while the bytes are here; `sha256` is of these bytes.
    path = models.CharField(max_length=400, blank=True)
    sha256 = models.BinaryField(max_length=32)
    file_format = models.CharField(max_length=30, blank=True)
    text_column = models.CharField(max_length=200, blank=True)
    bytes_total = models.BigIntegerField()
    bytes_done = models.BigIntegerField(default=0)
    # Rows read so far, good and bad: where screening goes on.
    row_count = models.BigIntegerField(default=0)
    record_count = models.BigIntegerField(default=0)
    bad_count = models.BigIntegerField(default=0)
    # Records too short to be judged alone.
    short_count = models.BigIntegerField(default=0)
    # The ledger's last event when the comparison began, and the detector that compares.
    corpus_sequence = models.BigIntegerField(null=True)
    detector = models.CharField(max_length=60, blank=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_detail = models.TextField(blank=True)
    error_hint = models.TextField(blank=True)
    created_at = models.DateTimeField()
    stage_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    # What was reported, word for word, with the signature over its canonical JSON.
    report = models.JSONField(null=True)
    signature = models.BinaryField(max_length=65, null=True)
    signer = models.CharField(max_length=42, blank=True)
    # Opted in: fingerprints are kept until then, compared up to `watched_to` so far.
    watch_days = models.PositiveIntegerField(default=0)
    watched_until = models.DateTimeField(null=True)
    watched_to = models.BigIntegerField(null=True)
    # A look at what is new that is under way: up to which event, and at which row it is.
    watching_to = models.BigIntegerField(null=True)
    watched_row = models.BigIntegerField(default=0)

    objects = ScreeningQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["retry_at"],
                name="screening_waiting",
                condition=Q(state__in=("received", "screening")),
            ),
            models.Index(fields=["party", "-created_at"], name="screening_by_party"),
        ]

    def __str__(self) -> str:
        return self.file_name

    def remaining_seconds(self, at: datetime) -> int | None:
        """The time that is left, as the work so far suggests."""
        if self.stage_at is None or not 0 < self.bytes_done <= self.bytes_total:
            return None
        elapsed = max((at - self.stage_at).total_seconds(), 0.0)
        return round(elapsed * (self.bytes_total - self.bytes_done) / self.bytes_done)

    def records_per_second(self, at: datetime) -> float | None:
        """How fast records are, or were, compared."""
        if self.stage_at is None or not self.record_count:
            return None
        elapsed = ((self.finished_at or at) - self.stage_at).total_seconds()
        return round(self.record_count / elapsed, 1) if elapsed > 0 else None


class ScreenedBadRow(models.Model):
    """A row that could not be read, by its number alone: a reason might quote it."""

    screening = models.ForeignKey(Screening, on_delete=models.CASCADE, related_name="bad_rows")
    line = models.BigIntegerField()

    def __str__(self) -> str:
        return f"line {self.line}"


class ScreenedMatch(models.Model):
    """The best match of one row of a candidate file in one registered dataset."""

    screening = models.ForeignKey(Screening, on_delete=models.CASCADE, related_name="matches")
    # The row's number in the file, from 1.
    row = models.BigIntegerField()
    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="+")
    record = models.ForeignKey(Record, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=MatchKind.choices)
    jaccard = models.FloatField()
    containment = models.FloatField()
    score = models.FloatField()
    # Below the threshold that would open a conflict, a match is possible and no more.
    holds = models.BooleanField()
    # An exact copy of a text so short that it counts only in numbers.
    is_short = models.BooleanField(default=False)
    # Found by watching, among what was registered after the report.
    is_later = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["screening", "row", "version"], name="screened_match_once"
            )
        ]

    def __str__(self) -> str:
        return f"row {self.row} {self.kind} {self.version}"


class ScreenedDataset(models.Model):
    """A dataset that a report names, on the terms that stood when the lab was last told of them."""

    screening = models.ForeignKey(Screening, on_delete=models.CASCADE, related_name="datasets")
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="+")
    terms = models.JSONField()
    checked_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["screening", "dataset"], name="screened_dataset_once")
        ]

    def __str__(self) -> str:
        return f"{self.dataset} in {self.screening}"


class ScreeningNotice(models.Model):
    """Something happened since that changes a report's answer; kept until the lab has seen it."""

    class Cause(models.TextChoices):
        TERMS = "terms", _("Other terms")
        REGISTERED = "registered", _("A later registration")
        WITHDRAWN = "withdrawn", _("Withdrawn since")

    screening = models.ForeignKey(Screening, on_delete=models.CASCADE, related_name="notices")
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="+")
    cause = models.CharField(max_length=10, choices=Cause.choices)
    # What stood before and what stands now: terms, or counts of matching rows.
    before = models.JSONField()
    after = models.JSONField()
    made_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.get_cause_display()}: {self.dataset}"


class WatchedPrint(models.Model):
    """The fingerprint of one record of a candidate file whose lab opted in to being told."""

    screening = models.ForeignKey(Screening, on_delete=models.CASCADE, related_name="prints")
    row = models.BigIntegerField()
    digest = models.BinaryField(max_length=32)
    token_count = models.IntegerField()
    # What it is compared by: base64 by scheme.
    parts = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["screening", "row"], name="watched_print_once")
        ]

    def __str__(self) -> str:
        return f"row {self.row}"


class ScreeningDay(models.Model):
    """How much one party asked on one day (UTC): what the limits are held against."""

    party = models.ForeignKey(Party, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    request_count = models.BigIntegerField(default=0)
    record_count = models.BigIntegerField(default=0)
    file_record_count = models.BigIntegerField(default=0)
    # The minute of the last request, and how many there were in it.
    minute_at = models.DateTimeField()
    minute_count = models.IntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["party", "day"], name="screening_day_once"),
            models.CheckConstraint(
                condition=Q(minute_count__lte=F("request_count")), name="screening_day_adds_up"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.party} on {self.day}"
