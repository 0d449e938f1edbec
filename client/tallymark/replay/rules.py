"""The rules of money, once more and on their own: what counts cost, who gets what of it.

They are written from docs/statements.md and share no code with the service, so that a mistake in
the one is seen by the other.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Final, NamedTuple

RECORDS, TOKENS, EPOCHS, FETCHES = range(4)
# Which counter a basis prices (none: a run counts as one), and for how many of it the price is.
BASES: Final[dict[str, tuple[int | None, int]]] = {
    "per_1k_records": (RECORDS, 1_000),
    "per_1m_tokens": (TOKENS, 1_000_000),
    "per_epoch": (EPOCHS, 1),
    "per_fetch": (FETCHES, 1),
    "flat_per_run": (None, 1),
}

Counts = tuple[int, int, int, int]


class Plan(NamedTuple):
    """Tiers as straight pieces: from `froms[i]` on, each costs `prices[i]` on top of `bases[i]`."""

    froms: list[int]
    bases: list[int]
    prices: list[int]

    def cost(self, quantity: int, step: int) -> int:
        """What a whole period's quantity costs, in units."""
        at = bisect_right(self.froms, quantity) - 1
        return (self.bases[at] + (quantity - self.froms[at]) * self.prices[at]) // step


class Rate:
    """A rate version: what it counts, and what that costs."""

    __slots__ = ("counter", "plan", "plan_id", "price", "step")

    def __init__(self, row: dict[str, Any], plans: dict[int, Plan]) -> None:
        self.counter, self.step = BASES[row["basis"]]
        self.price: int = row["price"]
        self.plan_id: int | None = row["plan"]
        self.plan = None if self.plan_id is None else plans[self.plan_id]

    def quantity(self, counts: Counts) -> int:
        """How much of what it counts."""
        return 1 if self.counter is None else counts[self.counter]

    def cost(self, quantity: int) -> int:
        """What a quantity costs without tiers: the floor of quantity times price."""
        return quantity * self.price // self.step


def tokens_used(records: int, reported: int, sealed_records: int, sealed_tokens: int) -> int:
    """The tokens that are priced: the sealed count times the part of the records that was seen.

    The lab's own count is priced only where no records were counted.
    """
    if records and sealed_records:
        return sealed_tokens * records // sealed_records
    return reported


def share(total_before: int, total_after: int, weight: int, weight_sum: int) -> int:
    """What floor(total * weight / weight_sum), an account's lifetime credit, grew by."""
    return total_after * weight // weight_sum - total_before * weight // weight_sum


def in_tokens(units: int, scale: int, decimals: int) -> int:
    """Units of an asset in its token's own decimals, rounded down."""
    if decimals >= scale:
        return int(units * 10 ** (decimals - scale))
    return int(units // 10 ** (scale - decimals))
