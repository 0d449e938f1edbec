"""Which single records a report of use named: evidence beside its counters, never money."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from provenance.models.datasets import Record
from provenance.models.runs import Usage


class NamedRecord(models.Model):
    """How often one stream of a usage has read one record so far, as its lab names it."""

    usage = models.ForeignKey(Usage, on_delete=models.PROTECT, related_name="named", db_index=False)
    record = models.ForeignKey(Record, on_delete=models.PROTECT, related_name="+")
    stream = models.CharField(max_length=100)
    read_count = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["usage", "record", "stream"], name="record_named_once_a_stream"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.record} in {self.usage}"
