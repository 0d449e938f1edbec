"""Shingle hashes and MinHash signatures in plain Python: the reference all kernels must equal.

`signature` is, bit for bit, `datasketch.MinHash(128, seed=1, scheme="affine32", hashfunc=hash32)`
updated with `shingles(text)`.
"""

from .permutations import INCREMENTS, MULTIPLIERS
from .scheme import (
    EMPTY,
    PERMUTATION_COUNT,
    SHINGLE_KEYS,
    SHINGLE_TOKENS,
    TOKEN_MULTIPLIER,
    TOKEN_START,
)
from .words import tokens

MASK32 = 0xFFFFFFFF
MASK64 = 0xFFFFFFFFFFFFFFFF


def shingles(text: str) -> list[bytes]:
    """Each five tokens in a row, joined by a space; a shorter text is one shingle, or none."""
    words = [token.encode() for token in tokens(text)]
    count = max(len(words) - SHINGLE_TOKENS + 1, min(len(words), 1))
    return [b" ".join(words[at : at + SHINGLE_TOKENS]) for at in range(count)]


def hash32(shingle: bytes) -> int:
    """The hash of a shingle of one to five tokens: uint32, and what datasketch is given."""
    return combine([token_hash(token) for token in shingle.split(b" ")])


def token_hash(token: bytes) -> int:
    """Eight bytes at a time, then the 0 to 7 that are left: uint32."""
    state = TOKEN_START
    for at in range(0, len(token) + 1, 8):
        state = (state ^ int.from_bytes(token[at : at + 8], "little")) * TOKEN_MULTIPLIER & MASK64
        state ^= state >> 32
    return state & MASK32


def combine(hashes: list[int]) -> int:
    """The hash of a shingle from those of its tokens."""
    *keys, total = SHINGLE_KEYS
    for key, value in zip(keys[-len(hashes) :], hashes, strict=True):
        total += key * value
    return (total & MASK64) >> 32


def token_count(text: str) -> int:
    """How many tokens `text` has; 0 means that only its digest can match."""
    return len(tokens(text))


def shingle_hashes(text: str) -> list[int]:
    """The distinct hashes of the shingles of `text`, ascending: uint32."""
    return sorted(distinct(tokens(text)))


def distinct(words: list[str]) -> set[int]:
    """The set that signature and sketch stand for."""
    hashes = [token_hash(word.encode()) for word in words]
    count = max(len(hashes) - SHINGLE_TOKENS + 1, min(len(hashes), 1))
    return {combine(hashes[at : at + SHINGLE_TOKENS]) for at in range(count)}


def mixed(value: int) -> int:
    """The finaliser of MurmurHash3, which datasketch applies once before it permutes: uint32."""
    value ^= value >> 16
    value = value * 0x85EBCA6B & MASK32
    value ^= value >> 13
    value = value * 0xC2B2AE35 & MASK32
    return value ^ value >> 16


def signature(text: str) -> list[int]:
    """The 128 minima of `text`: uint32; all 0xFFFFFFFF where it has no token."""
    return signature_of(shingle_hashes(text))


def signature_of(hashes: list[int]) -> list[int]:
    """The signature of a set of shingle hashes."""
    if not hashes:
        return [EMPTY] * PERMUTATION_COUNT
    values = [mixed(value) for value in hashes]
    return [
        min([(a * value + b) & MASK32 for value in values])
        for a, b in zip(MULTIPLIERS, INCREMENTS, strict=True)
    ]
