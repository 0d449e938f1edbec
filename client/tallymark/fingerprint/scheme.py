"""The names and constants of the fingerprint scheme: prints compare only where these agree.

Every stored fingerprint carries `HASH_VERSION` (text to shingle hashes) and `SCHEME` with `SEED`
(shingle hashes to signature). A change to any table or constant below is a new HASH_VERSION.
"""

import hashlib

HASH_VERSION = "words5-unicode15.1-2"
SCHEME = "affine32"
SEED = 1
PERMUTATION_COUNT = 128
SHINGLE_TOKENS = 5
GRAM_CHARACTERS = 5
SHORT_TOKENS = 96
"""A record of at most so many tokens also has a sketch of its character n-grams (`short.py`)."""
EMPTY = 0xFFFFFFFF
"""Every value of the signature of a text without tokens."""

# Odd multipliers of the token hash: the golden ratio, and a prime of xxHash64.
TOKEN_MULTIPLIER = 0x9E3779B97F4A7C15
TOKEN_START = 0xC2B2AE3D27D4EB4F


def _key(number: int) -> int:
    digest = hashlib.sha256(f"tallymark shingle key {number}".encode()).digest()
    return int.from_bytes(digest[:8], "little") | 1


# Five multipliers and an increment: the multilinear hash of a shingle (Lemire and Kaser,
# "Strongly universal string hashing is fast", 2014). Derived, so that nobody chose them.
SHINGLE_KEYS: tuple[int, ...] = tuple(_key(number) for number in range(SHINGLE_TOKENS + 1))
