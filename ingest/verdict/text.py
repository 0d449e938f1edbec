"""The verdict on two texts: by the runs of five words that they share, and by their letters.

Long texts are judged by their shingles alone. A reworded sentence keeps few of those; two short
texts are judged by the 5-grams of their letters too, which most rewording leaves. What is counted
becomes a score by weights that labelled pairs chose (`constants`; tests/bench/calibrate.py).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ingest.fingerprint import containment, grams
from ingest.prints import WORDS, Prints

from . import constants
from .shape import Kind, Verdict

LEAST_SHARED = 20
"""Shingles two texts must share to hold by them: below it, phrases and templates coincide."""
LEAST_CONTAINMENT = 0.55
"""Shared over the smaller set: unrelated solutions of one programming task reach 0.53."""
NEAR_JACCARD = 0.5
"""From here on two matching texts are versions of one another; below, one holds part of the other.
"""
COUNTED = "shared_shingles"
"""What the verdicts of this module count, and no other's."""
BY_LETTERS = "unit"
"""Stands in what was counted where 5-grams of letters were, and not runs of words."""
POSSIBLE_SHARED = 10
POSSIBLE_CONTAINMENT = 0.3
"""From here on two long texts are shown as possibly alike; nothing is held for it."""
POSSIBLE_GRAMS = 4
"""A text of fewer 5-grams (one word or two) is compared exactly and not by its letters."""
POSSIBLE_SHARE = 0.1
"""Below it two short texts share no more than their language, whatever else speaks for them."""
LEAST_GRAMS = 80
"""A text of fewer 5-grams (some sixteen words) is too short to hold anything by itself."""

SHARE_KNOTS = (0.15, 0.3, 0.45, 0.6, 0.8)
SIZE_KNOTS = (3.0, 4.0, 4.6)
RATIO_KNOTS = (0.3, 0.8)


class Short(NamedTuple):
    """What is counted of two short texts."""

    shared: int
    """5-grams of letters in both."""
    later_size: int
    earlier_size: int
    """5-grams of each."""
    longest: float
    """Which part of the longest words of the one that has fewer is in the other's."""
    token_count: int
    """Words of both."""
    shingles: int
    """Runs of five words in both."""

    @property
    def smaller(self) -> int:
        """5-grams of the one that has fewer."""
        return min(self.later_size, self.earlier_size)

    @property
    def larger(self) -> int:
        """5-grams of the other."""
        return max(self.later_size, self.earlier_size)


def judge(later: Prints, earlier: Prints) -> Verdict | None:
    """The stronger of the verdicts on two texts by their prints; None if they are not alike."""
    mine, theirs = later.numbers(WORDS), earlier.numbers(WORDS)
    shared = len(containment.shared(mine, theirs))
    made = [judge_words(shared=shared, later_size=len(mine), earlier_size=len(theirs))]
    if grams.SKETCH in later.parts and grams.SKETCH in earlier.parts:
        made.append(judge_short(compared(later, earlier)))
    return min(filter(None, made), key=lambda verdict: verdict.order, default=None)


def judge_words(*, shared: int, later_size: int, earlier_size: int) -> Verdict | None:
    """The verdict on two texts of which `shared` shingles are the same; None if not alike.

    `later_size` and `earlier_size` count the distinct shingles of each.
    """
    smaller = min(later_size, earlier_size)
    if shared < POSSIBLE_SHARED or shared < POSSIBLE_CONTAINMENT * smaller:
        return None
    jaccard, part = shared / (later_size + earlier_size - shared), shared / smaller
    return Verdict(
        Kind.NEAR if jaccard >= NEAR_JACCARD else Kind.CONTAINED,
        jaccard,
        part,
        score=sigmoid(_weighed(constants.LONG_WEIGHTS, long_features(shared, smaller))),
        holds=shared >= LEAST_SHARED and part >= LEAST_CONTAINMENT,
        counted={COUNTED: shared, "shared": shared,
                 "later_size": later_size, "earlier_size": earlier_size},
    )  # fmt: skip


