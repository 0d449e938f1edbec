"""How candidates are found: for each scheme the keys that are stored, and those looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest import prints, verdict
from ingest.fingerprint import bands, code, grams, image, image_keys, rows, scheme
from ingest.index import postings
from ingest.models import Posting
from ingest.prints import Prints

KeysOfOne = Callable[[bytes], NDArray[np.uint64]]
KeysOfAll = Callable[[Sequence[bytes]], list[NDArray[np.uint64]]]

DENSE_COUNT = 128
DENSE_BITS = 2
"""A text of at most so many shingles keeps one in four of them, a longer one one in eight."""
SAMPLE_SLACK = 0.35
"""A sample is a draw: this part of the shared hashes that containment would make likely will do."""


@dataclass(frozen=True)
class Lookup:
    """One way to find candidates. Keys are below 2**48; a part may have none."""

    scheme: str
    posting: Posting.Kind
    stored_keys: KeysOfAll
    probe_keys: KeysOfAll
    least: int = 1
    """So many keys must be shared."""
    most_per_key: int = postings.MOST_PER_KEY
    most_per_record: int | None = None
    """Only so many, those that share the most keys, are compared with a record; None: all."""
    plausible: Callable[[int, int, int], bool] | None = None
    """Whether (shared keys, later tokens, earlier tokens) are worth a comparison; None: always."""


def _each(keys_of: KeysOfOne) -> KeysOfAll:
    """The keys of parts, one part after the other."""
    return lambda parts: [keys_of(part) for part in parts]


def _band_keys(parts: Sequence[bytes]) -> list[NDArray[np.uint64]]:
    """Of all signatures at once: one alone costs nearly as much as a hundred."""
    signatures = np.frombuffer(b"".join(parts), prints.UINT32)
    return list(bands.band_keys(signatures.reshape(len(parts), -1)))


def _stored_sample(part: bytes) -> NDArray[np.uint64]:
    """Of a smaller text more, lest none of it is drawn."""
    shingles = np.frombuffer(part, prints.UINT32)
    return bands.sampled(shingles, _sample_bits(len(shingles))).astype(np.uint64)


def _probed_sample(part: bytes) -> NDArray[np.uint64]:
    """The denser sample, which holds the thinner: the earlier text may be small."""
    return bands.sampled(np.frombuffer(part, prints.UINT32), DENSE_BITS).astype(np.uint64)


def _sample_bits(count: int) -> int:
    return DENSE_BITS if count <= DENSE_COUNT else scheme.SAMPLE_BITS


def _sample_is_plausible(count: int, later_tokens: int, earlier_tokens: int) -> bool:
    """Whether the samples share about as many as texts do that are alike enough."""
    drawn = min(later_tokens, earlier_tokens) / 2 ** _sample_bits(earlier_tokens)
    return bool(count >= SAMPLE_SLACK * verdict.text.LEAST_CONTAINMENT * drawn)


def _standing_keys(part: bytes) -> NDArray[np.uint64]:
    return _image_keys(part, 1)


def _turned_keys(part: bytes) -> NDArray[np.uint64]:
    """A copy may be turned or mirrored: each of the eight hashes is looked up."""
    return _image_keys(part, 8)


def _image_keys(part: bytes, turns: int) -> NDArray[np.uint64]:
    if part[-1] < verdict.images.LEAST_QUALITY:
        return np.empty(0, np.uint64)
    hashes = np.frombuffer(part, np.uint8)[:-1].reshape(8, 32)[:turns]
    return np.unique(image.band_keys(hashes))


def _none(part: bytes) -> NDArray[np.uint64]:
    """Its keys are stored by another lookup of the same postings."""
    return np.empty(0, np.uint64)


LOOKUPS = (
    Lookup(prints.MINHASH, Posting.Kind.BAND, _band_keys, _band_keys),
    Lookup(
        prints.WORDS, Posting.Kind.SAMPLE, _each(_stored_sample), _each(_probed_sample),
        most_per_key=64, plausible=_sample_is_plausible,
    ),
    Lookup(
        grams.SKETCH, Posting.Kind.GRAM, _each(grams.pair_keys), _each(grams.pair_keys),
        least=3, most_per_key=64, most_per_record=16,
    ),
    Lookup(prints.PDQ, Posting.Kind.IMAGE, _each(_standing_keys), _each(_turned_keys)),
    Lookup(
        prints.PARTS, Posting.Kind.TILE,
        _each(image_keys.stored_keys), _each(image_keys.probe_keys),
        least=image_keys.LEAST_SHARED, most_per_record=128,
    ),
    Lookup(
        rows.SCHEME, Posting.Kind.FIELD, _each(rows.keys), _each(rows.keys),
        least=2, most_per_key=64,
    ),
    Lookup(
        rows.SCHEME, Posting.Kind.FIELD, _each(_none), _each(rows.number_keys), most_per_key=16
    ),
    Lookup(
        code.SCHEME, Posting.Kind.CODE, _each(code.band_keys), _each(code.band_keys),
        most_per_key=64,
    ),
    Lookup(
        code.SCHEME, Posting.Kind.CODE, _each(code.sample_keys), _each(code.sample_keys), least=3
    ),
)  # fmt: skip


def index(made: Sequence[tuple[int, Prints]]) -> None:
    """Store the keys of new records, by their ids, in the caller's transaction."""
    for lookup in LOOKUPS:
        keys, ids = _keys(made, lookup.scheme, lookup.stored_keys)
        if len(keys):
            postings.insert(lookup.posting, keys, ids)


def find(lookup: Lookup, batch: Sequence[Prints]) -> dict[tuple[int, int], int]:
    """(place in the batch, record id) of stored records that share keys, and how many."""
    keys, places = _keys(enumerate(batch), lookup.scheme, lookup.probe_keys)
    found = postings.probe(
        lookup.posting, keys, places, least=lookup.least, most_per_key=lookup.most_per_key
    )
    if lookup.most_per_record is not None:
        found = _most(found, lookup.most_per_record)
    return {(place, pk): count for place, pk, count in found.tolist()}


def _most(found: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Of each place's rows (place, record, count) those with the greatest counts."""
    ordered = found[np.lexsort((found[:, 1], -found[:, 2], found[:, 0]))]
    starts = np.searchsorted(ordered[:, 0], ordered[:, 0])
    chosen: NDArray[np.int64] = ordered[np.arange(len(ordered)) - starts < most]
    return chosen


def _keys(
    numbered: Iterable[tuple[int, Prints]], name: str, keys_of: KeysOfAll
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All keys of the parts of one scheme, and the number of each one's owner."""
    owned = [(number, part) for number, own in numbered if (part := own.parts.get(name))]
    if not owned:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    made = keys_of([part for _, part in owned])
    numbers = np.repeat([number for number, _ in owned], [len(keys) for keys in made])
    return np.concatenate(made).view(np.int64), numbers.astype(np.int64)
