"""Sketches of short texts, and how alike two of them are.

The kernel is the client's own (`tallymark.fingerprint.short` says what it computes), so that an
owner at home and the service compute the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tallymark.fingerprint.short import LONGEST_WORDS, SKETCH

from .containment import shared
from .minhash import as_texts

__all__ = [
    "LONGEST_WORDS",
    "SKETCH",
    "Sketch",
    "check",
    "pair_keys",
    "shared_counts",
    "sketches",
    "unpacked",
]

UINT32 = np.dtype("<u4")
KEY_MASK = np.uint64((1 << 48) - 1)
SPREAD = np.uint64(0x9E3779B97F4A7C15)


class Sketch(NamedTuple):
    """A sketch in its parts; all sorted distinct uint32."""

    longest: NDArray[np.uint32]
    """Hashes of the ten longest words, or of all where there are fewer."""
    grams: NDArray[np.uint32]


def sketches(texts: Sequence[str], names: Sequence[str] = ()) -> list[bytes]:
    """The packed sketch of each text; b"" for one without words, or too long to have one."""
    from tallymark.fingerprint import sketches as compiled

    return [made.astype(UINT32).tobytes() for made in compiled.of_texts(as_texts(texts))]


def unpacked(part: bytes) -> Sketch:
    """The parts of a packed sketch that is not empty."""
    values = np.frombuffer(part, UINT32)
    count = int(values[0])
    return Sketch(values[1 : count + 1], values[count + 1 :])


def check(part: bytes) -> None:
    """Raise ValueError, with a reason for people, unless `part` is a packed sketch."""
    if not part or len(part) % UINT32.itemsize:
        raise ValueError("the sketch is cut short")
    longest, grams = unpacked(part)
    count = int.from_bytes(part[:4], "little")
    if not 1 <= count <= LONGEST_WORDS or len(longest) != count or not len(grams):
        raise ValueError("the sketch does not hold what it says")
    for values in (longest, grams):
        if len(values) > 1 and not bool((values[1:] > values[:-1]).all()):
            raise ValueError("the sketch is not ascending")


def pair_keys(part: bytes) -> NDArray[np.uint64]:
    """A key below 2**48 for each two of the longest words: who shares three shares three keys."""
    longest = unpacked(part).longest.astype(np.uint64)
    one, other = np.triu_indices(len(longest), 1)
    low, high = longest[one], longest[other]
    mixed = (low * SPREAD ^ high) * SPREAD
    keys: NDArray[np.uint64] = np.unique((mixed ^ mixed >> np.uint64(32)) & KEY_MASK)
    return keys


def shared_counts(one: Sketch, other: Sketch) -> tuple[int, int]:
    """How many grams, and how many of the longest words, two sketches share."""
    return len(shared(one.grams, other.grams)), len(shared(one.longest, other.longest))
