"""Above which amounts an operator's act takes a second person.

The use cases ask here before anything moves, so that no door forgets; `approvals` turns what is
refused into a proposal.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from django.conf import settings

from compensation import money
from compensation.models import Asset
from provenance.refusals import Refused


class Act(StrEnum):
    """What is limited; each has its own limits in TALLYMARK_TWO_PEOPLE."""

    DECISION = "decision"
    REFUND = "refund"
    ENTRY = "entry"
    PAYOUT = "payout"
    DEPOSIT = "deposit"
    CREDIT = "credit"
    FUNDING = "funding"


class TakesTwo(Refused):
    """This is over the limit up to which one operator may act alone."""

    code = "takes_two_people"
    hint = (
        "Put it forward from its page or by the API with a key that a person made; another "
        "operator approves it."
    )

    def __init__(self, act: Act, stake: Mapping[Asset, int]) -> None:
        self.stake = dict(stake)
        limits = ", ".join(in_words({asset: limit_units(act, asset)}) for asset in stake)
        super().__init__(f"{in_words(stake)} is over the limit of {limits}.")


class AlwaysTwo(TakesTwo):
    """This takes two people, whatever its amount."""

    def __init__(self) -> None:
        self.stake = {}
        Refused.__init__(self, "This takes two operators, whatever its amount.")


def limit_units(act: Act, asset: Asset) -> int:
    """Up to how many units one operator may act alone; 0 where the settings name no limit."""
    limits = getattr(settings.TWO_PEOPLE, act.value)
    whole = limits.get(asset.code, limits.get("*", 0))
    return int(whole * 10**asset.scale)


def require(act: Act, stake: Mapping[Asset, int], *, approved_units: int | None = None) -> None:
    """Raise TakesTwo where an amount is over its limit, and over what a second person approved."""
    over = {
        asset: units
        for asset, units in stake.items()
        if units > max(limit_units(act, asset), approved_units or 0)
    }
    if over:
        raise TakesTwo(act, over)


def in_words(stake: Mapping[Asset, int]) -> str:
    """Amounts with their assets, as people write them."""
    return ", ".join(
        f"{money.grouped(units, asset.scale)} {asset.symbol}" for asset, units in stake.items()
    )
