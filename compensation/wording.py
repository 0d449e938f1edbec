"""Prices as people read them: "2.00 EUR per 1,000 records up to 100,000, then 1.50"."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import pgettext

from compensation import money
from compensation.models import Asset
from provenance.amounts import Writer
from provenance.models import Bundle, Rate, RatePlan

# What a basis counts, and how a price of it is said.
NOUNS = {
    Rate.Basis.PER_1K_RECORDS: _lazy("records"),
    Rate.Basis.PER_1M_TOKENS: _lazy("tokens"),
    Rate.Basis.FLAT_PER_RUN: _lazy("runs"),
    Rate.Basis.PER_EPOCH: _lazy("epochs"),
    Rate.Basis.PER_FETCH: _lazy("fetches"),
}


def price_in_words(rate: Rate | None, assets: dict[str, Asset] | None = None) -> str:
    """All that a rate asks for, in its asset's own scale; `assets` by code saves looking it up."""
    if rate is None:
        return _("free")
    asset = assets.get(rate.asset) if assets is not None else asset_of(rate.asset)
    said = _Amounts(rate.asset, asset)
    parts = [_base(rate, said)]
    if rate.basis == Rate.Basis.PER_1M_TOKENS:
        parts[0] += _(" (counted by %(counter)s)") % {"counter": rate.counter}
    if rate.plan is not None:
        parts += _limits(rate.plan, said)
    if rate.revenue_basis_points:
        share = money.to_text(rate.revenue_basis_points, 2)
        parts.append(
            _("%(share)s %% of the revenue of models made with it, shared by use")
            % {"share": share}
        )
    return pgettext("list", "; ").join(parts)


def bundle_in_words(bundle: Bundle, assets: dict[str, Asset] | None = None) -> str:
    """What a subscription to a bundle costs; `assets` by code saves looking it up."""
    asset = assets.get(bundle.asset) if assets is not None else asset_of(bundle.asset)
    price = _Amounts(bundle.asset, asset).full(bundle.price_units)
    return _("%(price)s a month") % {"price": price}


def amounts_of(codes: Iterable[str]) -> Writer:
    """What writes amounts of these assets, each with its scale and symbol; one query for all."""
    assets = assets_named(codes)

    def write(units: int, code: str) -> str:
        return _Amounts(code, assets.get(code)).full(units)

    return write


def assets_named(codes: Iterable[str]) -> dict[str, Asset]:
    """The registered assets of these codes, by code."""
    return {asset.code: asset for asset in Asset.objects.filter(code__in=set(codes))}


def asset_of(code: str) -> Asset | None:
    """The registered asset of this code."""
    return Asset.objects.filter(code=code).first()


class _Amounts:
    """Says amounts of one asset; of one nobody registered, whole units."""

    def __init__(self, code: str, asset: Asset | None) -> None:
        self.scale = asset.scale if asset else 0
        self.symbol = asset.symbol if asset else _("units of %(code)s") % {"code": code}

    def bare(self, units: int) -> str:
        return money.grouped(units, self.scale)

    def full(self, units: int) -> str:
        return f"{self.bare(units)} {self.symbol}"


def _base(rate: Rate, said: _Amounts) -> str:
    """The price, tier by tier."""
    per = rate.get_basis_display()
    tiers = rate.plan.tiers if rate.plan is not None else [[0, rate.price_units]]
    words = _("%(price)s %(per)s") % {"price": said.full(tiers[0][1]), "per": per}
    if rate.plan is not None and rate.plan.mode == RatePlan.Mode.VOLUME:
        rest = [
            _("%(price)s for all from %(start)s on")
            % {"price": said.bare(price), "start": f"{start:,}"}
            for start, price in tiers[1:]
        ]
        return _(", or ").join([words, *rest])
    for (_start, _price), (start, price) in pairwise(tiers):
        words += _(" up to %(start)s, then %(price)s") % {
            "start": f"{start:,}",
            "price": said.bare(price),
        }
    return words


def _limits(plan: RatePlan, said: _Amounts) -> list[str]:
    """What holds for a month of one lab, over all of the owner's data under this plan."""
    parts = []
    if plan.free_quantity:
        noun = NOUNS[Rate.Basis(plan.basis)]
        parts.append(
            _("the first %(quantity)s %(noun)s of a month are free")
            % {"quantity": f"{plan.free_quantity:,}", "noun": noun}
        )
    if plan.minimum_units:
        parts.append(
            _("at least %(amount)s in a month of use") % {"amount": said.full(plan.minimum_units)}
        )
    if plan.cap_units is not None:
        parts.append(_("at most %(amount)s a month") % {"amount": said.full(plan.cap_units)})
    return parts
