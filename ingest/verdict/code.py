"""The verdict on two source files, by what their sketches share.

Two questions, and the better answer counts. Do they share long runs of abstract tokens, so many
that no two authors write them alike? Or are they, as whole small programs, the same in what their
literals say and in how they are built? Only the first opens a conflict: programs that solve one
task are alike without anybody having copied.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from tallymark.fingerprint.code import LITERAL, LONG, SHORT

from ingest.fingerprint import code
from ingest.fingerprint.code import Shared
from ingest.prints import Prints

from . import code_constants as constants
from .shape import Kind, Verdict

LEAST_SCORE = 0.5
LEAST_LONG = 40
"""Long runs two sources must share to match by them: below it, idioms and templates coincide."""
LEAST_LONG_CONTAINMENT = 0.5
HOLDING_LONG = 80
HOLDING_CONTAINMENT = 0.6
LEAST_SHORT = 16
"""A program of fewer short runs is matched as a text or not at all."""
LEAST_SHORT_JACCARD = 0.4
"""Programs may say the same and yet be built quite differently: then one is no copy."""
NEAR_JACCARD = 0.5
SLACK = 0.03
BELOW = math.nextafter(LEAST_SCORE, 0.0)


class Program(NamedTuple):
    """The constants of the score of whole programs."""

    literal_slope: float
    literal_middle: float
    short_slope: float
    short_middle: float
    evidence_half: float
    """So many things said, and literals weigh as much as structure."""
    offset: float
    """What brings the score that accuses few who solved the same task to LEAST_SCORE."""


SHIPPED = Program(
    constants.LITERAL_SLOPE,
    constants.LITERAL_MIDDLE,
    constants.SHORT_SLOPE,
    constants.SHORT_MIDDLE,
    constants.EVIDENCE_HALF,
    constants.PROGRAM_OFFSET,
)


def settles(later: Prints, earlier: Prints) -> bool:
    """Whether both are sources: their words are the language's, the task's and a licence's."""
    return bool(later.parts.get(code.SCHEME) and earlier.parts.get(code.SCHEME))


def judge(later: Prints, earlier: Prints) -> Verdict | None:
    """The verdict on two sources by their sketches; None if they are not alike."""
    if not settles(later, earlier):
        return None
    return judge_parts(code.compare(later.numbers(code.SCHEME), earlier.numbers(code.SCHEME)))


def judge_parts(parts: dict[int, Shared]) -> Verdict | None:
    """The verdict on two sources that share `parts`."""
    probability = score(parts)
    if probability < LEAST_SCORE:
        return None
    long, short = parts[LONG], parts[SHORT]
    shown = long if long_score(long) >= LEAST_SCORE else short
    holds = long.shared >= HOLDING_LONG and long.containment >= HOLDING_CONTAINMENT
    kind = Kind.NEAR if shown.jaccard >= NEAR_JACCARD else Kind.CONTAINED
    counted = {
        name: {"shared": part.shared, "later_size": part.one, "earlier_size": part.other}
        for name, part in (("long_runs", long), ("short_runs", short), ("said", parts[LITERAL]))
    }
    return Verdict(
        kind, shown.jaccard, shown.containment, score=probability, holds=holds,
        counted={"code": counted},
    )  # fmt: skip


def score(parts: dict[int, Shared]) -> float:
    """The calibrated probability that one source is a copy of the other: 0 to 1."""
    whole = program_score(parts[SHORT], parts[LITERAL])
    return max(whole, long_score(parts[LONG]))


def long_score(long: Shared) -> float:
    """By the share of long runs; few of them say little, and a small share never enough."""
    made = _logistic(constants.LONG_SLOPE * (long.containment - constants.LONG_MIDDLE))
    if long.shared >= LEAST_LONG and long.containment >= LEAST_LONG_CONTAINMENT:
        return max(made, LEAST_SCORE)
    return min(made * long.shared / LEAST_LONG, made, BELOW)


def program_score(short: Shared, said: Shared, by: Program = SHIPPED) -> float:
    """By how nearly two whole programs are the same, each side weighed by how much it has to say.

    What is missing counts more the less is missing: 1.00 of the literals is far more than 0.97.
    """
    if min(short.one, short.other) < LEAST_SHORT:
        return 0.0
    weight = said.all / (said.all + by.evidence_half)
    by_literals = by.literal_slope * (steep(said.jaccard) - by.literal_middle)
    by_structure = by.short_slope * (steep(short.jaccard) - by.short_middle)
    built_alike = min(short.jaccard / LEAST_SHORT_JACCARD, 1.0)
    evidence = weight * by_literals + (1 - weight) * by_structure
    return built_alike * _logistic(evidence + by.offset)


def steep(share: float) -> float:
    """A share, stretched where it is nearly whole: 0 to 3.5."""
    return -math.log(1 + SLACK - share)


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))
