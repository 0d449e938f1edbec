"""The compiled tokeniser, shingle hash and MinHash: text in, no Python object per record.

Equal bit for bit to `words.py` and `minhash.py` beside it, which say what it computes; this file
says how. Every function releases the interpreter's lock.
"""

# ruff: noqa: FBT001, FBT003 - compiled functions take no keywords

import numpy as np
from numba import u4, u8
from numpy.typing import NDArray

from .intrinsics import compiled, load_8, trailing_zeros, wide, word_mask
from .kernel_fold import Bytes, character, folded_text
from .kernel_tables import Constants, KernelTables
from .scheme import TOKEN_MULTIPLIER, TOKEN_START
from .tables import MARK, PAIR, SEPARATOR, WORD

MULTIPLIER = np.uint64(TOKEN_MULTIPLIER)
START = np.uint64(TOKEN_START)
LOW = np.uint64(0xFFFFFFFF)
CHUNK = 4096
"""Tokens hashed at a time, so that a long record needs no more than a short one."""


@compiled
def word_places(folded: Bytes, end: int, places: NDArray[np.int32]) -> int:
    """Starts and ends of the runs of bytes that are not 0, in turn; the number of runs."""
    count, carry = 0, u8(0)
    for block in range((end + 64) >> 6):  # one more byte, so that the last run is closed
        mask = word_mask(folded, wide(block << 6))
        edges = mask ^ (mask << u8(1) | carry)
        carry = mask >> u8(63)
        while edges != u8(0):
            places[count] = (block << 6) + wide(trailing_zeros(edges))
            count += 1
            edges &= edges - u8(1)
    return count >> 1


@compiled
def unit_places(folded: Bytes, end: int, token_class: Bytes, places: NDArray[np.int32]) -> int:
    """`word_places` for a text with unspaced scripts: their runs as overlapping twos or threes."""
    count, at, run, width = 0, 0, 0, 0  # `run` is the class of the run that is open
    begin, units, latest, before, earlier = 0, 0, 0, 0, 0  # starts of its three latest units
    while at <= end:
        code, after = (0, at + 1) if at == end else character(folded, at)
        value = wide(token_class[code])
        if value == MARK and run == SEPARATOR:
            value = WORD
        if value != MARK and (value != run or value >= PAIR):
            first = -1
            if run == WORD or (run != SEPARATOR and units < width and value != run):
                first = begin
            elif run != SEPARATOR and units >= width:
                first = before if run == PAIR else earlier
            if first >= 0:
                places[count], places[count + 1] = first, at
                count += 2
            if value != run:
                run, width, begin, units = value, (2 if value == PAIR else 3), at, 0
            earlier, before, latest = before, latest, at
            units += 1
        at = after
    return count >> 1


@compiled
def hash_tokens(
    folded: Bytes, places: NDArray[np.int32], count: int, hashes: NDArray[np.uint64]
) -> None:
    """The hash of each token: `minhash.token_hash`, its commonest lengths without a loop."""
    for token in range(count):
        at = wide(places[2 * token])
        length = wide(places[2 * token + 1]) - at
        if length < 16:
            rest = (u8(1) << u8(8 * (length & 7))) - u8(1)
            short = length < 8
            word = load_8(folded, at)
            state = (START ^ (word & rest if short else word)) * MULTIPLIER
            state ^= state >> u8(32)
            longer = (state ^ (load_8(folded, at + 8) & rest)) * MULTIPLIER
            longer ^= longer >> u8(32)
            hashes[token] = (state if short else longer) & LOW
            continue
        state = START
        while length >= 8:
            state = (state ^ load_8(folded, at)) * MULTIPLIER
            state ^= state >> u8(32)
            at, length = at + 8, length - 8
        rest = (u8(1) << u8(8 * length)) - u8(1)
        state = (state ^ (load_8(folded, at) & rest)) * MULTIPLIER
        hashes[token] = (state ^ state >> u8(32)) & LOW


@compiled
def hash_shingles(
    hashes: NDArray[np.uint64], count: int, keys: NDArray[np.uint64], out: NDArray[np.uint32]
) -> int:
    """The hashes of all shingles of five of `count` tokens; how many."""
    k0, k1, k2, k3, k4, k5 = keys[0], keys[1], keys[2], keys[3], keys[4], keys[5]
    for at in range(count - 4):
        total = k5 + k0 * hashes[at] + k1 * hashes[at + 1] + k2 * hashes[at + 2]
        total += k3 * hashes[at + 3] + k4 * hashes[at + 4]
        out[at] = u4(total >> u8(32))
    return count - 4


@compiled
def hash_short(
    hashes: NDArray[np.uint64], count: int, keys: NDArray[np.uint64], out: NDArray[np.uint32]
) -> int:
    """The hash of the one shingle of a record of one to four tokens; 0 for one of none."""
    if count == 0:
        return 0
    total = keys[5]
    for at in range(count):
        total += keys[5 - count + at] * hashes[at]
    out[0] = u4(total >> u8(32))
    return 1


