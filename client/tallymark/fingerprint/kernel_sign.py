"""The compiled shingle hash and MinHash: text in, no Python object per record.

Equal bit for bit to `minhash.py` beside it, which says what it computes; this file says how.
Every function releases the interpreter's lock.
"""

# ruff: noqa: FBT001, FBT003 - compiled functions take no keywords

import numpy as np
from numba import u4, u8
from numpy.typing import NDArray

from .intrinsics import borrowing, compiled, inlined, wide
from .kernel_fold import Bytes, fold_ascii, fold_rest, room_for
from .kernel_tables import Constants, KernelTables
from .kernel_tokens import CARRIED, OVERSHOOT, TOKEN, hash_tokens, unit_places, word_places
from .scheme import PERMUTATION_COUNT
from .vectors import lower, raise_minima

CHUNK = 4096
"""Tokens hashed at a time, so that a long record needs no more than a short one."""
MOST_BITS = np.uint64(16)
"""Of a hash, that choose its bucket when a record's hashes are sorted."""
BUCKETS = 1 << 16
FULL_BUCKET = np.uint32(24)


@inlined
def hash_shingles(
    scratch: NDArray[np.uint64], first: int, end: int,
    keys: NDArray[np.uint64], out: NDArray[np.uint32],
) -> int:  # fmt: skip
    """The hashes of all shingles of five of the tokens from `first` to `end`; how many."""
    k0, k1, k2, k3, k4, k5 = keys[0], keys[1], keys[2], keys[3], keys[4], keys[5]
    start = u8(first)  # a signed index could be negative, and that costs a check each
    for shingle in range(u8(end - first - 4)):
        at = start + shingle
        total = k5 + k0 * scratch[TOKEN, at] + k1 * scratch[TOKEN, at + u8(1)]
        total += k2 * scratch[TOKEN, at + u8(2)] + k3 * scratch[TOKEN, at + u8(3)]
        out[shingle] = u4((total + k4 * scratch[TOKEN, at + u8(4)]) >> u8(32))
    return end - first - 4


@inlined
def hash_short(
    scratch: NDArray[np.uint64], count: int, keys: NDArray[np.uint64], out: NDArray[np.uint32]
) -> int:
    """The hash of the one shingle of a record of one to four tokens."""
    total = keys[5]
    for at in range(count):
        total += keys[5 - count + at] * scratch[TOKEN, CARRIED + at]
    out[0] = u4(total >> u8(32))
    return 1


@inlined
def mix(values: NDArray[np.uint32], count: int) -> None:
    """MurmurHash3's finaliser of each of the first `count`, in place."""
    for at in range(count):
        value = values[at]
        value ^= value >> u4(16)
        value = u4(value * u4(0x85EBCA6B))
        value ^= value >> u4(13)
        value = u4(value * u4(0xC2B2AE35))
        values[at] = value ^ value >> u4(16)


