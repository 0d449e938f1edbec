"""The verdict on two table rows, by what a dirty copy of a row still has in common with it."""

from __future__ import annotations

import math

from ingest.fingerprint import rows
from ingest.fingerprint.rows import SCHEME, Likeness
from ingest.prints import Prints

from .row_constants import ROW_FACTORS, ROW_HOLDS, ROW_MATCH, ROW_OFFSET
from .shape import Kind, Verdict

NEAR_GRAMS = 0.5
"""From this Jaccard of 3-grams on two matching rows are versions of one; below, one has more."""
TELLING_BITS = 24.0
"""A row that says so much is no chance: of sixteen million that are unlike, one equals another."""
LEAST_WEIGHT = 20.0
"""Bits: rows that say less are alike by chance, and only their digests are compared."""


def judge(later: Prints, earlier: Prints) -> Verdict | None:
    """The verdict on two rows by their sketches; None if they are not alike."""
    mine, theirs = later.parts.get(SCHEME), earlier.parts.get(SCHEME)
    if not mine or not theirs:
        return None
    one, other = rows.read(mine), rows.read(theirs)
    if min(one.weight, other.weight) < LEAST_WEIGHT:
        return None
    return judge_likeness(rows.compare(one, other))


def judge_likeness(likeness: Likeness) -> Verdict | None:
    """The verdict on two rows that are so alike."""
    score = score_of(likeness)
    if score < ROW_MATCH:
        return None
    return Verdict(
        Kind.NEAR if likeness.grams >= NEAR_GRAMS else Kind.CONTAINED,
        likeness.grams,
        likeness.contained,
        score=score,
        holds=score >= ROW_HOLDS,
        counted={"likeness": {name: round(n, 3) for name, n in likeness._asdict().items()}},
    )


def score_of(likeness: Likeness) -> float:
    """The calibrated probability that one row is a copy of the other: 0 to 1."""
    margin = ROW_OFFSET + sum(
        factor * value for factor, value in zip(ROW_FACTORS, likeness, strict=True)
    )
    return 1 / (1 + math.exp(-margin))


def settles(later: Prints, earlier: Prints) -> bool:
    """Whether both are whole rows: their words are mostly names of columns, and say nothing."""
    mine, theirs = later.parts.get(SCHEME), earlier.parts.get(SCHEME)
    if not mine or not theirs:
        return False
    return not (rows.is_cut(mine) or rows.is_cut(theirs))


def is_telling(prints: Prints) -> bool:
    """Whether these are the prints of a row that cannot be equal to another by chance."""
    part = prints.parts.get(SCHEME, b"")
    return bool(part) and rows.read(part).weight >= TELLING_BITS
