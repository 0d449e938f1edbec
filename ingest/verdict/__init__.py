"""From a candidate to a match, or to nothing: what was measured decides, by constants named here.

One module for each kind of content; `judge` takes the strongest of what both sides can be compared
by. The constants were chosen on labelled sets by leaving each set out in turn (docs/detection.md).
A change to any is a new DETECTOR: past verdicts keep the name of the detector that made them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ingest.prints import Prints

from . import boilerplate, code, images, overlap, rows, signatures, text
from .seen import confirmed
from .shape import EXACT, Counted, Kind, Verdict, wilson

__all__ = [
    "EXACT",
    "Counted",
    "Kind",
    "Verdict",
    "code",
    "confirmed",
    "images",
    "judge",
    "judge_all",
    "judge_meaning",
    "overlap",
    "rows",
    "short_copies_count",
    "text",
    "wilson",
]

DETECTOR = "tallymark/2"

Judge = Callable[[Prints, Prints], Verdict | None]
JUDGES: tuple[Judge, ...] = (text.judge, signatures.judge, images.judge, rows.judge)

SHORT_TOKENS = 12
"""An exact copy of fewer tokens may be chance: such copies count only in numbers (see below)."""
SHORT_LEAST_COUNT = 20
SHORT_LEAST_SHARE = 0.1
SEMANTIC_COSINE = 0.9
"""Two texts that mean the same to the model: a lead for people, never an accusation."""

FALSE_ACCUSATIONS = Counted(count=11, of=20_559)
"""Innocent records that a verdict which holds named, in the labelled sets."""
FALSE_ACCUSATION_RATE = FALSE_ACCUSATIONS.interval[1]
"""What is stated beside every count: the upper end of the interval, never a bare zero."""


def judge(later: Prints, earlier: Prints) -> Verdict | None:
    """The strongest verdict on two records; None if they are not alike in any way."""
    if later.digest == earlier.digest:
        return EXACT
    judges = _judges(later, earlier)
    made = [found for judged in judges if (found := judged(later, earlier)) is not None]
    return min(made, key=lambda verdict: verdict.order, default=None)


def judge_all(later: Prints, earlier: Sequence[Prints]) -> list[Verdict | None]:
    """The verdicts on one record and all that it may be like.

    Passages that many of these hold do not accuse (`boilerplate`): a pair judged by itself may hold
    where it does not beside the others.
    """
    return boilerplate.discounted(later, earlier, [judge(later, other) for other in earlier])


def _judges(later: Prints, earlier: Prints) -> Sequence[Judge]:
    """Who decides: rows and sources for themselves, else whoever has something to compare."""
    if rows.settles(later, earlier):
        return (rows.judge,)
    return (code.judge,) if code.settles(later, earlier) else JUDGES


def judge_meaning(cosine: float) -> Verdict | None:
    """A lead, where two embeddings are very close; it accuses nobody."""
    if cosine < SEMANTIC_COSINE:
        return None
    return Verdict(
        Kind.SEMANTIC, 0.0, 0.0, score=0.0, holds=False, counted={"cosine": round(cosine, 4)}
    )


def short_copies_count(distinct: int, later_short: int, earlier_short: int) -> bool:
    """Whether `distinct` exact copies of short records are too many for chance.

    `later_short` and `earlier_short` count the short records of each side.
    """
    fewer = min(later_short, earlier_short)
    return distinct >= SHORT_LEAST_COUNT and distinct >= SHORT_LEAST_SHARE * fewer
