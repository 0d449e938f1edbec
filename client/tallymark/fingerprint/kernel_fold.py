"""The compiled fold: UTF-8 to its canonical form or to words between zero bytes.

Equal bit for bit to `normal.py` beside it, which says what it computes; this file says how.
Every function releases the interpreter's lock.
"""

# ruff: noqa: FBT001, FBT003 - compiled functions take no keywords

import numpy as np
from numpy.typing import NDArray

from .intrinsics import compiled, inlined, trailing_zeros, wide
from .kernel_tables import DEPENDS, ITSELF, MAPPED, MAPPED_UNSPACED, KernelTables
from .tables import PAIR, SEPARATOR
from .vectors import fold_text, fold_words, high_mask

Bytes = NDArray[np.uint8]

NEEDS_ORDER = -1
NEEDS_ROOM = -2
SLACK = 144
"""Bytes of room kept after folded text, for the words cut from it: they are looked for 64 at a
time, and the hash reads 16 from the start of each."""


@compiled
def character(source: Bytes, at: int) -> tuple[int, int]:
    """The code point at `at` of valid UTF-8, and where the next begins."""
    first = wide(source[at])
    if first < 0x80:
        return first, at + 1
    if first < 0xE0:
        return (first & 31) << 6 | wide(source[at + 1]) & 63, at + 2
    if first < 0xF0:
        tail = (wide(source[at + 1]) & 63) << 6 | wide(source[at + 2]) & 63
        return (first & 15) << 12 | tail, at + 3
    tail = (wide(source[at + 1]) & 63) << 12 | (wide(source[at + 2]) & 63) << 6
    return (first & 7) << 18 | tail | wide(source[at + 3]) & 63, at + 4


@inlined
def fold_ascii(
    source: Bytes, at: int, stop: int, folded: Bytes, to: int, ascii_table: Bytes, words: bool
) -> int:
    """Fold the run of ASCII that begins at `at` and ends before `stop`; its length.

    Up to 63 bytes after what was folded are overwritten.
    """
    begin = at
    while at < stop:
        if at + 64 > source.shape[0]:  # the last bytes of a batch, one by one
            if source[at] >= 128:
                break
            folded[to] = ascii_table[source[at]]
            at, to = at + 1, to + 1
            continue
        if words:
            fold_words(source, at, folded, to)
        else:
            fold_text(source, at, folded, to)
        high = high_mask(source, at)
        if high:
            at += wide(trailing_zeros(high))
            break
        at, to = at + 64, to + 64
    return min(at, stop) - begin


@compiled
def fold(
    source: Bytes, at: int, stop: int, folded: Bytes, end: int, words: bool,
    ascii_table: Bytes, pool: Bytes, kinds: Bytes, contexts: Bytes,
    offsets: NDArray[np.int32], lengths: Bytes,
) -> tuple[int, bool]:  # fmt: skip
    """Fold source[at:stop] to folded[end:]: where it ends, and whether unspaced scripts were seen.

    With `words`, separators become zero bytes. NEEDS_ORDER where characters depend on their
    neighbours, NEEDS_ROOM where `folded` is too short. The tables come one by one: each taken
    from their tuple here would be counted as in use, for each record and thread.
    """
    last, unspaced, room = np.uint8(0), False, folded.shape[0] - SLACK - 64
    while at < stop:
        if end >= room:
            return NEEDS_ROOM, unspaced
        if source[at] < 128:
            most = min(stop, at + room - end)
            count = fold_ascii(source, at, most, folded, end, ascii_table, words)
            end, at, last = end + count, at + count, np.uint8(0)
            continue
        code, after = character(source, at)
        kind, context = kinds[code], contexts[code]
        if context == DEPENDS or (context and context < last):
            return NEEDS_ORDER, unspaced
        if kind >= MAPPED:
            start, length = offsets[code], wide(lengths[code])
            for step in range(length):
                folded[end + step] = pool[start + step]
            end += length
            if length:
                last = np.uint8(0)
            unspaced |= kind == MAPPED_UNSPACED
        else:
            blank = words and kind == SEPARATOR
            for step in range(after - at):
                folded[end + step] = np.uint8(0) if blank else source[at + step]
            end += after - at
            last = context
            unspaced |= kind >= PAIR
        at = after
    return end, unspaced


@compiled
def decompose(source: Bytes, tables: KernelTables) -> NDArray[np.uint32]:
    """The folded and canonically decomposed code points of `source`, Hangul syllables whole."""
    at, count = 0, 0
    while at < source.shape[0]:
        code, at = character(source, at)
        length = tables.decomposed_length[code]
        count += 1 if length == ITSELF else wide(length)
    codes = np.empty(count, np.uint32)
    at, count = 0, 0
    while at < source.shape[0]:
        code, at = character(source, at)
        length = tables.decomposed_length[code]
        if length == ITSELF:
            codes[count] = np.uint32(code)
            count += 1
            continue
        start = tables.decomposed_offset[code]
        for step in range(wide(length)):
            codes[count + step] = tables.decomposed_pool[start + step]
        count += wide(length)
    return codes


@compiled
def order(codes: NDArray[np.uint32], combining: Bytes) -> None:
    """Sort each run of marks by combining class in place, stably and in linear time."""
    at = 0
    while at < codes.shape[0]:
        if combining[codes[at]] == 0:
            at += 1
            continue
        end = at + 1
        while end < codes.shape[0] and combining[codes[end]] != 0:
            end += 1
        if end - at > 1:
            places = np.zeros(257, np.int64)
            run = codes[at:end].copy()
            for mark in run:
                places[wide(combining[mark]) + 1] += 1
            for value in range(256):
                places[value + 1] += places[value]
            for mark in run:
                value = wide(combining[mark])
                codes[at + places[value]] = mark
                places[value] += 1
        at = end


