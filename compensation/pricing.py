"""What use costs and who gets what of it: the rules, pure and exact.

The billing function computes the same in sets (compensation/sql/billing.sql); tests hold the two
against each other, and explanations are computed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from provenance.models import Rate

Basis = Rate.Basis


def price(basis: str, price_units: int, record_count: int, token_count: int) -> int:
    """What counts cost in all: the floor of quantity times price, in units.

    A charge is what this grew by, so that prices far below one unit stay exact.
    """
    match basis:
        case Basis.PER_1K_RECORDS:
            return record_count * price_units // 1_000
        case Basis.PER_1M_TOKENS:
            return token_count * price_units // 1_000_000
        case Basis.FLAT_PER_RUN:
            return price_units
    raise AssertionError(f"no such basis: {basis}")


def counted(basis: str) -> str:
    """What a rate's revenue is divided by: `tokens` where they are priced, else `records`."""
    return "tokens" if basis == Basis.PER_1M_TOKENS else "records"


def tokens_used(
    *, record_count: int, reported_tokens: int, version_records: int, version_tokens: int
) -> int:
    """The tokens that are priced: the sealed count times the part that was seen, epochs included.

    The lab's own count is evidence beside it; it is priced only where no records were counted.
    """
    if record_count and version_records:
        return version_tokens * record_count // version_records
    return reported_tokens


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
