"""Which pairs of records are worth comparing: by digest, by bands, by sample, by image keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest import verdict
from ingest.entries import UINT32, flat
from ingest.fingerprint import bands, image, scheme
from ingest.index import postings, registered
from ingest.index.registered import Earlier
from ingest.models import Fingerprint, ImagePrint, Posting
from provenance.models import DatasetVersion, Record

MOST_PER_SAMPLE = 64
SAMPLE_SLACK = 0.35
"""A sample is a draw: this part of the shared hashes that containment would make likely will do."""


@dataclass(frozen=True)
class Newcomer:
    """A record being screened, with what it is compared by."""

    record: Record
    signature: NDArray[np.uint32] | None = None
    shingles: NDArray[np.uint32] | None = None
    hashes: NDArray[np.uint8] | None = None
    quality: int = 0

    @property
    def digest(self) -> bytes:
        """The record's digest."""
        return bytes(self.record.digest)

    @property
    def is_short(self) -> bool:
        """Whether an exact copy of it may be chance (a text of very few tokens)."""
        return self.hashes is None and self.record.token_count < verdict.SHORT_TOKENS


@dataclass(frozen=True)
class Pair:
    """A newcomer's place in its batch and the earlier record that it may be like."""

    place: int
    earlier: Earlier


def newcomers(records: Sequence[Record]) -> list[Newcomer]:
    """The records with their prints, as far as they have comparable ones."""
    ids = [record.pk for record in records]
    texts = Fingerprint.objects.in_bulk(ids)
    images = ImagePrint.objects.in_bulk(ids)
    return [_newcomer(r, texts.get(r.pk), images.get(r.pk)) for r in records]


def _newcomer(record: Record, text: Fingerprint | None, picture: ImagePrint | None) -> Newcomer:
    if text is not None and text.hash_version == scheme.HASH_VERSION and text.signature:
        return Newcomer(
            record,
            signature=np.frombuffer(text.signature, UINT32),
            shingles=np.frombuffer(text.shingles, UINT32),
        )
    if picture is not None and picture.scheme == scheme.IMAGE_HASH:
        hashes = np.frombuffer(picture.hashes, np.uint8).reshape(8, 32)
        return Newcomer(record, hashes=hashes, quality=picture.quality)
    return Newcomer(record)


def pairs(version: DatasetVersion, batch: Sequence[Newcomer]) -> list[Pair]:
    """The candidates of a batch, each pair once; exact copies of short records are left out."""
    sure = {(place, pk) for place, pk in exact(version, batch) if not batch[place].is_short}
    sure |= _by_bands(batch) | _by_image_keys(batch)
    sampled = _by_sample(batch)
    ids = {pk for _, pk in sure} | {pk for _, pk in sampled}
    known = registered.earlier(version, sorted(ids))
    dates = registered.own_dates(version, [newcomer.digest for newcomer in batch])
    result = []
    for place, pk in sorted(sure | sampled.keys()):
        row, newcomer = known.get(pk), batch[place]
        if row is None or not is_news(newcomer, row, version, dates):
            continue
        if newcomer.is_short and newcomer.digest == row.digest:
            continue
        if (place, pk) in sure or _is_plausible(sampled[place, pk], newcomer, row):
            result.append(Pair(place, row))
    return result


def is_news(
    newcomer: Newcomer, row: Earlier, version: DatasetVersion, dates: dict[bytes, int]
) -> bool:
    """Whether the owner of `version` had not registered the newcomer's content before `row`.

    `dates` are `registered.own_dates`. What one owner holds twice is for information, always.
    """
    if row.owner_id == version.dataset.owner_id:
        return True
    return row.sequence < dates.get(newcomer.digest, row.sequence + 1)


def exact(version: DatasetVersion, batch: Sequence[Newcomer]) -> list[tuple[int, int]]:
    """(place, record id) of the same digest, short records included."""
    places: dict[bytes, list[int]] = {}
    for place, newcomer in enumerate(batch):
        places.setdefault(newcomer.digest, []).append(place)
    found = registered.same_digest(version, list(places))
    return [(place, pk) for digest, pk in found for place in places[digest]]


def _by_bands(batch: Sequence[Newcomer]) -> set[tuple[int, int]]:
    known = [(place, n.signature) for place, n in enumerate(batch) if n.signature is not None]
    if not known:
        return set()
    places = np.array([place for place, _ in known], np.int64)
    keys = bands.band_keys(np.stack([signature for _, signature in known]))
    return _probed(Posting.Kind.BAND, keys, places)


def _by_image_keys(batch: Sequence[Newcomer]) -> set[tuple[int, int]]:
    known = [(place, n.hashes) for place, n in enumerate(batch)
             if n.hashes is not None and n.quality >= verdict.IMAGE_LEAST_QUALITY]  # fmt: skip
    if not known:
        return set()
    # A copy may be turned or mirrored: each of the eight hashes is looked up.
    places = np.repeat(np.array([place for place, _ in known], np.int64), 8)
    keys = image.band_keys(np.concatenate([hashes for _, hashes in known]))
    return _probed(Posting.Kind.IMAGE, keys, places)


def _probed(
    kind: Posting.Kind, keys: NDArray[np.uint64], places: NDArray[np.int64]
) -> set[tuple[int, int]]:
    found = postings.probe(kind, *flat(keys.view(np.int64), places))
    return {(place, pk) for place, pk, _ in found.tolist()}


def _by_sample(batch: Sequence[Newcomer]) -> dict[tuple[int, int], int]:
    """How many sampled shingles each pair shares."""
    known = [(place, bands.sampled(n.shingles)) for place, n in enumerate(batch)
             if n.shingles is not None]  # fmt: skip
    if not known:
        return {}
    keys = np.concatenate([sample for _, sample in known]).astype(np.int64)
    places = np.repeat([place for place, _ in known], [len(sample) for _, sample in known])
    found = postings.probe(Posting.Kind.SAMPLE, keys, places, most_per_key=MOST_PER_SAMPLE)
    return {(place, pk): count for place, pk, count in found.tolist()}


def _is_plausible(count: int, newcomer: Newcomer, row: Earlier) -> bool:
    """Whether the samples share about as many as texts do that are alike enough."""
    smaller: int = min(newcomer.record.token_count, row.token_count)
    expected: float = verdict.LEAST_CONTAINMENT * smaller / 2**scheme.SAMPLE_BITS
    return bool(count >= SAMPLE_SLACK * expected)
