"""The Unicode tables as arrays over all code points: what the compiled kernel looks up.

Needs numpy; the plain Python reference does not import it.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import tables
from .normal import loose_characters
from .permutations import INCREMENTS, MULTIPLIERS
from .scheme import SHINGLE_KEYS

CODE_POINTS = 0x110000
SURROGATES = range(0xD800, 0xE000)

# `kind`: a token class for a character that folds to itself, or one of these.
MAPPED = 8
MAPPED_UNSPACED = 16
# `context`: 0 stands alone, 1 to 254 is a combining class to be met in ascending order.
DEPENDS = 255
# `decomposed_length` of a character that neither folds nor decomposes.
ITSELF = 255


class KernelTables(NamedTuple):
    """Arrays by code point, and the pools they point into."""

    kind: NDArray[np.uint8]
    context: NDArray[np.uint8]
    offset: NDArray[np.int32]
    length: NDArray[np.uint8]
    text_pool: NDArray[np.uint8]
    """UTF-8 of what mapped characters fold to."""
    word_pool: NDArray[np.uint8]
    """The same with separators zeroed."""
    text_ascii: NDArray[np.uint8]
    word_ascii: NDArray[np.uint8]
    token_class: NDArray[np.uint8]
    combining: NDArray[np.uint8]
    decomposed_offset: NDArray[np.int32]
    decomposed_length: NDArray[np.uint8]
    decomposed_pool: NDArray[np.uint32]
    """Code points of what a character folds and decomposes to."""
    pairs: NDArray[np.uint64]
    """(first << 32 | second), ascending; `composed` is parallel to it."""
    composed: NDArray[np.uint32]


class Constants(NamedTuple):
    """The scheme's numbers as arrays."""

    keys: NDArray[np.uint64]
    multipliers: NDArray[np.uint32]
    increments: NDArray[np.uint32]


@cache
def constants() -> Constants:
    """One copy a process."""
    return Constants(
        np.array(SHINGLE_KEYS, np.uint64),
        np.array(MULTIPLIERS, np.uint32),
        np.array(INCREMENTS, np.uint32),
    )


@cache
def load() -> KernelTables:
    """Build the arrays: about 15 MB and 0.1 s, once a process."""
    known = tables.load()
    token_class, combining = _properties(known)
    kind, context, offset, length, text, words = _folding(known, token_class, combining)
    ascii_text = [known.fold.get(code, chr(code)) for code in range(128)]
    decomposed = _decompositions(known)
    pairs = sorted((ord(a) << 32 | ord(b), ord(c)) for (a, b), c in known.composed.items())
    text_ascii = np.array([ord(ch) for ch in ascii_text], np.uint8)
    word_ascii = np.where(token_class[text_ascii] == tables.SEPARATOR, 0, text_ascii)
    return KernelTables(
        kind, context, offset, length, text, words, text_ascii, word_ascii.astype(np.uint8),
        token_class, combining, *decomposed,
        np.array([pair for pair, _ in pairs], np.uint64),
        np.array([whole for _, whole in pairs], np.uint32),
    )  # fmt: skip


def _properties(known: tables.Tables) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    token_class = np.zeros(CODE_POINTS, np.uint8)
    for first, last, value in known.classes:
        token_class[first : last + 1] = value
    combining = np.zeros(CODE_POINTS, np.uint8)
    combining[list(known.combining)] = list(known.combining.values())
    return token_class, combining


def _folding(
    known: tables.Tables, token_class: NDArray[np.uint8], combining: NDArray[np.uint8]
) -> tuple[
    NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int32],
    NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8],
]:  # fmt: skip
    """Kind, context, offset and length by code point, and the two pools."""
    loose = loose_characters()
    kind, context = token_class.copy(), combining.copy()
    maybe = [ord(ch) for ch in loose if not combining[ord(ch)]]
    seconds = [ord(second) for _, second in known.composed]
    context[maybe + seconds] = DEPENDS
    offset, length = np.zeros(CODE_POINTS, np.int32), np.zeros(CODE_POINTS, np.uint8)
    text, words = bytearray(), bytearray()
    for code, folded in known.fold.items():
        if code in SURROGATES:
            continue
        classes = [token_class[ord(ch)] for ch in folded]
        kind[code] = MAPPED_UNSPACED if max(classes, default=0) >= tables.PAIR else MAPPED
        context[code] = 0 if loose.isdisjoint(folded) else DEPENDS
        encoded = [ch.encode() for ch in folded]
        offset[code], length[code] = len(text), sum(map(len, encoded))
        text += b"".join(encoded)
        words += b"".join(
            part if value else bytes(len(part))
            for part, value in zip(encoded, classes, strict=True)
        )
    return (
        kind, context, offset, length,
        np.frombuffer(bytes(text), np.uint8), np.frombuffer(bytes(words), np.uint8),
    )  # fmt: skip


def _decompositions(
    known: tables.Tables,
) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.uint32]]:
    offset = np.zeros(CODE_POINTS, np.int32)
    length = np.full(CODE_POINTS, ITSELF, np.uint8)
    pool: list[int] = []
    for code in known.fold.keys() | known.decomposed.keys():
        target = known.fold.get(code, chr(code)).translate(known.decomposed)
        offset[code], length[code] = len(pool), len(target)
        pool += map(ord, target)
    return offset, length, np.array(pool, np.uint32)
