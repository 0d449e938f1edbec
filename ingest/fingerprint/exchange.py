"""Signatures from and to datasketch's own objects, for owners who already have them.

Only scheme affine32, seed 1 and 128 permutations are the same numbers as ours; anything else is
refused by name. Which hash function an object was updated with stands nowhere in it: it must have
been `tallymark.fingerprint.hash32` over `tallymark.fingerprint.shingles`, and whoever brings
signatures says so by the `hash_version` beside them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .scheme import PERMUTATION_COUNT, SCHEME, SEED

if TYPE_CHECKING:
    from datasketch import LeanMinHash, MinHash

LAYOUTS = ("<qiB", "<qiB3x")
"""What `LeanMinHash.serialize` writes first: packed (byteorder "<") or aligned ("@")."""
SCHEME_CODES = {1: "affine32", 2: "affine64"}
LEGACY = "legacy"
VALUES = np.dtype("<u4")


class NotComparable(ValueError):
    """A signature that was made otherwise than ours, and how."""


def to_minhash(signature: NDArray[np.uint32]) -> MinHash:
    """The signature (uint32 [128]) as a `datasketch.MinHash` that can be updated further."""
    from datasketch import MinHash
    from tallymark.fingerprint import hash32

    return MinHash(
        seed=SEED, scheme=SCHEME, hashvalues=signature.astype(np.uint32), hashfunc=hash32
    )


def to_lean_minhash(signature: NDArray[np.uint32]) -> LeanMinHash:
    """The signature (uint32 [128]) as a `datasketch.LeanMinHash`."""
    from datasketch import LeanMinHash

    return LeanMinHash(seed=SEED, hashvalues=signature.astype(np.uint32), scheme=SCHEME)


def from_minhash(made: MinHash | LeanMinHash) -> NDArray[np.uint32]:
    """The values of a datasketch object: uint32 [128]. Raises NotComparable."""
    _check(made.scheme, made.seed, len(made))
    return np.asarray(made.hashvalues, np.uint32).copy()


def to_bytes(signature: NDArray[np.uint32]) -> bytes:
    """What `LeanMinHash.serialize(buffer, "<")` writes: 525 bytes."""
    head = struct.pack(LAYOUTS[0], SEED, -PERMUTATION_COUNT, 1)
    return head + signature.astype(VALUES).tobytes()


def from_bytes(data: bytes) -> NDArray[np.uint32]:
    """The values of a serialised LeanMinHash, little-endian: uint32 [128]. Raises NotComparable."""
    if len(data) < struct.calcsize("<qi"):
        raise NotComparable("the lean MinHash is cut short")
    seed, count = struct.unpack_from("<qi", data)
    if count >= 0:  # the layout of datasketch before 2.0
        _check(LEGACY, seed, count)
    named = SCHEME_CODES.get(data[12], "unknown") if len(data) > 12 else "unknown"
    _check(named, seed, -count)
    for layout in LAYOUTS:
        start = struct.calcsize(layout)
        if len(data) == start + PERMUTATION_COUNT * VALUES.itemsize:
            return np.frombuffer(data, VALUES, offset=start).astype(np.uint32)
    raise NotComparable(f"a lean MinHash of {len(data)} bytes does not hold 128 values of 4 bytes")


def _check(scheme: str, seed: int, count: int) -> None:
    made, ours = (scheme, seed, count), (SCHEME, SEED, PERMUTATION_COUNT)
    if made != ours:
        names = "scheme {}, seed {}, {} permutations"
        raise NotComparable(f"made with {names.format(*made)}; needed: {names.format(*ours)}")
