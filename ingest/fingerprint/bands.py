"""What is looked up: band keys of signatures, and a sample of shingle hashes."""

import numpy as np
from numpy.typing import NDArray

from .scheme import BAND_COUNT, BAND_ROWS, KEY_BITS, SAMPLE_BITS

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
SHIFT = np.uint64(32)


def band_keys(signatures: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """The keys of the 20 bands of 6 rows: uint32 [n, 128] in, uint64 [n, 20] below 2**48 out.

    A key depends on its band's number too, so that one index holds all bands. The last 8 rows
    of a signature are in no band. Records without tokens have keys as well: leave them out.
    """
    used = signatures[:, : BAND_COUNT * BAND_ROWS].astype(np.uint64)
    rows = used.reshape(len(signatures), BAND_COUNT, BAND_ROWS)
    state = np.broadcast_to(
        np.arange(1, BAND_COUNT + 1, dtype=np.uint64) * MULTIPLIER, rows.shape[:2]
    )
    for row in range(BAND_ROWS):
        state = (state ^ rows[:, :, row]) * MULTIPLIER
        state = state ^ state >> SHIFT
    return state >> np.uint64(64 - KEY_BITS)


def mixed(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """MurmurHash3's finaliser of each: a bijection that spreads any input."""
    values = values ^ values >> np.uint32(16)
    values = values * np.uint32(0x85EBCA6B)
    values = values ^ values >> np.uint32(13)
    values = values * np.uint32(0xC2B2AE35)
    return np.asarray(values ^ values >> np.uint32(16))


def sampled(shingles: NDArray[np.uint32], bits: int = SAMPLE_BITS) -> NDArray[np.uint32]:
    """One in 2**bits of the shingle hashes, in their order: the same hashes from every text.

    A denser sample holds all of a thinner one.
    """
    chosen: NDArray[np.uint32] = shingles[mixed(shingles) >> np.uint32(32 - bits) == 0]
    return chosen