@compiled
def composite(first: int, second: int, tables: KernelTables) -> int:
    """The code point that two compose to, or 0."""
    if 0x1100 <= first < 0x1113 and 0x1161 <= second < 0x1176:
        return 0xAC00 + ((first - 0x1100) * 21 + second - 0x1161) * 28
    if 0x11A8 <= second < 0x11C3 and 0xAC00 <= first < 0xD7A4 and (first - 0xAC00) % 28 == 0:
        return first + second - 0x11A7
    pair = np.uint64(first) << np.uint64(32) | np.uint64(second)
    place = np.searchsorted(tables.pairs, pair)
    if place < tables.pairs.shape[0] and tables.pairs[place] == pair:
        return wide(tables.composed[place])
    return 0


@compiled
def compose(codes: NDArray[np.uint32], tables: KernelTables) -> int:
    """Compose ordered code points in place; how many are left."""
    end, starter, last = 0, -1, np.uint8(0)
    for at in range(codes.shape[0]):
        here = tables.combining[codes[at]]
        if starter >= 0 and (last == 0 or last < here):
            whole = composite(wide(codes[starter]), wide(codes[at]), tables)
            if whole:
                codes[starter] = np.uint32(whole)
                continue
        if here == 0:
            starter = end
        last = here
        codes[end] = codes[at]
        end += 1
    return end


@compiled
def encode(
    codes: NDArray[np.uint32], count: int, folded: Bytes, tables: KernelTables, words: bool
) -> tuple[int, bool]:
    """Write code points as UTF-8, as `fold` does; `folded` has 4 bytes of room for each."""
    end, unspaced = 0, False
    for at in range(count):
        code = wide(codes[at])
        value = tables.token_class[code]
        unspaced |= value >= PAIR
        if words and value == SEPARATOR:
            folded[end] = 0
            end += 1
        elif code < 0x80:
            folded[end] = code
            end += 1
        else:
            size = 2 if code < 0x800 else 3 if code < 0x10000 else 4
            folded[end] = (0xF00 >> size) & 0xFF | code >> 6 * (size - 1)
            for step in range(1, size):
                folded[end + step] = 0x80 | code >> 6 * (size - 1 - step) & 0x3F
            end += size
    return end, unspaced


@compiled
def room_for(size: int) -> int:
    """The bytes that folding `size` bytes takes, but for the few characters that grow."""
    return size * 5 // 4 + 64 + SLACK


@compiled
def fold_rest(
    source: Bytes,
    begin: int,
    stop: int,
    folded: Bytes,
    done: int,
    tables: KernelTables,
    words: bool,
) -> tuple[Bytes, int, bool]:
    """Fold source[begin:stop], whose first `done` bytes are ASCII and were folded already.

    Returns `folded` or, where that is too short, a longer array, the bytes written and whether
    unspaced scripts were seen.
    """
    pool = tables.word_pool if words else tables.text_pool
    ascii_table = tables.word_ascii if words else tables.text_ascii
    end, unspaced = NEEDS_ROOM, False
    while end == NEEDS_ROOM:
        end, unspaced = fold(
            source, begin + done, stop, folded, done, words, ascii_table, pool,
            tables.kind, tables.context, tables.offset, tables.length,
        )  # fmt: skip
        if end == NEEDS_ROOM:
            longer = np.empty(folded.shape[0] * 2, np.uint8)
            longer[:done] = folded[:done]
            folded = longer
    if end == NEEDS_ORDER:
        codes = decompose(source[begin:stop], tables)
        order(codes, tables.combining)
        count = compose(codes, tables)
        if folded.shape[0] < count * 4 + SLACK:
            folded = np.empty(count * 4 + SLACK, np.uint8)
        end, unspaced = encode(codes, count, folded, tables, words)
    return folded, end, unspaced


@compiled
def squeeze(folded: Bytes, end: int) -> int:
    """Make runs of spaces one space and trim the ends, in place; bytes left."""
    kept = 0
    for at in range(end):
        if folded[at] != 32 or (kept and folded[kept - 1] != 32):
            folded[kept] = folded[at]
            kept += 1
    return kept - 1 if kept and folded[kept - 1] == 32 else kept


@compiled
def canonical_batch(
    source: Bytes, offsets: NDArray[np.int64], tables: KernelTables, ends: NDArray[np.int64]
) -> Bytes:
    """The canonical texts of the records, one after the other; record r ends at `ends[r]`."""
    folded, ascii_table = np.empty(8192, np.uint8), tables.text_ascii
    texts, used = np.empty(source.shape[0] + 64, np.uint8), 0
    for record in range(offsets.shape[0] - 1):
        begin, stop = offsets[record], offsets[record + 1]
        if folded.shape[0] < room_for(stop - begin):
            folded = np.empty(room_for(stop - begin), np.uint8)
        end = fold_ascii(source, begin, stop, folded, 0, ascii_table, False)
        if end < stop - begin:
            folded, end, _ = fold_rest(source, begin, stop, folded, end, tables, False)
        end = squeeze(folded, end)
        if texts.shape[0] < used + end:
            grown = np.empty((used + end) * 3 // 2, np.uint8)
            grown[:used] = texts[:used]
            texts = grown
        texts[used : used + end] = folded[:end]
        used += end
        ends[record] = used
    return texts[:used]
