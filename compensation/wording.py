"""Prices as people read them: "2.00 EUR per 1,000 records up to 100,000, then 1.50"."""

from __future__ import annotations

from itertools import pairwise

from compensation import money
from compensation.models import Asset
from provenance.models import Bundle, Rate, RatePlan

# What a basis counts, and how a price of it is said.
NOUNS = {
    Rate.Basis.PER_1K_RECORDS: "records",
    Rate.Basis.PER_1M_TOKENS: "tokens",
    Rate.Basis.FLAT_PER_RUN: "runs",
    Rate.Basis.PER_EPOCH: "epochs",
    Rate.Basis.PER_FETCH: "fetches",
}


def price_in_words(rate: Rate | None, assets: dict[str, Asset] | None = None) -> str:
    """All that a rate asks for, in its asset's own scale; `assets` by code saves looking it up."""
    if rate is None:
        return "free"
    asset = assets.get(rate.asset) if assets is not None else asset_of(rate.asset)
    said = _Amounts(rate.asset, asset)
    parts = [_base(rate, said)]
    if rate.basis == Rate.Basis.PER_1M_TOKENS:
        parts[0] += f" (counted by {rate.counter})"
    if rate.plan is not None:
        parts += _limits(rate.plan, said)
    if rate.revenue_basis_points:
        share = money.to_text(rate.revenue_basis_points, 2)
        parts.append(f"{share} % of the revenue of models made with it, shared by use")
    return "; ".join(parts)


def bundle_in_words(bundle: Bundle) -> str:
    """What a subscription to a bundle costs."""
    return f"{_Amounts(bundle.asset, asset_of(bundle.asset)).full(bundle.price_units)} a month"


def asset_of(code: str) -> Asset | None:
    """The registered asset of this code."""
    return Asset.objects.filter(code=code).first()


class _Amounts:
    """Says amounts of one asset; of one nobody registered, whole units."""

    def __init__(self, code: str, asset: Asset | None) -> None:
        self.scale = asset.scale if asset else 0
        self.symbol = asset.symbol if asset else f"units of {code}"

    def bare(self, units: int) -> str:
        return money.grouped(units, self.scale)

    def full(self, units: int) -> str:
        return f"{self.bare(units)} {self.symbol}"


def _base(rate: Rate, said: _Amounts) -> str:
    """The price, tier by tier."""
    per = rate.get_basis_display()
    tiers = rate.plan.tiers if rate.plan is not None else [[0, rate.price_units]]
    words = f"{said.full(tiers[0][1])} {per}"
    if rate.plan is not None and rate.plan.mode == RatePlan.Mode.VOLUME:
        rest = [f"{said.bare(price)} for all from {start:,} on" for start, price in tiers[1:]]
        return ", or ".join([words, *rest])
    for (_, _), (start, price) in pairwise(tiers):
        words += f" up to {start:,}, then {said.bare(price)}"
    return words


def _limits(plan: RatePlan, said: _Amounts) -> list[str]:
    """What holds for a month of one lab, over all of the owner's data under this plan."""
    parts = []
    if plan.free_quantity:
        noun = NOUNS[Rate.Basis(plan.basis)]
        parts.append(f"the first {plan.free_quantity:,} {noun} of a month are free")
    if plan.minimum_units:
        parts.append(f"at least {said.full(plan.minimum_units)} in a month of use")
    if plan.cap_units is not None:
        parts.append(f"at most {said.full(plan.cap_units)} a month")
    return parts
