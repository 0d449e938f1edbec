"""Estimates: what a run will cost before it starts, and whether money and budgets allow it.

Prices are reckoned as quotes are (the lab's grants, else what is on offer), and promise nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from compensation import budgets, debts, quotes
from compensation.budgets import Standing
from compensation.models import Account, Asset, Balance
from compensation.quotes import Wanted
from provenance.models import Party, Project, QuoteItem
from provenance.projects import Cap
from provenance.refusals import Refused


@dataclass(frozen=True)
class Total:
    """What a run comes to in one asset, and what there is to pay it with; units."""

    asset: str
    amount_units: int
    # Credit limit included; None where there is no limit.
    spendable_units: int | None
    # What the tightest budget has left; None where there is none in this asset.
    budget_left_units: int | None

    @property
    def is_covered(self) -> bool:
        """Whether money and budgets reach for all of it."""
        limits = (self.spendable_units, self.budget_left_units)
        return all(limit is None or self.amount_units <= limit for limit in limits)


@dataclass(frozen=True)
class Estimate:
    """The cost of a run, item by item; and why it may not start now, if it may not."""

    items: list[QuoteItem]
    totals: list[Total]
    # The cap with which it would start, unless it is refused.
    cap: Cap | None
    refusal: Refused | None


def estimate(
    *,
    lab: Party,
    purpose: str,
    wanted: Sequence[Wanted],
    project: Project | None = None,
    cap: Cap | None = None,
    at: datetime,
) -> Estimate:
    """What a run would cost if it started now; nothing is kept. Raises what quotes.reckon does."""
    _, items = quotes.reckon(lab=lab, purpose=purpose, wanted=wanted, at=at)
    accepted, refusal = cap, None
    try:
        accepted = budgets.require_money(lab=lab, purpose=purpose, project=project, cap=cap, at=at)
    except (budgets.NoFunds, budgets.BudgetSpent, budgets.CapOverBudget) as found:
        refusal = found
    standings = [budgets.look(budget, at) for budget in budgets.in_force(lab, project)]
    return Estimate(items, _totals(lab, items, standings), accepted, refusal)


def _totals(lab: Party, items: list[QuoteItem], standings: list[Standing]) -> list[Total]:
    sums: dict[str, int] = {}
    for item in items:
        if item.rate is not None:
            sums[item.rate.asset] = sums.get(item.rate.asset, 0) + item.amount_units
    return [_total(lab, code, units, standings) for code, units in sorted(sums.items())]


def _total(lab: Party, code: str, units: int, standings: list[Standing]) -> Total:
    asset = Asset.objects.filter(code=code).first()
    held = Balance.objects.filter(
        account__kind=Account.Kind.LAB, account__party=lab, account__asset=asset
    ).first()
    left = [one.left_units for one in standings if one.budget.asset == asset]
    return Total(
        asset=code,
        amount_units=units,
        spendable_units=debts.spendable(held),
        budget_left_units=min(left) if left else None,
    )