@compiled
def room(values: NDArray[np.uint32], used: int, more: int) -> NDArray[np.uint32]:
    """`values` with place for `more` after the first `used`: itself, or a longer copy."""
    if values.shape[0] >= used + more:
        return values
    grown = np.empty((used + more) * 3 // 2, np.uint32)
    grown[:used] = values[:used]
    return grown


@inlined
def in_buckets(
    values: NDArray[np.uint32], first: int, count: int,
    spare: NDArray[np.uint32], places: NDArray[np.uint32],
) -> bool:  # fmt: skip
    """Write `count` values to spare[1:], all but sorted; whether no bucket is full.

    Hashes are even, so that the top bits of n of them leave about one to a bucket. Indices are
    unsigned: a signed one could be negative, and that costs a check each.
    """
    begin, end, bits = u8(first), u8(count), u8(1)
    while bits < MOST_BITS and u8(1) << bits < end:
        bits += u8(1)
    shift = u8(32) - bits
    for bucket in range(u8(1) << bits):
        places[bucket] = u4(0)
    for at in range(end):
        places[u8(values[begin + at]) >> shift] += u4(1)
    total, most = u4(1), u4(0)
    for bucket in range(u8(1) << bits):
        size = places[bucket]
        places[bucket] = total
        total, most = total + size, max(most, size)
    for at in range(end):
        value = values[begin + at]
        bucket = u8(value) >> shift
        spare[places[bucket]] = value
        places[bucket] += u4(1)
    return bool(most < FULL_BUCKET)


@compiled
def unique(
    values: NDArray[np.uint32], first: int, count: int,
    spare: NDArray[np.uint32], places: NDArray[np.uint32],
) -> int:  # fmt: skip
    """Sort `count` values from `first` on, in place, and keep one of each; where they end."""
    if count == 0:
        return first
    if not in_buckets(values, first, count, spare, places):
        spare[1 : count + 1].sort()  # chosen to collide, or one shingle over and over
    spare[0] = u4(0)  # nothing moves past it
    for number in range(u8(2), u8(count + 1)):
        value, at = spare[number], u8(number)
        while spare[at - u8(1)] > value:
            spare[at] = spare[at - u8(1)]
            at -= u8(1)
        spare[at] = value
    kept = u8(first)
    values[kept] = spare[1]
    for number in range(u8(2), u8(count + 1)):
        kept += u8(spare[number] != spare[number - u8(1)])
        values[kept] = spare[number]
    return wide(kept) + 1


@inlined
def hash_record(
    folded: Bytes, places: NDArray[np.int32], total: int, keys: NDArray[np.uint64],
    a: NDArray[np.uint32], b: NDArray[np.uint32], scratch: NDArray[np.uint64],
    fresh: NDArray[np.uint32], minima: NDArray[np.uint32], at: int,
    kept: NDArray[np.uint32], used: int, with_signatures: bool, with_shingles: bool,
) -> int:  # fmt: skip
    """Sign one record of `total` tokens into minima[at:], and put its shingles at kept[used:].

    Returns where they end there, neither sorted nor distinct yet.
    """
    done, first = 0, CARRIED
    while done < total:
        taken = min(CHUNK, total - done)
        hash_tokens(folded, places, done, taken, scratch)
        end = CARRIED + taken
        if end - first > CARRIED:
            made = hash_shingles(scratch, first, end, keys, fresh)
            for token in range(CARRIED):
                scratch[TOKEN, token] = scratch[TOKEN, taken + token]
            first = 0
        else:
            made = hash_short(scratch, taken, keys, fresh)
        done += taken
        if with_shingles:
            for shingle in range(made):
                kept[used + shingle] = fresh[shingle]
            used += made
        if with_signatures:
            mix(fresh, made)
            lower(fresh, made, a, b, minima, at)
    return used


@borrowing
def sign_run(
    source: Bytes, offsets: NDArray[np.int64], record: int, end: int, unspaced: bool,
    folded: Bytes, ascii_table: Bytes, token_class: Bytes, places: NDArray[np.int32],
    scratch: NDArray[np.uint64], fresh: NDArray[np.uint32], keys: NDArray[np.uint64],
    a: NDArray[np.uint32], b: NDArray[np.uint32], signatures: NDArray[np.uint32],
    counts: NDArray[np.int32], ends: NDArray[np.int64], kept: NDArray[np.uint32],
    with_signatures: bool, with_shingles: bool,
) -> tuple[int, int]:  # fmt: skip
    """Sign records from `record` on, as long as they are ASCII; `end` >= 0 if it is folded.

    Returns the number of the first that is not ASCII, and the length of its part that is.
    """
    used = ends[record - 1] if record else 0
    while record < offsets.shape[0] - 1:
        begin, stop, at = offsets[record], offsets[record + 1], PERMUTATION_COUNT * record
        if end < 0:
            end, unspaced = fold_ascii(source, begin, stop, folded, 0, ascii_table, True), False
            if end < stop - begin:
                return record, end
        if unspaced:
            total = unit_places(folded, end, token_class, places)
        else:
            total = word_places(folded, end, places)
        if with_signatures:
            raise_minima(signatures, at)
        if with_signatures | with_shingles:
            used = hash_record(
                folded, places, total, keys, a, b, scratch, fresh, signatures, at, kept, used,
                with_signatures, with_shingles,
            )  # fmt: skip
        counts[record], ends[record], end = total, used, -1
        record += 1
    return record, 0


@compiled
def sign_batch(
    source: Bytes, offsets: NDArray[np.int64], tables: KernelTables, constants: Constants,
    signatures: NDArray[np.uint32], counts: NDArray[np.int32], ends: NDArray[np.int64],
    with_signatures: bool, with_shingles: bool,
) -> NDArray[np.uint32]:  # fmt: skip
    """Fingerprint the records between `offsets` of `source`: the arrays passed are filled.

    `signatures` is flat, 128 to a record. Returns each record's sorted distinct shingle hashes,
    one after the other; record r ends at `ends[r]`.
    """
    last, longest = offsets.shape[0] - 1, 0
    for record in range(last):
        longest = max(longest, offsets[record + 1] - offsets[record])
    folded, places = np.empty(room_for(longest), np.uint8), np.empty(longest + OVERSHOOT, np.int32)
    scratch, fresh = np.empty((5, CHUNK + CARRIED), np.uint64), np.empty(CHUNK, np.uint32)
    kept, used, record, end, unspaced = np.empty(0, np.uint32), 0, 0, -1, False
    while record < last:
        if with_shingles:  # ASCII has at most a token for two bytes, and the folded record is short
            most = max(end, 0) + (offsets[last] - offsets[record]) // 2 + last - record
            kept = room(kept, used, most)
        record, done = sign_run(
            source, offsets, record, end, unspaced, folded, tables.word_ascii, tables.token_class,
            places, scratch, fresh, constants.keys, constants.multipliers, constants.increments,
            signatures, counts, ends, kept, with_signatures, with_shingles,
        )  # fmt: skip
        used = ends[record - 1] if record else 0
        if record < last:
            begin, stop = offsets[record], offsets[record + 1]
            folded, end, unspaced = fold_rest(source, begin, stop, folded, done, tables, True)
            if places.shape[0] < end + OVERSHOOT:
                places = np.empty(end + OVERSHOOT, np.int32)
    return distinct(kept, ends) if with_shingles else kept


@compiled
def distinct(kept: NDArray[np.uint32], ends: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The hashes of each record sorted, one of each: record r ends at `ends[r]`, before and now."""
    spare, places, begin, used = np.empty(1, np.uint32), np.empty(BUCKETS, np.uint32), 0, 0
    for record in range(ends.shape[0]):
        last = ends[record]
        spare = room(spare, 0, last - begin + 1)
        for at in range(last - begin):
            kept[used + at] = kept[begin + at]
        used, begin = unique(kept, used, last - begin, spare, places), last
        ends[record] = used
    return kept[:used].copy()
