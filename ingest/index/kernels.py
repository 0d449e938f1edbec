"""Compiled loops over packed postings: merge, encode, decode, look up. Imported where it is used.

Arrays in, arrays out. A run is pairs ordered by key, then record; keys are mixed, below 2**48.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tallymark.fingerprint.intrinsics import compiled, wide

Bytes = NDArray[np.uint8]
Keys = NDArray[np.uint64]
Locals = NDArray[np.uint32]

HEADER_BYTES = 22
"""Of a block's row in PostgreSQL's binary COPY: fields, segment, bucket, and the body's length."""


@compiled
def surplus(keys: Keys, most: int) -> NDArray[np.bool_]:
    """Which of ordered `keys` [n] come after the first `most` of their like: bool [n]."""
    found = np.zeros(len(keys), np.bool_)
    rank = 0
    for at in range(1, len(keys)):
        rank = rank + 1 if keys[at] == keys[at - 1] else 0
        found[at] = rank >= most
    return found


@compiled
def _merge_two(
    keys: Keys, records: Locals, begin: int, middle: int, end: int, out_k: Keys, out_r: Locals
) -> None:
    one, other = begin, middle
    for at in range(begin, end):
        if one < middle and (
            other >= end
            or keys[one] < keys[other]
            or (keys[one] == keys[other] and records[one] <= records[other])
        ):
            out_k[at], out_r[at] = keys[one], records[one]
            one += 1
        else:
            out_k[at], out_r[at] = keys[other], records[other]
            other += 1


@compiled
def merged(keys: Keys, records: Locals, places: NDArray[np.int64]) -> tuple[Keys, Locals]:
    """One run of several that lie one after another; run i is at places[i] to places[i + 1]."""
    ends, count = places.copy(), len(places) - 1
    other_keys, other_records = np.empty_like(keys), np.empty_like(records)
    while count > 1:
        made = 0
        for run in range(0, count, 2):
            last = min(run + 2, count)
            _merge_two(
                keys, records, ends[run], ends[min(run + 1, count)], ends[last],
                other_keys, other_records,
            )  # fmt: skip
            ends[made + 1] = ends[last]
            made += 1
        keys, other_keys = other_keys, keys
        records, other_records = other_records, records
        count = made
    return keys, records


@compiled
def _put(target: Bytes, at: int, value: int, width: int) -> int:
    """Write `value` big-endian; where the next one goes."""
    for place in range(width):
        target[at + place] = np.uint8((value >> (8 * (width - 1 - place))) & 0xFF)
    return at + width


@compiled
def encoded(keys: Keys, records: Locals, segment: int, bits: int, width: int) -> Bytes:
    """The blocks of a run as rows of PostgreSQL's binary COPY: (segment int4, bucket int4, bytea).

    `width` is `packing.suffix_width(bits)`. The run holds whole blocks.
    """
    shift, total, count = np.uint64(48 - bits), len(keys), 0
    for at in range(total):
        if at == 0 or keys[at] >> shift != keys[at - 1] >> shift:
            count += 1
    target = np.empty(count * HEADER_BYTES + total * (width + 4), np.uint8)
    begin, place = 0, 0
    while begin < total:
        bucket, end = keys[begin] >> shift, begin + 1
        while end < total and keys[end] >> shift == bucket:
            end += 1
        place = _put(target, place, 3, 2)
        place = _put(target, place, 4, 4)
        place = _put(target, place, segment, 4)
        place = _put(target, place, 4, 4)
        place = _put(target, place, wide(bucket), 4)
        place = _put(target, place, (end - begin) * (width + 4), 4)
        for at in range(begin, end):
            place = _put(target, place, wide(keys[at]), width)
        for at in range(begin, end):
            record = records[at]
            for byte in range(4):
                target[place + byte] = np.uint8(record >> np.uint32(8 * byte))
            place += 4
        begin = end
    return target


@compiled
def decoded(
    buckets: NDArray[np.int64], lengths: NDArray[np.int64], bodies: Bytes, bits: int, width: int
) -> tuple[Keys, Locals]:
    """The run of some blocks of a segment: bucket numbers [b], lengths of bodies [b], bodies."""
    total = len(bodies) // (width + 4)
    keys, records = np.empty(total, np.uint64), np.empty(total, np.uint32)
    rest = (np.uint64(1) << np.uint64(48 - bits)) - np.uint64(1)
    place, at = 0, 0
    for block in range(len(buckets)):
        count = lengths[block] // (width + 4)
        prefix = np.uint64(buckets[block]) << np.uint64(48 - bits)
        for pair in range(count):
            suffix = np.uint64(0)
            for byte in range(width):
                suffix = suffix << np.uint64(8) | np.uint64(bodies[place + byte])
            keys[at + pair] = prefix | (suffix & rest)
            place += width
        for pair in range(count):
            record = np.uint32(0)
            for byte in range(4):
                record |= np.uint32(bodies[place + byte]) << np.uint32(8 * byte)
            records[at + pair] = record
            place += 4
        at += count
    return keys, records


@compiled
def tally(keys: Keys, bits: int, counts: NDArray[np.uint32]) -> None:
    """Add to counts[p + 1] how many keys have the prefix p of so many bits."""
    shift = np.uint64(48 - bits)
    for at in range(len(keys)):
        counts[np.int64(keys[at] >> shift) + 1] += np.uint32(1)


@compiled
def _looked_up(
    sought: Keys, starts: NDArray[np.uint32], suffixes: Locals, bits: int,
    first: NDArray[np.int64], count: NDArray[np.int64],
) -> int:  # fmt: skip
    shift, total = np.uint64(48 - bits), 0
    for at in range(len(sought)):  # first all places: these reads wait for memory side by side
        first[at] = starts[np.int64(sought[at] >> shift)]
        count[at] = starts[np.int64(sought[at] >> shift) + 1]
    for at in range(len(sought)):
        low, end, suffix = first[at], count[at], np.uint32(sought[at])
        while low < end and suffixes[low] < suffix:
            low += 1
        high = low
        while high < end and suffixes[high] == suffix:
            high += 1
        first[at], count[at] = low, high - low
        total += high - low
    return total


@compiled
def looked_up(
    sought: Keys, starts: NDArray[np.uint32], suffixes: Locals, records: Locals, bits: int
) -> tuple[NDArray[np.int64], Locals]:
    """Who holds the `sought` mixed keys: their places among the sought and the record numbers.

    `starts` says where each prefix of at least 16 bits begins, `suffixes` are the keys' low 32.
    """
    chunk = 1 << 12
    first, count = np.empty(len(sought), np.int64), np.empty(len(sought), np.int64)
    total = 0
    for begin in range(0, len(sought), chunk):
        end = min(begin + chunk, len(sought))
        total += _looked_up(
            sought[begin:end], starts, suffixes, bits, first[begin:end], count[begin:end]
        )
    places, found, at = np.empty(total, np.int64), np.empty(total, np.uint32), 0
    for place in range(len(sought)):
        for hit in range(first[place], first[place] + count[place]):
            places[at], found[at] = place, records[hit]
            at += 1
    return places, found


def warm() -> None:
    """Compile, or load what was compiled, before anything waits for it."""
    keys, records = np.arange(4, dtype=np.uint64) << np.uint64(32), np.arange(4, dtype=np.uint32)
    keys, records = merged(keys, records, np.array([0, 2, 4]))
    encoded(keys, records, 1, 0, 6)
