"""How many records of a version truly overlap another: an estimate for display, never for money.

What was counted is corrected for what the detector finds falsely and for what it misses, after
Rogan and Gladen, "Estimating prevalence from the results of a screening test", 1978. The rates are
those of labelled sentences (`./run bench quality` measures them; docs/detection.md has the table).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .shape import Z95, wilson


class Found(NamedTuple):
    """The distinct later records of an overlap, by the strongest thing that was found."""

    compared: int
    exact: int
    holding: int
    """Those over the threshold, exact copies not included."""
    possible: int


class Estimate(NamedTuple):
    """So many records overlap, with 95 % between `low` and `high`."""

    records: int
    low: int
    high: int


class Rates(NamedTuple):
    """What one kind of content needs corrected; (low, middle, high) over the labelled sets."""

    false_possible: tuple[float, float, float]
    """The part of innocent records that something is possibly like."""
    missed: tuple[float, float, float]
    """Copies missed for each possible one, where none is surer (see `_missed`)."""
    false_holding: float
    """The upper end of the interval of the false-accusation rate."""


FALSE_HOLDING = 0.003
SENTENCES = Rates((0.0, 0.024, 0.05), (0.0, 0.45, 0.6), FALSE_HOLDING)
"""Of texts: the least, the mean and the most of four labelled sets of sentences."""
COUNTED = Rates((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), FALSE_HOLDING)
"""Of other kinds nothing is added to what was counted: rows of tables are counted exactly."""


def estimate(found: Found, rates: Rates) -> Estimate:
    """How many of the compared records truly overlap.

    The interval joins the draw of the sample and the spread of each rate over the labelled sets,
    as independent errors; it never leaves what was found for certain, nor what was compared.
    """
    low_false, false, most_false = rates.false_possible
    least_missed, missed, most_missed = rates.missed
    middle = _estimated(found, false, missed, rates)
    rest = max(found.compared - found.exact, 1)
    draw = 0.0
    if found.possible:
        draw = Z95 * math.sqrt(max(middle - found.exact, 0.0) * max(1 - middle / rest, 0.0))
    # Whatever is possible may be true: that it is no more than chance explains does not refute it.
    all_true = found.exact + found.holding + found.possible
    above = (
        _estimated(found, low_false, missed, rates) - middle,
        _estimated(found, false, most_missed, rates) - middle,
        all_true - middle,
    )
    below = (
        middle - _estimated(found, most_false, missed, rates),
        middle - _estimated(found, false, least_missed, rates),
        min(found.holding, rates.false_holding * rest),
    )
    return Estimate(
        round(middle),
        max(found.exact, math.floor(middle - _joined(draw, below))),
        min(found.compared, math.ceil(middle + _joined(draw, above))),
    )


def _joined(draw: float, ways: tuple[float, ...]) -> float:
    """The size of independent errors together."""
    return math.hypot(draw, *(max(way, 0.0) for way in ways))


def _estimated(found: Found, false_possible: float, missed: float, rates: Rates) -> float:
    true_possible = _true_possible(found, false_possible, rates)
    surely = found.exact + found.holding
    whole = surely + true_possible + _missed(found.holding, true_possible, missed)
    return min(whole, float(found.compared))


def _true_possible(found: Found, false_possible: float, rates: Rates) -> float:
    """Of the possible matches those that chance does not explain."""
    undecided = found.compared - found.exact - found.holding
    if not undecided:
        return 0.0
    seen, most_false = found.possible / undecided, rates.false_possible[2]
    # What the likest of the innocent sets would show by itself says nothing.
    if wilson(found.possible, undecided)[0] <= most_false:
        return 0.0
    return undecided * max(seen - false_possible, 0.0) / (1 - false_possible)


def _missed(holding: int, true_possible: float, missed: float) -> float:
    """Copies that nothing was found of: the more, the fewer of those found are sure."""
    whole = holding + true_possible
    return missed * true_possible**2 / whole if whole else 0.0
