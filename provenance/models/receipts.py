"""Who signs a lab's reports, and the reports that were signed."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from provenance.models.parties import Party, PartyScopedQuerySet, User
from provenance.models.runs import Run, Usage


class ReportingKey(models.Model):
    """An address whose key signs a lab's reports of use; the key itself stays with the lab."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="reporting_keys")
    name = models.CharField(max_length=100)
    # In small letters; it never signs for a second party.
    address = models.CharField(max_length=42, unique=True)
    added_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    objects = PartyScopedQuerySet["ReportingKey"].as_manager()

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


class UsageReceipt(models.Model):
    """One report as a lab signed it, and the service's own signature that it was taken.

    The counters of a usage's revision are the sum of each stream's last by then.
    """

    usage = models.ForeignKey(Usage, on_delete=models.PROTECT, related_name="receipts")
    # The run that reported, which may be a rank or child of the usage's own.
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="receipts")
    key = models.ForeignKey(ReportingKey, on_delete=models.PROTECT, related_name="receipts")
    # For which service, by its address, and which chain it was signed.
    service = models.CharField(max_length=300)
    chain_id = models.BigIntegerField()
    subject = models.CharField(max_length=300)
    stream = models.CharField(max_length=100)
    sequence = models.BigIntegerField()
    record_count = models.BigIntegerField()
    token_count = models.BigIntegerField()
    epoch_count = models.BigIntegerField()
    fetch_count = models.BigIntegerField()
    used_at = models.DateTimeField()
    signature = models.BinaryField(max_length=65)
    # From which revision of the usage on it counts.
    revision = models.PositiveIntegerField()
    received_at = models.DateTimeField()
    countersigner = models.CharField(max_length=42, blank=True, default="")
    countersignature = models.BinaryField(max_length=65, null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["usage", "stream", "sequence"], name="receipt_once_per_number"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["id"], name="receipt_to_sign", condition=Q(countersignature__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stream} #{self.sequence}, signed by {self.key}"
