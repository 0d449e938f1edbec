"""Plans of prices, compiled: what a quantity costs in all, exactly, by one lookup.

Tiers, a free quota, volume prices and a cap become one list of straight pieces that never falls.
The billing function walks the same list in SQL (compensation/sql/billing.sql).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# How much of what is counted a price is for.
STEPS = {
    "per_1k_records": 1_000,
    "per_1m_tokens": 1_000_000,
    "flat_per_run": 1,
    "per_epoch": 1,
    "per_fetch": 1,
}

# A price for every unit from a quantity on: (from_quantity, price_units for each step).
Tier = tuple[int, int]
# From a quantity on: what all before it costs, and what each unit more costs, in units x step.
Piece = tuple[int, int, int]


@dataclass(frozen=True)
class Schedule:
    """Straight pieces by where they begin; amounts are in units times `step`, so always whole."""

    step: int
    froms: tuple[int, ...]
    bases: tuple[int, ...]
    prices: tuple[int, ...]

    def price(self, quantity: int) -> int:
        """What `quantity` costs in all, in whole units: the floor; it never falls."""
        return self.exact(quantity) // self.step

    def exact(self, quantity: int) -> int:
        """What `quantity` costs in all, in units times `step`."""
        place = bisect_right(self.froms, quantity) - 1
        return self.bases[place] + (quantity - self.froms[place]) * self.prices[place]


def compiled(
    *,
    step: int,
    mode: str,
    tiers: Sequence[Tier],
    free_quantity: int = 0,
    cap_units: int | None = None,
) -> Schedule:
    """The pieces of a plan.

    `tiers` begin at 0 and rise. The first `free_quantity` costs nothing and counts towards the
    tiers. `graduated` prices each part by its own tier. `volume` prices everything but the free
    quantity by the tier that is reached, and never asks more than a greater quantity would cost.
    No quantity costs more than `cap_units`.
    """
    assert tiers[0][0] == 0, "the first tier begins at nothing"
    assert all(one[0] < two[0] for one, two in pairwise(tiers)), "tiers rise"
    pieces = {"graduated": _graduated, "volume": _volume}[mode](tiers, free_quantity)
    if cap_units is not None:
        pieces = _held_under(pieces, cap_units * step)
    froms, bases, prices = zip(*_merged(pieces), strict=True)
    return Schedule(step, froms, bases, prices)


def _graduated(tiers: Sequence[Tier], free_quantity: int) -> list[Piece]:
    """Nothing for what is free, then each part at its own tier's price."""
    pieces: list[Piece] = [(0, 0, 0)]
    ends: list[int | None] = [*(start for start, _ in tiers[1:]), None]
    for (start, price), end in zip(tiers, ends, strict=True):
        if end is not None and end <= free_quantity:
            continue
        begin = max(start, free_quantity)
        last_from, last_base, last_price = pieces[-1]
        pieces.append((begin, last_base + (begin - last_from) * last_price, price))
    return pieces


def _volume(tiers: Sequence[Tier], free_quantity: int) -> list[Piece]:
    """Everything beyond what is free at the price of the tier that is reached.

    Where reaching the next tier makes all of it cheaper, the quantities just below cost no more
    than that: the pieces are made from the last tier back.
    """
    pieces: list[Piece] = []
    cheapest: int | None = None
    ends: list[int | None] = [*(start for start, _ in tiers[1:]), None]
    for (start, price), end in reversed(list(zip(tiers, ends, strict=True))):
        if end is not None and end <= free_quantity:
            continue
        begin = max(start, free_quantity)
        mine: list[Piece] = [(begin, (begin - free_quantity) * price, price)]
        if cheapest is not None:
            mine = _held_under(mine, cheapest, end)
        pieces = mine + pieces
        cheapest = pieces[0][1]
    return [(0, 0, 0), *pieces]


def _held_under(pieces: Sequence[Piece], most: int, end: int | None = None) -> list[Piece]:
    """The pieces, flat at `most` from the first whole quantity (before `end`) that costs more."""
    held: list[Piece] = []
    for (begin, base, price), after in zip(
        pieces, [piece[0] for piece in pieces[1:]] + [end], strict=True
    ):
        if base > most:
            return [*held, (begin, most, 0)]
        held.append((begin, base, price))
        if price == 0:
            continue
        crossing = begin + (most - base) // price + 1
        if after is None or crossing < after:
            return [*held, (crossing, most, 0)]
    return held


def _merged(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces without those that begin where the next does, or go on as the last did."""
    kept: list[Piece] = []
    for piece in pieces:
        if kept and kept[-1][0] == piece[0]:
            kept.pop()
        if kept:
            begin, base, price = kept[-1]
            if price == piece[2] and base + (piece[0] - begin) * price == piece[1]:
                continue
        kept.append(piece)
    return kept


def tokens_used(
    *, record_count: int, reported_tokens: int, version_records: int, version_tokens: int
) -> int:
    """The tokens that are priced: the sealed count times the part that was seen, epochs included.

    The lab's own count is evidence beside it; it is priced only where no records were counted.
    """
    if record_count and version_records:
        return version_tokens * record_count // version_records
    return reported_tokens
