"""How much money hangs on something that waits for an operator, asset by asset."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet, Sum

from compensation.models import Account, Asset, BankPayout, Charge, Line, PayoutLeaf

# Units by asset.
Stake = dict[Asset, int]


def of_conflicts(conflicts: Collection[UUID]) -> dict[str, Stake]:
    """All that was ever set aside in each conflict, by its id: a decision is about that.

    What was released or paid out since counts too, because an appeal can move it back.
    """
    rows = Line.objects.filter(
        account__kind=Account.Kind.ESCROW,
        account__conflict__in=list(conflicts),
        amount_units__gt=0,
    )
    return _summed(rows, "account__conflict", "account__asset", "amount_units")


def of_usages(usages: Collection[UUID]) -> dict[str, Stake]:
    """What each usage was charged until now, by its id."""
    rows = Charge.objects.filter(usage__in=list(usages), account__isnull=False)
    return _summed(rows, "usage", "account__asset", "amount_units")


def of_transactions(transactions: Collection[int]) -> dict[str, Stake]:
    """What each transaction of a payout epoch carries to payees, by the transaction's key."""
    added = _summed(
        PayoutLeaf.objects.filter(epoch__outbox__in=list(transactions)),
        "epoch__outbox",
        "epoch__asset",
        "added_units",
    )
    activated = _summed(
        PayoutLeaf.objects.filter(epoch__activation__in=list(transactions)),
        "epoch__activation",
        "epoch__asset",
        "added_units",
    )
    return {**added, **activated}


def of_methods(methods: Collection[UUID]) -> dict[str, Stake]:
    """What came back from each account or address and is payable again, by its id."""
    returned = BankPayout.objects.filter(method__in=list(methods), state=BankPayout.State.RETURNED)
    return _summed(returned, "method", "asset", "amount_units")


def _summed(rows: QuerySet[Any], key: str, asset: str, units: str) -> dict[str, Stake]:
    """The sums of `units` by key and asset."""
    sums: dict[str, dict[int, int]] = defaultdict(dict)
    grouped = rows.values(stake_key=F(key), stake_asset=F(asset)).order_by()
    for row in grouped.annotate(total=Sum(units)):
        if row["total"]:
            sums[str(row["stake_key"])][row["stake_asset"]] = int(row["total"])
    assets = _assets(pk for of_one in sums.values() for pk in of_one)
    return {
        key: {assets[pk]: units for pk, units in of_one.items()} for key, of_one in sums.items()
    }


def _assets(keys: Iterable[int]) -> dict[int, Asset]:
    return Asset.objects.in_bulk(set(keys))
