"""Token hashes and shingle hashes: uint64 arithmetic in int64, whose products wrap alike."""

from __future__ import annotations

import torch
from tallymark.fingerprint.scheme import SHINGLE_TOKENS, TOKEN_MULTIPLIER, TOKEN_START
from torch import Tensor

from .lookups import Lookups
from .tokens import Places

LOW = 0xFFFFFFFF
MOST_TOKEN_BYTES = 4096
"""A longer token would keep the device waiting for its one hash; its record is left to the CPU."""


def signed(value: int) -> int:
    """The int64 with the bits of a uint64."""
    return value - (1 << 64) if value >> 63 else value


MULTIPLIER, START = signed(TOKEN_MULTIPLIER), signed(TOKEN_START)


def token_hashes(text: Tensor, found: Places) -> Tensor:
    """`minhash.token_hash` of each token: int64 [t], 0 to 2**32 - 1.

    Of a token over MOST_TOKEN_BYTES only the beginning is hashed.
    """
    lengths = found.ends - found.starts
    state = torch.full_like(found.starts, START)
    if not len(lengths):
        return state
    words = text.view(torch.int64)
    state = _stepped(state, words, found.starts, lengths)
    for done in range(8, min(int(lengths.max()), MOST_TOKEN_BYTES) + 1, 8):
        live = (lengths >= done).nonzero().squeeze(1)
        state[live] = _stepped(state[live], words, found.starts[live] + done, lengths[live] - done)
    return state & LOW


def _stepped(state: Tensor, words: Tensor, at: Tensor, left: Tensor) -> Tensor:
    """Take in the eight bytes at `at`, or the `left` ones of the last word."""
    state = (state ^ _loaded(words, at) & _mask(left)) * MULTIPLIER
    return state ^ ((state >> 32) & LOW)


def _mask(left: Tensor) -> Tensor:
    """The low `left` bytes of a word; all eight from 8 on."""
    return torch.where(left >= 8, -1, (1 << (left.clamp(max=7) * 8)) - 1)


def _loaded(words: Tensor, at: Tensor) -> Tensor:
    """The eight bytes at any place, little-endian, from words at multiples of 8."""
    word, shift = at >> 3, (at & 7) * 8
    # `>>` keeps the sign: the bits that it brings in are masked away. A shift by 64 is undefined.
    low = (words[word] >> shift) & _mask(8 - (at & 7))
    high = words[word + 1] << 1 << (63 - shift)
    return torch.where(shift == 0, low, low | high)


def shingle_bounds(token_bounds: Tensor) -> Tensor:
    """Where the shingles of each record begin: int64 [n + 1]."""
    counts = token_bounds.diff()
    made = torch.where(counts >= SHINGLE_TOKENS, counts - SHINGLE_TOKENS + 1, counts.clamp(max=1))
    bounds = torch.zeros_like(token_bounds)
    torch.cumsum(made, 0, out=bounds[1:])
    return bounds


def shingle_hashes(
    hashes: Tensor, token_bounds: Tensor, bounds: Tensor, record: Tensor, known: Lookups
) -> Tensor:
    """The hash of each shingle, as the int32 of its bits: [s], in order.

    `record` is the record of each, `bounds` what `shingle_bounds` made.
    """
    place = torch.arange(len(record), device=record.device)
    first = place - (bounds - token_bounds)[:-1][record]
    # A record of fewer than five tokens has its tokens at the shingle's end.
    lacking = (SHINGLE_TOKENS - token_bounds.diff()).clamp(min=0)[record]
    *keys, increment = known.keys
    total = torch.full_like(place, increment)
    for step, key in enumerate(keys):
        token = hashes[(first - lacking + step).clamp_(min=0)]
        total += torch.where(lacking <= step, token, 0) * key
    return (total >> 32).to(torch.int32)


def mixed(hashes: Tensor) -> Tensor:
    """MurmurHash3's finaliser: int32 to int32, as bits."""
    value = hashes ^ ((hashes >> 16) & 0xFFFF)
    value = value * (0x85EBCA6B - (1 << 32))
    value = value ^ ((value >> 13) & 0x7FFFF)
    value = value * (0xC2B2AE35 - (1 << 32))
    return value ^ ((value >> 16) & 0xFFFF)
