"""How alike two sets of hashes are, exactly: Jaccard, and containment in the smaller one."""

import numpy as np
from numpy.typing import NDArray


def shared(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The hashes that two sorted distinct arrays share, sorted.

    The smaller is looked up in the larger: small against large costs little.
    """
    small, large = (one, other) if len(one) <= len(other) else (other, one)
    if not len(small):
        return small
    places = np.searchsorted(large, small)
    places[places == len(large)] = 0
    found: NDArray[np.uint32] = small[large[places] == small]
    return found


def jaccard(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> float:
    """Shared over all: 0 to 1, and 0 where both are empty."""
    common = len(shared(one, other))
    whole = len(one) + len(other) - common
    return common / whole if whole else 0.0


def containment(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> float:
    """Shared over the smaller: 0 to 1, and 0 where either is empty."""
    smaller = min(len(one), len(other))
    return len(shared(one, other)) / smaller if smaller else 0.0
