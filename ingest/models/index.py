"""The rows of the index: which records hold a key. `ingest.index` alone reads and writes them."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now

from provenance.models import Record


class Posting(models.Model):
    """One key of a record that waits to be packed: records that share one are worth comparing."""

    class Kind(models.IntegerChoices):
        BAND = 1
        SAMPLE = 2
        IMAGE = 3
        GRAM = 4
        CODE = 5
        FIELD = 6
        TILE = 7
        COLUMN = 8

    pk = models.CompositePrimaryKey("kind", "key", "record_id")
    kind = models.SmallIntegerField(choices=Kind.choices)
    key = models.BigIntegerField()
    # A hundred rows a record: checking each against `record` would cost more than it guards, and
    # records are deleted by `ingest.erasure` alone, which takes these rows first.
    record = models.ForeignKey(
        Record, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )

    class Meta:
        indexes: ClassVar = [
            BrinIndex(fields=["record"], name="posting_by_record", autosummarize=True)
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.key} {self.record_id}"


class Segment(models.Model):
    """Postings of one kind, packed and sorted; it never changes, others take its place."""

    id = models.AutoField(primary_key=True)
    kind = models.SmallIntegerField(choices=Posting.Kind.choices)
    # Names its content: a number may come again where a backup was restored, this does not.
    token = models.UUIDField(unique=True)
    # Its keys are cut into 2**bits blocks.
    bits = models.SmallIntegerField()
    # Its blocks count record numbers from `base`; none is higher than `last`.
    base = models.BigIntegerField()
    last = models.BigIntegerField()
    # In blocks, without what continues elsewhere.
    pair_count = models.BigIntegerField()
    # Tombstones of rounds up to this one have no posting in here.
    clean_round = models.IntegerField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(last__gte=models.F("base"), last__lt=models.F("base") + 2**32),
                name="segment_numbers_fit",
            )
        ]
        indexes: ClassVar = [models.Index(fields=["kind"], name="segment_by_kind")]

    def __str__(self) -> str:
        return f"segment {self.pk} of kind {self.kind}"


class Block(models.Model):
    """The postings of a segment whose keys share their top bits; `packing` says how they lie."""

    pk = models.CompositePrimaryKey("segment_id", "bucket")
    segment = models.ForeignKey(
        Segment, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    bucket = models.IntegerField()
    body = models.BinaryField()

    def __str__(self) -> str:
        return f"block {self.bucket} of segment {self.segment_id}"


class Continuation(models.Model):
    """More records of a segment's key than its block holds: boilerplate, counted and kept apart."""

    pk = models.CompositePrimaryKey("segment_id", "key", "part")
    segment = models.ForeignKey(
        Segment, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    # Mixed, as in the blocks.
    key = models.BigIntegerField()
    part = models.IntegerField()
    # Ascending little-endian uint32, counted from the segment's base.
    records = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.key} in segment {self.segment_id}, continued"


class Tombstone(models.Model):
    """A record that no probe finds any more; it goes when no segment holds its postings."""

    # The number alone: the record itself may be gone.
    record_id = models.BigIntegerField(primary_key=True)
    forgotten_at = models.DateTimeField(db_default=Now())
    # Segments are rewritten for all tombstones of a round, one after another.
    round = models.IntegerField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["round"], name="tombstone_by_round")]

    def __str__(self) -> str:
        return f"tombstone of record {self.record_id}"
