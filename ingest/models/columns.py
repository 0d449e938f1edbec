"""What is derived from the columns of tables."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from provenance.models import DatasetVersion


class ColumnSketch(models.Model):
    """Which values one column of one version holds: a draw of them, as hashes."""

    version = models.ForeignKey(
        DatasetVersion, on_delete=models.CASCADE, related_name="column_sketches"
    )
    scheme = models.CharField(max_length=30)
    name = models.CharField(max_length=200)
    # 32 bits of the name's hash, as the sketches of rows have it.
    name_hash = models.BigIntegerField()
    cell_count = models.BigIntegerField()
    bits = models.FloatField()
    # Ascending little-endian uint64, each once.
    hashes = models.BinaryField()
    # The smallest of them, where the column tells something: what it is found by.
    keys = ArrayField(models.BigIntegerField())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version", "scheme", "name_hash"], name="column_once_per_version"
            )
        ]
        indexes: ClassVar = [GinIndex(fields=["keys"], name="column_by_keys")]

    def __str__(self) -> str:
        return f"{self.name} of {self.version_id}"