def compared(later: Prints, earlier: Prints) -> Short:
    """What is counted of two texts that both have a sketch."""
    one, other = (grams.unpacked(side.parts[grams.SKETCH]) for side in (later, earlier))
    shared, longest = grams.shared_counts(one, other)
    fewest = min(len(one.longest), len(other.longest))
    shingles = containment.shared(later.numbers(WORDS), earlier.numbers(WORDS))
    token_count = later.token_count + earlier.token_count
    return Short(
        shared=shared,
        later_size=len(one.grams),
        earlier_size=len(other.grams),
        longest=longest / fewest,
        token_count=token_count,
        shingles=len(shingles),
    )


def judge_short(counts: Short) -> Verdict | None:
    """The verdict on two short texts; None if they are not alike."""
    if counts.smaller < POSSIBLE_GRAMS or counts.shared < POSSIBLE_SHARE * counts.smaller:
        return None
    score = short_score(counts)
    if score < constants.SHORT_MATCHES:
        return None
    jaccard = counts.shared / (counts.smaller + counts.larger - counts.shared)
    return Verdict(
        Kind.NEAR if jaccard >= NEAR_JACCARD else Kind.CONTAINED,
        jaccard,
        counts.shared / counts.smaller,
        score=score,
        holds=score >= constants.SHORT_HOLDS and counts.smaller >= LEAST_GRAMS,
        counted={"shared": counts.shared, "later_size": counts.later_size,
                 "earlier_size": counts.earlier_size, BY_LETTERS: "five-letter sequences",
                 COUNTED: counts.shingles},
    )  # fmt: skip


def short_score(counts: Short) -> float:
    """The calibrated probability that one of two short texts was made from the other.

    It never falls where more is shared: of the share that there is and of every smaller one at
    which a slope may change, the greatest value counts.
    """
    share = counts.shared / counts.smaller
    shares = [share, *(knot for knot in (0.0, *SHARE_KNOTS) if knot < share)]
    weights = constants.SHORT_WEIGHTS
    return sigmoid(max(_weighed(weights, short_features(counts, at)) for at in shares))


def short_features(counts: Short, share: float) -> list[float]:
    """What the weights of short texts are for: [37], the first is 1.

    `share` is the part of the smaller's 5-grams that both have. Unrelated texts share more of them
    the longer they and their words are, so that the share counts for less there: its slope, in
    pieces, depends on both sizes.
    """
    size = math.log(counts.smaller + 1)
    ratio = math.log((counts.larger + 1) / (counts.smaller + 1))
    letters = math.log((counts.smaller + counts.larger) / counts.token_count)
    runs, longest = math.log1p(counts.shingles), counts.longest
    shares = _pieces(share, SHARE_KNOTS)
    sizes = _pieces(size, SIZE_KNOTS)
    return [
        1.0,
        *shares,
        *sizes,
        *_pieces(ratio, RATIO_KNOTS),
        *(piece * size for piece in shares),
        *(piece * ratio for piece in shares),
        *(piece * ratio for piece in sizes),
        *(longest, longest * share, longest * size),
        *(letters, letters * share),
        *(runs, runs * size),
    ]


def long_features(shared: int, smaller: int) -> list[float]:
    """What the weights of long texts are for: [2], the first is 1."""
    return [1.0, math.log((shared + 0.5) / (smaller - shared + 0.5))]


def _pieces(value: float, knots: tuple[float, ...]) -> list[float]:
    """The value, and by how much it is over each knot: a line that may bend there."""
    return [value, *(max(0.0, value - knot) for knot in knots)]


def _weighed(weights: tuple[float, ...], features: list[float]) -> float:
    return sum(weight * feature for weight, feature in zip(weights, features, strict=True))


def sigmoid(value: float) -> float:
    """The logistic function, without overflow."""
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))
