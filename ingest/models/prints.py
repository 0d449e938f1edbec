"""What is derived from records: fingerprints, vectors, bodies."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from pgvector.django import HalfVectorField

from provenance.models import Record


class Fingerprint(models.Model):
    """What a record's text is compared by: its MinHash signature and its set of shingles."""

    record = models.OneToOneField(
        Record, on_delete=models.CASCADE, primary_key=True, related_name="fingerprint"
    )
    scheme = models.CharField(max_length=30)
    hash_version = models.CharField(max_length=40)
    # 128 little-endian uint32; empty where the text has no token.
    signature = models.BinaryField()
    # Ascending little-endian uint32, each once.
    shingles = models.BinaryField()

    def __str__(self) -> str:
        return f"fingerprint of {self.record_id}"


class Sketch(models.Model):
    """What else a record is compared by: a part that one kernel made of it, by its scheme."""

    pk = models.CompositePrimaryKey("record_id", "scheme")
    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="sketches")
    scheme = models.CharField(max_length=30)
    values = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.scheme} of {self.record_id}"


class Embedding(models.Model):
    """A chunk of a record as one model sees it; vectors of unlike models never compare."""

    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="embeddings")
    model = models.CharField(max_length=200)
    revision = models.CharField(max_length=100)
    weights_digest = models.CharField(max_length=64)
    dimension = models.PositiveIntegerField()
    # Which of the record's chunks, and the characters of the text that it spans.
    chunk = models.PositiveIntegerField()
    span_start = models.PositiveIntegerField()
    span_end = models.PositiveIntegerField()
    vector = HalfVectorField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["record", "weights_digest", "chunk"], name="embedding_once_per_chunk"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} of {self.record_id}#{self.chunk}"


class ImagePrint(models.Model):
    """What an image is compared by: its perceptual hash, and how far that can be trusted."""

    record = models.OneToOneField(
        Record, on_delete=models.CASCADE, primary_key=True, related_name="image_print"
    )
    scheme = models.CharField(max_length=30)
    # Eight hashes of 32 bytes: as the image stands, then its turns and mirrors.
    hashes = models.BinaryField()
    quality = models.SmallIntegerField()

    def __str__(self) -> str:
        return f"image print of {self.record_id}"


class Body(models.Model):
    """A record's content as its owner may see it: a text under zstd, or a marked thumbnail."""

    record = models.OneToOneField(
        Record, on_delete=models.CASCADE, primary_key=True, related_name="body"
    )
    media_type = models.CharField(max_length=40, default="text/plain")
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"body of {self.record_id}"
