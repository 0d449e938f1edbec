"""From raw rows to what is registered and found again: prints, postings and body."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import chain

from PIL import Image, ImageDraw

from ingest import bodies, lookups, prints
from ingest.copying import copy_rows
from ingest.fingerprint import digest, image
from ingest.models import Body
from ingest.prints import Prints
from ingest.readers import BadRow, RawRecord
from provenance.models import Record
from provenance.registry import NewRecord

LONGEST_KEY = 200
THUMBNAIL_SIDE = 256
THUMBNAIL = "image/jpeg"
MARK = "Tallymark: for comparison only"


@dataclass(frozen=True)
class Entry:
    """One row, ready to be registered."""

    ordinal: int
    key: str
    prints: Prints
    byte_count: int
    bytes_read: int
    text: str | None = None
    thumbnail: bytes | None = None
    # Who made it, by the name in its column.
    contributor: str = ""

    @property
    def new_record(self) -> NewRecord:
        """What the registry is told of it."""
        return NewRecord(
            ordinal=self.ordinal,
            key=self.key,
            digest=self.prints.digest,
            token_count=self.prints.token_count,
            byte_count=self.byte_count,
        )


def of_texts(rows: Sequence[RawRecord], kind: str) -> list[Entry]:
    """Entries of texts and of table rows, which come as their canonical text."""
    texts = [row.text or "" for row in rows]
    keys = [clean_key(row.key) for row in rows]
    made = prints.of_texts(texts, keys, kind=kind)
    return [
        Entry(
            ordinal=row.ordinal,
            key=key,
            prints=own,
            byte_count=len(text.encode("utf-8", "replace")),
            bytes_read=row.bytes_read,
            text=text,
            contributor=row.contributor,
        )
        for row, key, text, own in zip(rows, keys, texts, made, strict=True)
    ]


def of_images(rows: Sequence[RawRecord]) -> tuple[list[Entry], list[BadRow]]:
    """Entries of images; those that cannot be decoded are bad rows."""
    entries, bad = [], []
    for row in rows:
        data = row.image or b""
        try:
            made = prints.of_image(data)
            thumbnail = _thumbnail(data)
        except image.ImageRefused as error:
            bad.append(BadRow(row.ordinal, row.ordinal + 1, str(error), row.bytes_read))
            continue
        entries.append(
            Entry(
                ordinal=row.ordinal,
                key=clean_key(row.key),
                prints=made,
                byte_count=len(data),
                bytes_read=row.bytes_read,
                thumbnail=thumbnail,
            )
        )
    return entries, bad


def clean_key(key: str) -> str:
    """A key as the database can hold it; a longer one keeps its beginning and a digest."""
    key = key.replace("\0", "�").encode("utf-8", "replace").decode()
    if len(key) <= LONGEST_KEY:
        return key
    return f"{key[: LONGEST_KEY - 17]}~{digest.digest(key).hex()[:16]}"


def save(records: Sequence[Record], entries: Sequence[Entry]) -> None:
    """Store prints, postings and bodies of registered records, in the caller's transaction."""
    pairs = list(zip(records, entries, strict=True))
    prints.save((record.pk, entry.prints) for record, entry in pairs)
    copy_rows(Body, ("record_id", "media_type", "content"), _bodies(pairs))
    lookups.index([(record.pk, entry.prints) for record, entry in pairs])


def _bodies(pairs: Iterable[tuple[Record, Entry]]) -> Iterable[tuple[int, str, bytes]]:
    for record, entry in pairs:
        if entry.text is not None:
            yield record.pk, bodies.TEXT, bodies.packed(entry.text)
        elif entry.thumbnail is not None:
            yield record.pk, THUMBNAIL, entry.thumbnail


def _thumbnail(data: bytes) -> bytes:
    """A small JPEG with a line of text across it: enough to compare, of no other use."""
    picture = image.canonical(data)
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture)
    for top in chain(range(picture.height // 4, picture.height, max(picture.height // 3, 40))):
        draw.text((4, top), MARK, fill="white", stroke_width=1, stroke_fill="black")
    target = BytesIO()
    picture.save(target, "JPEG", quality=70)
    return target.getvalue()
