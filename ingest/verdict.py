"""From a candidate to a match, or to nothing: what was measured decides, by constants named here.

The constants were chosen on labelled sets by leaving each set out in turn (docs/benchmarks.md,
"Detection"; tests/bench/quality.py measures them again). A change to any is a new DETECTOR: past
verdicts keep the name of the detector that made them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

DETECTOR = "tallymark-words5/1"

LEAST_SHARED = 20
"""Shingles two texts must share to be alike at all: below it, phrases and templates coincide."""
LEAST_CONTAINMENT = 0.55
"""Shared over the smaller set: unrelated solutions of one programming task reach 0.53."""
NEAR_JACCARD = 0.5
"""From here on two matching texts are versions of one another; below, one holds part of the other.
"""
SHORT_TOKENS = 12
"""An exact copy of fewer tokens may be chance: such copies count only in numbers (see below)."""
SHORT_LEAST_COUNT = 20
SHORT_LEAST_SHARE = 0.1
IMAGE_DISTANCE = 31
"""Bits of 256 in which two prints of one picture may differ (PDQ's own threshold)."""
IMAGE_LEAST_QUALITY = 50
"""Below it a picture has too few features (a plain area) to be accused by (PDQ's own, of 100)."""
SEMANTIC_COSINE = 0.9
"""Two texts that mean the same to the model: a lead for people, never an accusation."""

Z95 = 1.959963984540054


class Kind(StrEnum):
    """How two records are alike; the values are those of `provenance.models.MatchKind`."""

    EXACT = "exact"
    NEAR = "near"
    CONTAINED = "contained"
    SEMANTIC = "semantic"


@dataclass(frozen=True)
class Counted:
    """So many of so many, as measured on labelled data."""

    count: int
    of: int

    @property
    def share(self) -> float:
        """The plain proportion."""
        return self.count / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the proportion (Wilson 1927)."""
        return wilson(self.count, self.of)


FALSE_ACCUSATIONS = Counted(count=0, of=14_535)
"""Innocent records that a verdict above SEMANTIC named, in the labelled sets."""


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a proportion seen as `count` of `of`; (0, 1) where nothing was seen."""
    if not of:
        return 0.0, 1.0
    share, z2 = count / of, Z95**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(middle - half, 0.0), min(middle + half, 1.0)


FALSE_ACCUSATION_RATE = FALSE_ACCUSATIONS.interval[1]
"""What is stated beside every count: the upper end of the interval, never a bare zero."""


@dataclass(frozen=True)
class Verdict:
    """Two records compared and found alike."""

    kind: Kind
    jaccard: float
    containment: float


def judge(*, same_digest: bool, shared: int, later_size: int, earlier_size: int) -> Verdict | None:
    """The verdict on two texts of which `shared` shingles are the same; None if not alike.

    `later_size` and `earlier_size` count the distinct shingles of each.
    """
    if same_digest:
        return Verdict(Kind.EXACT, 1.0, 1.0)
    smaller = min(later_size, earlier_size)
    if shared < LEAST_SHARED or shared < LEAST_CONTAINMENT * smaller:
        return None
    jaccard = shared / (later_size + earlier_size - shared)
    kind = Kind.NEAR if jaccard >= NEAR_JACCARD else Kind.CONTAINED
    return Verdict(kind, jaccard, shared / smaller)


def judge_images(
    *, same_digest: bool, distance: int, later_quality: int, earlier_quality: int
) -> Verdict | None:
    """The verdict on two images whose prints differ in `distance` bits of 256."""
    if same_digest:
        return Verdict(Kind.EXACT, 1.0, 1.0)
    if min(later_quality, earlier_quality) < IMAGE_LEAST_QUALITY or distance > IMAGE_DISTANCE:
        return None
    alike = 1 - distance / 256
    return Verdict(Kind.NEAR, alike, alike)


def judge_meaning(cosine: float) -> Verdict | None:
    """A lead, where two embeddings are very close; it accuses nobody."""
    if cosine < SEMANTIC_COSINE:
        return None
    return Verdict(Kind.SEMANTIC, 0.0, 0.0)


def short_copies_count(distinct: int, later_short: int, earlier_short: int) -> bool:
    """Whether `distinct` exact copies of short records are too many for chance.

    `later_short` and `earlier_short` count the short records of each side.
    """
    fewer = min(later_short, earlier_short)
    return distinct >= SHORT_LEAST_COUNT and distinct >= SHORT_LEAST_SHARE * fewer


def matching_interval(exact: int, other: int, compared: int) -> tuple[int, int]:
    """Between how many records of `compared` truly match, of those that were found to.

    Exact copies are certain; of the others, as many may be false as the interval of the
    false-accusation rate allows among the records compared. What was missed is not in it.
    """
    low, high = FALSE_ACCUSATIONS.interval
    innocent = compared - exact
    most_false = min(math.ceil(high * innocent), other)
    least_false = min(math.floor(low * innocent), other)
    return exact + other - most_false, exact + other - least_false
