"""Sketches of source code: what copies share when names, comments and order have changed.

The kernel is the client's own (`tallymark.fingerprint.code`), so that an owner at home and the
service compute the same. Here its numbers become arrays, keys of the index, and marked lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tallymark.fingerprint.code import CODE_SCHEME, LITERAL, LONG, SHORT, is_source, sketch
from tallymark.fingerprint.permutations import INCREMENTS, MULTIPLIERS

from .containment import shared

SCHEME = CODE_SCHEME
PART_BITS = np.uint32(3)
ROWS = 4
SHORT_BANDS, LITERAL_BANDS = 4, 3
"""Bands of four least hashes: .95 of the pairs with Jaccard .85, .99 of those with .95."""
LEAST_FOR_BANDS = 8
"""A set of fewer hashes is the same in too many sources to be looked up by."""
SAMPLE_MASK = np.uint32(0b1100)
"""One long run in four is a key."""
BAND_TAG, SAMPLE_TAG = np.uint64(1 << 40), np.uint64(1 << 44)
KEY_MASK = np.uint64((1 << 40) - 1)
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Shared(NamedTuple):
    """What two sketches share of one part."""

    shared: int
    one: int
    other: int

    @property
    def jaccard(self) -> float:
        """Shared over all; 0 where both are empty."""
        return self.shared / self.all if self.all else 0.0

    @property
    def containment(self) -> float:
        """Shared over the smaller; 0 where either is empty."""
        smaller = min(self.one, self.other)
        return self.shared / smaller if smaller else 0.0

    @property
    def all(self) -> int:
        """How many hashes either has."""
        return self.one + self.other - self.shared


def sketches(texts: Sequence[str], names: Sequence[str]) -> list[bytes]:
    """The sketch of each source text: ascending little-endian uint32; `names` do not matter."""
    return [np.array(sketch(text), "<u4").tobytes() for text in texts]


def sketches_of_sources(texts: Sequence[str], names: Sequence[str]) -> list[bytes]:
    """The sketches of those texts whose name ends as a source file's does; b"" for the others."""
    return [
        sketches([text], [name])[0] if is_source(name) else b""
        for text, name in zip(texts, names, strict=True)
    ]


def check(sketched: bytes) -> None:
    """Raise ValueError, with a reason for people, unless these bytes can be a sketch of code."""
    if not sketched or len(sketched) % 4:
        raise ValueError("the sketch of code is cut short")
    values = np.frombuffer(sketched, "<u4")
    if not bool((values[1:] > values[:-1]).all()) or not bool((values & PART_BITS < 3).all()):
        raise ValueError("the sketch of code is not ascending, or holds what no part is")


def part(values: NDArray[np.uint32], which: int) -> NDArray[np.uint32]:
    """One part of a sketch, still ascending."""
    chosen: NDArray[np.uint32] = values[values & PART_BITS == which]
    return chosen


def compare(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> dict[int, Shared]:
    """What two sketches share: of LONG, SHORT and LITERAL."""
    result = {}
    for which in (LONG, SHORT, LITERAL):
        mine, theirs = part(one, which), part(other, which)
        result[which] = Shared(len(shared(mine, theirs)), len(mine), len(theirs))
    return result


def band_keys(sketched: bytes) -> NDArray[np.uint64]:
    """Keys of the bands over short runs and over literals: uint64 [0 to 7], below 2**48."""
    values = np.frombuffer(sketched, "<u4")
    short = _bands(part(values, SHORT), first=0, count=SHORT_BANDS)
    said = _bands(part(values, LITERAL), first=SHORT_BANDS, count=LITERAL_BANDS)
    return np.concatenate([short, said])


def sample_keys(sketched: bytes) -> NDArray[np.uint64]:
    """Keys of the sampled long runs: uint64, below 2**48."""
    long = part(np.frombuffer(sketched, "<u4"), LONG)
    keys: NDArray[np.uint64] = long[long & SAMPLE_MASK == 0].astype(np.uint64) | SAMPLE_TAG
    return keys


def _bands(values: NDArray[np.uint32], *, first: int, count: int) -> NDArray[np.uint64]:
    if len(values) < LEAST_FOR_BANDS:
        return np.empty(0, np.uint64)
    used = slice(first * ROWS, (first + count) * ROWS)
    multipliers = np.array(MULTIPLIERS[used], np.uint32)
    increments = np.array(INCREMENTS[used], np.uint32)
    # The overflow is the modulus, as in MinHash: each permutation is a bijection of uint32.
    least = (np.outer(values, multipliers) + increments).min(axis=0).reshape(count, ROWS)
    state = np.arange(first + 1, first + count + 1, dtype=np.uint64) * MULTIPLIER
    for row in range(ROWS):
        state = (state ^ least[:, row]) * MULTIPLIER
        state = state ^ state >> np.uint64(32)
    keys: NDArray[np.uint64] = state & KEY_MASK | BAND_TAG
    return keys
