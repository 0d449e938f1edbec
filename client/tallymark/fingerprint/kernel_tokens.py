"""The compiled tokeniser and the hashes of its tokens.

Equal bit for bit to `words.py` and `minhash.token_hash` beside it, which say what it computes;
this file says how. Every function releases the interpreter's lock.
"""

import numpy as np
from numba import u8
from numpy.typing import NDArray

from .intrinsics import compiled, inlined, load_8, trailing_zeros, wide
from .kernel_fold import Bytes, character
from .scheme import TOKEN_MULTIPLIER, TOKEN_START
from .tables import MARK, PAIR, SEPARATOR, WORD
from .vectors import COMPRESSES, clear, put_places, word_mask

MULTIPLIER = np.uint64(TOKEN_MULTIPLIER)
START = np.uint64(TOKEN_START)
LOW = np.uint64(0xFFFFFFFF)
CARRIED = 4
"""Hashes before those of a chunk: the last four of the chunk before, with which shingles begin."""
OVERSHOOT = 68
"""Places past one for each byte that the places of tokens take up."""


FIRST, SECOND, LENGTH, LONG, TOKEN = range(5)
"""Rows of the scratch of `hash_tokens`: the first and the next eight bytes of each token, its
length, the numbers of the long ones, and the hashes. One array, since each is counted as in use.
"""


@inlined
def word_places(folded: Bytes, end: int, places: NDArray[np.int32]) -> int:
    """Starts and ends of the runs of bytes that are not 0, in turn; the number of runs."""
    clear(folded, end)
    count, carry = 0, u8(0)
    for block in range((end + 64) >> 6):  # one more byte, so that the last run is closed
        base = wide(block << 6)
        mask = word_mask(folded, base)
        edges = mask ^ (mask << u8(1) | carry)
        carry = mask >> u8(63)
        if COMPRESSES:
            count = put_places(edges, base, places, count)
        else:
            while edges != u8(0):
                places[count] = base + wide(trailing_zeros(edges))
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


@inlined
def hash_tokens(
    folded: Bytes, places: NDArray[np.int32], start: int, count: int, scratch: NDArray[np.uint64]
) -> None:
    """The hashes of `count` tokens from number `start` on, into scratch[TOKEN, CARRIED:].

    Reading all of them first leaves a loop without branches, which vectorises: both lengths are
    computed for each token. The few of 16 bytes or more are hashed over again.
    """
    first, long = u8(start), u8(0)  # a signed index could be negative: slower
    for token in range(u8(count)):
        at = wide(places[u8(2) * (first + token)])
        length = wide(places[u8(2) * (first + token) + u8(1)]) - at
        scratch[FIRST, token], scratch[SECOND, token] = load_8(folded, at), load_8(folded, at + 8)
        scratch[LENGTH, token] = length
        scratch[LONG, long] = token
        long += u8(length >= 16)
    for token in range(u8(count)):
        length, word = scratch[LENGTH, token], scratch[FIRST, token]
        rest = (u8(1) << (u8(8) * (length & u8(7)))) - u8(1)
        is_short = length < u8(8)
        state = (START ^ (word & rest if is_short else word)) * MULTIPLIER
        state ^= state >> u8(32)
        longer = (state ^ (scratch[SECOND, token] & rest)) * MULTIPLIER
        longer ^= longer >> u8(32)
        scratch[TOKEN, token + u8(CARRIED)] = (state if is_short else longer) & LOW
    for number in range(long):
        token = scratch[LONG, number]
        at = wide(places[u8(2) * (first + token)])
        stop = wide(places[u8(2) * (first + token) + u8(1)])
        scratch[TOKEN, token + u8(CARRIED)] = hash_long(folded, at, stop)


@compiled
def hash_long(folded: Bytes, at: int, stop: int) -> int:
    """The hash of the token folded[at:stop] of any length."""
    state = START
    while stop - at >= 8:
        state = (state ^ load_8(folded, at)) * MULTIPLIER
        state ^= state >> u8(32)
        at += 8
    rest = (u8(1) << u8(8 * (stop - at))) - u8(1)
    state = (state ^ (load_8(folded, at) & rest)) * MULTIPLIER
    hashed: int = (state ^ state >> u8(32)) & LOW
    return hashed
