"""The verdict on two texts of which one brought its signature alone: an estimate, and a lead.

An owner of datasketch signatures may keep its shingles to itself. Such a record is found by its
bands, but what it shares with another cannot be counted, only estimated; that holds nothing.
"""

from __future__ import annotations

import numpy as np

from ingest.prints import MINHASH, WORDS, Prints

from .shape import Kind, Verdict

LEAST_ESTIMATE = 0.5
"""Of the Jaccard similarity; 128 minima estimate it with a standard error of at most 0.045."""
ESTIMATED = "equal_minima"
"""What the verdicts of this module count, and no other's."""


def judge(later: Prints, earlier: Prints) -> Verdict | None:
    """A lead by two signatures; None if they are unlike, or if shingles can be counted instead."""
    mine, theirs = later.numbers(MINHASH), earlier.numbers(MINHASH)
    if not len(mine) or not len(theirs) or (WORDS in later.parts and WORDS in earlier.parts):
        return None
    equal = int(np.count_nonzero(mine == theirs))
    estimate = equal / len(mine)
    if estimate < LEAST_ESTIMATE:
        return None
    return Verdict(
        Kind.NEAR, estimate, estimate, score=0.0, holds=False,
        counted={ESTIMATED: equal, "minima": len(mine)},
    )  # fmt: skip
