"""How postings lie in a segment: sorted pairs, cut into blocks by the top bits of the key.

Keys are below 2**48. They are mixed by a bijection first, so that keys of every kind spread evenly
over the blocks. A block holds the rest of each key, big-endian and as wide as the segment needs,
then each record's number from the segment's base as little-endian uint32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Locals = NDArray[np.uint32]

KEY_BITS = 48
PAIRS_PER_BLOCK = 96
"""About so many in a block: one page of the database holds ten, and one probe reads one."""
HELD_PER_KEY = 256
"""Of the records that share a key, a block holds the first so many; the rest continue elsewhere."""
WIDEST_SPAN = 2**32
"""Record numbers of one segment lie within so many of each other."""

# Both odd, so that multiplying by them modulo 2**48 loses nothing (MurmurHash3's 64-bit finaliser).
MULTIPLIERS = (
    np.uint64(0xFF51AFD7ED558CCD & (2**48 - 1)),
    np.uint64(0xC4CEB9FE1A85EC53 & (2**48 - 1)),
)
HALF, MASK = np.uint64(24), np.uint64(2**48 - 1)
SHORTEST, LONGEST = np.uint64(16), 2**16


def mixed(keys: NDArray[Any]) -> Keys:
    """A bijection of [0, 2**48) that spreads any keys evenly: int64 [n] in, uint64 [n] out."""
    state = keys.astype(np.uint64)
    assert not len(state) or int(state.max()) <= int(MASK), "a key has at most 48 bits"
    for multiplier in MULTIPLIERS:
        state = (state ^ state >> HALF) * multiplier & MASK
    return np.asarray(state ^ state >> HALF)


def block_bits(pair_count: int) -> int:
    """Into 2**bits blocks `pair_count` pairs are cut."""
    return max(0, (max(pair_count, 1) // PAIRS_PER_BLOCK).bit_length() - 1)


def suffix_width(bits: int) -> int:
    """How many bytes of each key a block holds where its top `bits` name the block."""
    return (KEY_BITS - bits + 7) // 8


def ordered(keys: Keys, records: Locals) -> tuple[Keys, Locals]:
    """The pairs in order of key, then record: [n] and [n]."""
    if not len(keys) or int(records.max()) >= LONGEST:
        order = np.lexsort((records, keys))
        return keys[order], records[order]
    # A batch's record numbers fit beside the key in one word, which sorts ten times as fast.
    both = np.sort(keys << SHORTEST | records)
    return both >> SHORTEST, (both & np.uint64(LONGEST - 1)).astype(np.uint32)


def holders(body: bytes, key: int, bits: int) -> Locals:
    """The record numbers that a block holds for one mixed key, ascending."""
    width = suffix_width(bits)
    count = len(body) // (width + 4)
    sought = np.frombuffer(key.to_bytes(8, "big")[8 - width :], np.uint8)
    suffixes = np.frombuffer(body, np.uint8, count * width).reshape(count, width)
    records: Locals = np.frombuffer(body, "<u4", count, count * width)
    held: Locals = records[(suffixes == sought).all(axis=1)]
    return held


def ranges(pair_count: int, at_once: int, most_bits: int) -> list[tuple[int, int]]:
    """Parts [low, high) of all mixed keys that hold about `at_once` of `pair_count` pairs each.

    Each is made of whole blocks wherever a segment has at least `most_bits` bits.
    """
    bits = min(most_bits, (max(pair_count, 1) // at_once).bit_length())
    step = 1 << KEY_BITS - bits
    return [(part * step, (part + 1) * step) for part in range(1 << bits)]
