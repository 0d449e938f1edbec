"""What a verdict says, and how a rate is stated."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

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


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a proportion seen as `count` of `of`; (0, 1) where nothing was seen."""
    if not of:
        return 0.0, 1.0
    share, z2 = count / of, Z95**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(middle - half, 0.0), min(middle + half, 1.0)


@dataclass(frozen=True)
class Verdict:
    """Two records compared and found alike."""

    kind: Kind
    jaccard: float
    containment: float
    score: float = 1.0
    """The calibrated probability that one is a copy of the other: 0 to 1."""
    holds: bool = True
    """Whether it is over the threshold that opens a conflict; below it, the match is possible."""
    counted: dict[str, Any] = field(default_factory=dict, compare=False)
    """What was counted to reach it: stored with the evidence."""

    @property
    def order(self) -> tuple[bool, int, float, float]:
        """The strongest of a record's verdicts sorts first."""
        return not self.holds, list(Kind).index(self.kind), -self.score, -self.containment


EXACT = Verdict(Kind.EXACT, 1.0, 1.0)