@compiled
def mix(values: NDArray[np.uint32], count: int, out: NDArray[np.uint32]) -> int:
    """MurmurHash3's finaliser of each, padded to a multiple of 8 by repeating the first."""
    for at in range(count):
        value = values[at]
        value ^= value >> u4(16)
        value = u4(value * u4(0x85EBCA6B))
        value ^= value >> u4(13)
        value = u4(value * u4(0xC2B2AE35))
        out[at] = value ^ value >> u4(16)
    while count & 7:
        out[count] = out[0]
        count += 1
    return count


@compiled
def lower(
    mixed: NDArray[np.uint32], count: int,
    a: NDArray[np.uint32], b: NDArray[np.uint32], signature: NDArray[np.uint32],
) -> None:  # fmt: skip
    """Lower `signature` to the least a*h + b of each permutation over `count` (8 n) hashes.

    Source: datasketch 2.0, scheme affine32. The overflow is the modulus, and every `a` is odd:
    widening these types would break it.
    """
    for at in range(0, count, 8):
        h0, h1, h2, h3 = mixed[at], mixed[at + 1], mixed[at + 2], mixed[at + 3]
        h4, h5, h6, h7 = mixed[at + 4], mixed[at + 5], mixed[at + 6], mixed[at + 7]
        for j in range(a.shape[0]):
            m, c = a[j], b[j]
            left = min(min(u4(m * h0 + c), u4(m * h1 + c)), min(u4(m * h2 + c), u4(m * h3 + c)))
            right = min(min(u4(m * h4 + c), u4(m * h5 + c)), min(u4(m * h6 + c), u4(m * h7 + c)))
            signature[j] = min(signature[j], min(left, right))


@compiled
def token_places(
    source: Bytes, folded: Bytes, places: NDArray[np.int32], tables: KernelTables
) -> tuple[Bytes, NDArray[np.int32], int]:
    """Fold and tokenise one record: its folded bytes, token places and token count."""
    folded, end, unspaced = folded_text(source, folded, tables, True)
    if places.shape[0] < end + 64:
        places = np.empty(end + end // 4 + 64, np.int32)
    if unspaced:
        return folded, places, unit_places(folded, end, tables.token_class, places)
    return folded, places, word_places(folded, end, places)


@compiled
def unique(values: NDArray[np.uint32]) -> int:
    """Sort in place and keep one of each at the front; how many."""
    values.sort()
    kept = 0
    for at in range(values.shape[0]):
        if kept == 0 or values[at] != values[kept - 1]:
            values[kept] = values[at]
            kept += 1
    return kept


@compiled
def sign_batch(
    source: Bytes, offsets: NDArray[np.int64], tables: KernelTables, constants: Constants,
    signatures: NDArray[np.uint32], counts: NDArray[np.int32], ends: NDArray[np.int64],
    with_signatures: bool, with_shingles: bool,
) -> NDArray[np.uint32]:  # fmt: skip
    """Fingerprint the records between `offsets` of `source`: the arrays passed are filled.

    `signatures` starts as all ones. Returns each record's sorted distinct shingle hashes, one
    after the other; record r ends at `ends[r]`.
    """
    folded, places = np.empty(8192, np.uint8), np.empty(8192, np.int32)
    hashes, fresh = np.empty(CHUNK + 4, np.uint64), np.empty(CHUNK, np.uint32)
    mixed, kept = np.empty(CHUNK + 8, np.uint32), np.empty(8192, np.uint32)
    used = 0
    for record in range(offsets.shape[0] - 1):
        text = source[offsets[record] : offsets[record + 1]]
        folded, places, total = token_places(text, folded, places, tables)
        counts[record] = total
        begin, done, carried = used, 0, 0
        if with_shingles and kept.shape[0] < used + total:
            grown = np.empty((used + total) * 3 // 2, np.uint32)
            grown[:used] = kept[:used]
            kept = grown
        while (done < total) & (with_signatures | with_shingles):
            taken = min(CHUNK, total - done)
            hash_tokens(folded, places[2 * done :], taken, hashes[carried:])
            done, count = done + taken, taken + carried
            if count >= 5:
                made = hash_shingles(hashes, count, constants.keys, fresh)
                hashes[:4] = hashes[count - 4 : count].copy()
                carried = 4
            else:
                made = hash_short(hashes, count, constants.keys, fresh)
            if with_signatures:
                padded = mix(fresh, made, mixed)
                lower(mixed, padded, constants.multipliers, constants.increments,
                      signatures[record])  # fmt: skip
            if with_shingles:
                kept[used : used + made] = fresh[:made]
                used += made
        used = begin + unique(kept[begin:used])
        ends[record] = used
    return kept[:used].copy()
