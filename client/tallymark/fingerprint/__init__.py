"""Fingerprints of texts, made where the texts are: the same numbers on every machine.

The standard library suffices. Where numba and numpy are installed, `tallymark.fingerprint.batch`
computes the same at about a hundred times the speed.
"""

import hashlib

from .minhash import hash32, shingle_hashes, shingles, signature, token_count
from .normal import normalise
from .scheme import HASH_VERSION, PERMUTATION_COUNT, SCHEME, SEED
from .words import tokens

__all__ = [
    "HASH_VERSION",
    "PERMUTATION_COUNT",
    "SCHEME",
    "SEED",
    "digest",
    "hash32",
    "normalise",
    "shingle_hashes",
    "shingles",
    "signature",
    "token_count",
    "tokens",
]


def digest(text: str) -> bytes:
    """SHA-256 of the canonical form of `text` in UTF-8: 32 bytes."""
    return hashlib.sha256(normalise(text).encode()).digest()
