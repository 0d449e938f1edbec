"""From raw rows to what is registered and found again: digest, prints, postings and body."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ingest import bodies, verdict
from ingest.fingerprint import bands, digest, image, minhash, scheme
from ingest.index import postings
from ingest.models import Body, Fingerprint, ImagePrint, Posting
from ingest.readers import BadRow, RawRecord
from provenance.models import Record
from provenance.registry import NewRecord

LONGEST_KEY = 200
THUMBNAIL_SIDE = 256
THUMBNAIL = "image/jpeg"
MARK = "Tallymark: for comparison only"

UINT32 = np.dtype("<u4")


@dataclass(frozen=True)
class Entry:
    """One row, ready to be registered; of `shingles` or `hashes` one is there, or neither."""

    ordinal: int
    key: str
    digest: bytes
    token_count: int
    byte_count: int
    bytes_read: int
    signature: NDArray[np.uint32] | None = None
    shingles: NDArray[np.uint32] | None = None
    hashes: NDArray[np.uint8] | None = None
    quality: int = 0
    text: str | None = None
    thumbnail: bytes | None = None

    @property
    def new_record(self) -> NewRecord:
        """What the registry is told of it."""
        return NewRecord(
            ordinal=self.ordinal,
            key=self.key,
            digest=self.digest,
            token_count=self.token_count,
            byte_count=self.byte_count,
        )


def of_texts(rows: Sequence[RawRecord]) -> list[Entry]:
    """Entries of texts and of table rows, which come as their canonical text."""
    texts = [row.text or "" for row in rows]
    digests, prints = digest.digests(texts), minhash.prints(texts)
    sets = prints.shingle_sets()
    return [
        Entry(
            ordinal=row.ordinal,
            key=clean_key(row.key),
            digest=digests[at],
            token_count=int(prints.token_counts[at]),
            byte_count=len(text.encode("utf-8", "replace")),
            bytes_read=row.bytes_read,
            signature=prints.signatures[at],
            shingles=sets[at],
            text=text,
        )
        for at, (row, text) in enumerate(zip(rows, texts, strict=True))
    ]


def of_images(rows: Sequence[RawRecord]) -> tuple[list[Entry], list[BadRow]]:
    """Entries of images; those that cannot be decoded are bad rows."""
    entries, bad = [], []
    for row in rows:
        data = row.image or b""
        try:
            made = image.fingerprint(data)
            thumbnail = _thumbnail(data)
        except image.ImageRefused as error:
            bad.append(BadRow(row.ordinal, row.ordinal + 1, str(error), row.bytes_read))
            continue
        entries.append(
            Entry(
                ordinal=row.ordinal,
                key=clean_key(row.key),
                digest=made.digest,
                token_count=0,
                byte_count=len(data),
                bytes_read=row.bytes_read,
                hashes=made.hashes,
                quality=made.quality,
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
    texts = [(r, e) for r, e in pairs if e.signature is not None and e.shingles is not None]
    images = [(r, e) for r, e in pairs if e.hashes is not None]
    Fingerprint.objects.bulk_create(_fingerprint(record, entry) for record, entry in texts)
    ImagePrint.objects.bulk_create(_image_print(record, entry) for record, entry in images)
    Body.objects.bulk_create(_bodies(pairs))
    _index_texts(texts)
    _index_images(images)


def _fingerprint(record: Record, entry: Entry) -> Fingerprint:
    signature, shingles = entry.signature, entry.shingles
    assert signature is not None, "an image has no signature"
    assert shingles is not None, "an image has no shingles"
    return Fingerprint(
        record=record,
        scheme=f"{scheme.SCHEME}/{scheme.SEED}",
        hash_version=scheme.HASH_VERSION,
        signature=signature.astype(UINT32).tobytes() if len(shingles) else b"",
        shingles=shingles.astype(UINT32).tobytes(),
    )


def _image_print(record: Record, entry: Entry) -> ImagePrint:
    assert entry.hashes is not None, "a text has no image print"
    return ImagePrint(
        record=record,
        scheme=scheme.IMAGE_HASH,
        hashes=entry.hashes.tobytes(),
        quality=entry.quality,
    )


def _bodies(pairs: Iterable[tuple[Record, Entry]]) -> Iterable[Body]:
    for record, entry in pairs:
        if entry.text is not None:
            yield bodies.of_text(record, entry.text)
        elif entry.thumbnail is not None:
            yield Body(record=record, media_type=THUMBNAIL, content=entry.thumbnail)


def _index_texts(pairs: Sequence[tuple[Record, Entry]]) -> None:
    """Band keys and sampled shingles of those texts that have tokens."""
    known = [(r.pk, e.signature, e.shingles) for r, e in pairs
             if e.signature is not None and e.shingles is not None and len(e.shingles)]  # fmt: skip
    if not known:
        return
    ids = np.array([pk for pk, _, _ in known], np.int64)
    keys = bands.band_keys(np.stack([signature for _, signature, _ in known]))
    postings.insert(Posting.Kind.BAND, *flat(keys.view(np.int64), ids))
    samples = [bands.sampled(shingles).astype(np.int64) for _, _, shingles in known]
    counts = [len(sample) for sample in samples]
    postings.insert(Posting.Kind.SAMPLE, np.concatenate(samples), np.repeat(ids, counts))


def _index_images(pairs: Sequence[tuple[Record, Entry]]) -> None:
    known = [(r.pk, e.hashes[0]) for r, e in pairs
             if e.hashes is not None and e.quality >= verdict.IMAGE_LEAST_QUALITY]  # fmt: skip
    if known:
        ids = np.array([pk for pk, _ in known], np.int64)
        keys = image.band_keys(np.stack([hashes for _, hashes in known]))
        postings.insert(Posting.Kind.IMAGE, *flat(keys.view(np.int64), ids))


def flat(
    keys: NDArray[np.int64], ids: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keys [n, k] of ids [n] as pairs, each once: [m] and [m]."""
    pairs = np.stack([keys.ravel(), np.repeat(ids, keys.shape[1])], axis=1)
    once = np.unique(pairs, axis=0)
    return once[:, 0], once[:, 1]


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
