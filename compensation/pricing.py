"""What use costs and who gets what of it: the rules, pure and exact.

The billing function computes the same in sets (compensation/sql/billing.sql); tests hold the two
against each other, and explanations and quotes are computed here. Plans of tiers are compiled in
provenance/plans.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from provenance.models import Rate
from provenance.plans import STEPS, Schedule

Basis = Rate.Basis


@dataclass(frozen=True)
class Count:
    """How much was used, as it is priced: from the start of a run, or in all of a month."""

    records: int = 0
    tokens: int = 0
    epochs: int = 0
    fetches: int = 0


def quantity(basis: str, count: Count) -> int:
    """How much of what `basis` counts was used; a run is one run, however much it used."""
    match basis:
        case Basis.PER_1K_RECORDS:
            return count.records
        case Basis.PER_1M_TOKENS:
            return count.tokens
        case Basis.FLAT_PER_RUN:
            return 1
        case Basis.PER_EPOCH:
            return count.epochs
        case Basis.PER_FETCH:
            return count.fetches
    raise AssertionError(f"no such basis: {basis}")


def schedule(rate: Rate) -> Schedule:
    """The pieces of a rate: those of its plan, else one straight line."""
    if rate.plan is None:
        return Schedule(rate.step, (0,), (0,), (rate.price_units,))
    plan = rate.plan
    bases = tuple(int(base) for base in plan.bases)
    return Schedule(plan.step, tuple(plan.froms), bases, tuple(plan.prices))


def price(basis: str, price_units: int, record_count: int, token_count: int) -> int:
    """What counts cost in all under a straight price: the floor of quantity times price, in units.

    A charge is what this grew by, so that prices far below one unit stay exact.
    """
    used = quantity(basis, Count(record_count, token_count))
    return Schedule(STEPS[basis], (0,), (0,), (price_units,)).price(used)


def counted(basis: str) -> str:
    """What a rate's revenue is divided by: `tokens` where they are priced, else `records`."""
    return "tokens" if basis == Basis.PER_1M_TOKENS else "records"


def credit(amount: int, total_before: int, weight: int, weight_sum: int) -> int:
    """What an account gains when the running total grows by `amount`; exact in any batching.

    Its lifetime credit is floor(total * weight / weight_sum); this is its growth.
    """
    after = (total_before + amount) * weight // weight_sum
    return after - total_before * weight // weight_sum


Key = TypeVar("Key")


def targets(total: int, weights: Mapping[Key, int]) -> dict[Key, int]:
    """The lifetime credit of each key of `weights` at a running total."""
    weight_sum = sum(weights.values())
    return {key: total * weight // weight_sum for key, weight in weights.items()}
