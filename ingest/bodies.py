"""Records' content as it is kept for its owner: texts under zstd, images as marked thumbnails."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable

import zstandard

from ingest.models import Body
from provenance.models import Record

TEXT = "text/plain"
LEVEL = 3


def packed(text: str) -> bytes:
    """The content of a text's body."""
    return zstandard.ZstdCompressor(level=LEVEL).compress(text.encode("utf-8", "replace"))


def text(body: Body) -> str:
    """The text of a body; empty where it holds something else."""
    if body.media_type != TEXT:
        return ""
    return zstandard.ZstdDecompressor().decompress(bytes(body.content)).decode()


def texts_of(record_ids: Iterable[int]) -> dict[int, str]:
    """The texts of those records that have one here, by record id."""
    rows = Body.objects.filter(record_id__in=list(record_ids), media_type=TEXT)
    return {row.record_id: text(row) for row in rows}


def pictures_of(record_ids: Iterable[int]) -> dict[int, str]:
    """The marked thumbnails of those records that are images, as `data:` addresses, by id."""
    rows = Body.objects.filter(record_id__in=list(record_ids)).exclude(media_type=TEXT)
    return {
        row.record_id: f"data:{row.media_type};base64,{b64encode(bytes(row.content)).decode()}"
        for row in rows
    }


def content_of(record: Record) -> Body | None:
    """What the owner of `record` may see of it; None where only fingerprints were registered.

    The door checks that the viewer is the owner (or logs the operator's look).
    """
    return Body.objects.filter(record=record).first()
