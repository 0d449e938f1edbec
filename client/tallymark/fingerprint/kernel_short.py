"""The compiled sketch of short texts.

Equal bit for bit to `short.py` beside it, which says what it computes; this file says how. It
takes canonical texts: few records are short, and folding them once more costs little.
"""

import numpy as np
from numba import u4, u8
from numpy.typing import NDArray

from .intrinsics import compiled, wide
from .kernel_fold import Bytes, character
from .kernel_tokens import unit_places
from .scheme import GRAM_CHARACTERS, TOKEN_MULTIPLIER, TOKEN_START
from .short import LONGEST_WORDS
from .tables import SEPARATOR

MULTIPLIER = np.uint64(TOKEN_MULTIPLIER)
START = np.uint64(TOKEN_START)
LOW = np.uint64(0xFFFFFFFF)


@compiled
def hash_bytes(text: Bytes, first: int, last: int) -> int:
    """`minhash.token_hash` of text[first:last]."""
    state, at = START, first
    while at <= last:
        word, shift = u8(0), u8(0)
        for step in range(at, min(at + 8, last)):
            word |= u8(text[step]) << shift
            shift += u8(8)
        state = (state ^ word) * MULTIPLIER
        state ^= state >> u8(32)
        at += 8
    return wide(state & LOW)


@compiled
def letters(text: Bytes, token_class: Bytes, out: Bytes, starts: NDArray[np.int64]) -> int:
    """`short.letters` of a canonical text into `out`; how many characters it has.

    `starts` is given where each character begins, and where the last one ends.
    """
    at, end, count, open_gap = 0, 0, 0, False
    while at < text.shape[0]:
        code, after = character(text, at)
        if token_class[code] == SEPARATOR:
            open_gap = end > 0
        else:
            if open_gap:
                out[end], starts[count] = 32, end
                end, count, open_gap = end + 1, count + 1, False
            starts[count] = end
            count += 1
            for step in range(at, after):
                out[end] = text[step]
                end += 1
        at = after
    starts[count] = end
    return count


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
def longest(text: Bytes, places: NDArray[np.int32], count: int, out: NDArray[np.uint32]) -> int:
    """`short.longest` of the tokens at `places` of `text` into `out`; how many."""
    keys = np.empty(count, np.uint64)
    for token in range(count):
        first, last = wide(places[2 * token]), wide(places[2 * token + 1])
        keys[token] = u8(last - first) << u8(32) | u8(hash_bytes(text, first, last))
    keys.sort()
    kept = 0
    for at in range(count - 1, -1, -1):
        if kept == LONGEST_WORDS:
            break
        # Equal words have equal keys, and stand beside each other.
        if at == count - 1 or keys[at] != keys[at + 1]:
            out[kept] = u4(keys[at])
            kept += 1
    out[:kept].sort()
    return kept


@compiled
def sketch_batch(
    source: Bytes, offsets: NDArray[np.int64], token_class: Bytes, most_tokens: int,
    ends: NDArray[np.int64],
) -> NDArray[np.uint32]:  # fmt: skip
    """`short.sketch` of each canonical text, one after the other; that of text r ends at ends[r].

    Nothing is made of a text of no tokens, or of more than `most_tokens`.
    """
    kept, used = np.empty(8192, np.uint32), 0
    for record in range(offsets.shape[0] - 1):
        ends[record] = used
        text = source[offsets[record] : offsets[record + 1]]
        room = text.shape[0]
        places = np.empty(2 * room + 4, np.int32)
        count = unit_places(text, room, token_class, places)
        if count == 0 or count > most_tokens:
            continue
        if kept.shape[0] < used + LONGEST_WORDS + 1 + room:
            grown = np.empty((used + LONGEST_WORDS + 1 + room) * 2, np.uint32)
            grown[:used] = kept[:used]
            kept = grown
        words = longest(text, places, count, kept[used + 1 :])
        kept[used] = u4(words)
        used += words + 1
        out, starts = np.empty(room, np.uint8), np.empty(room + 1, np.int64)
        characters = letters(text, token_class, out, starts)
        grams = max(characters - GRAM_CHARACTERS + 1, 1)
        for gram in range(grams):
            last = starts[min(gram + GRAM_CHARACTERS, characters)]
            kept[used + gram] = u4(hash_bytes(out, starts[gram], last))
        used += unique(kept[used : used + grams])
        ends[record] = used
    return kept[:used].copy()
