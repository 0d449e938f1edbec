"""Budgets and funds: whether a new run may start, and what a lab is told on the way.

A run that has started goes on to the cap it accepted, whatever happens to funds and budgets; what
it used waits and is charged when there is money or room again. Only new runs stop.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Q
from django.utils.translation import gettext as _

from compensation import debts, money, notices, spending
from compensation.models import (
    Account,
    Asset,
    Balance,
    Budget,
    BudgetNotice,
    Waiting,
)
from provenance import ledger, projects, usage
from provenance.models import Grant, Party, Project, Run, User
from provenance.projects import Cap
from provenance.refusals import Refused

Every = Budget.Every
LEVELS = (50, 80, 100)
LARGEST = 2**63 - 1
# All months there are.
EVER = ("0000-00", "9999-99")


class BadBudget(Refused):
    """That budget cannot be."""

    code = "bad_budget"
    status = 400
    hint = "Give whole units that are not negative, for a lab and one of its own projects."


class BadStart(Refused):
    """Project and cap are said of a root run."""

    code = "bad_start"
    status = 400
    hint = "Leave `project` and `cap` out where there is a `parent`: the root's hold for it too."


class NoFunds(Refused):
    """There is no money left for new runs."""

    code = "no_funds"
    status = 402
    hint = (
        "Pay in a deposit, or ask the operator for a credit limit. Runs under way go on, and what "
        "waits is charged when money comes."
    )


class BudgetSpent(Refused):
    """The budget is spent."""

    code = "budget_spent"
    status = 402
    hint = (
        "Somebody with the right 'finance' raises it under Budgets (or POST /budgets). Runs under "
        "way go on to their caps."
    )


class CapOverBudget(Refused):
    """The cap is more than the budget has left."""

    code = "cap_over_budget"
    status = 402
    hint = "Accept a lower cap, or have the budget raised; a cap can be raised while the run lasts."


@dataclass(frozen=True)
class Standing:
    """How far a budget is spent in the period that holds a moment; units of its asset."""

    budget: Budget
    # The first and last month that it counts in.
    months: tuple[str, str]
    spent_units: int

    @property
    def left_units(self) -> int:
        """What may still be spent; negative where more was."""
        return self.budget.limit_units - self.spent_units

    @property
    def percent(self) -> int:
        """How much of it is spent, rounded down; a budget of nothing is all spent."""
        limit = self.budget.limit_units
        return 100 * self.spent_units // limit if limit else 100

    @property
    def period(self) -> str:
        """The first month of the period; empty where there is only one period."""
        return "" if self.budget.every == Every.ALL else self.months[0]

    @property
    def words(self) -> str:
        """The budget in a sentence."""
        asset = self.budget.asset
        said = [money.grouped(units, asset.scale) for units in (self.spent_units, self._limit)]
        return _("%(budget)s: %(value)s of %(value_2)s %(symbol)s are spent.") % {
            "budget": self.budget,
            "value": said[0],
            "value_2": said[1],
            "symbol": asset.symbol,
        }

    @property
    def _limit(self) -> int:
        return self.budget.limit_units


@transaction.atomic
def set_budget(
    *,
    lab: Party,
    asset: Asset,
    every: str,
    limit_units: int,
    project: Project | None = None,
    at: datetime,
    by: User | None = None,
) -> Budget:
    """Set what a lab means to spend; the budget of before, if any, ends. Safe to repeat."""
    is_own = project is None or project.lab_id == lab.pk
    if not lab.is_lab or not is_own or every not in Every.values:
        raise BadBudget
    if not 0 <= limit_units <= LARGEST:
        raise BadBudget
    # One at a time for a lab, so that one is in force.
    Party.objects.select_for_update(no_key=True).get(pk=lab.pk)
    standing = Budget.objects.in_force().filter(lab=lab, project=project, asset=asset, every=every)
    earlier = standing.first()
    if earlier is not None and earlier.limit_units == limit_units:
        return earlier
    standing.update(ended_at=at)
    made = Budget.objects.create(
        lab=lab,
        project=project,
        asset=asset,
        every=every,
        limit_units=limit_units,
        set_by=by,
        set_at=at,
    )
    _record("budget.set", made, at)
    _notice_budget(look(made, at), at)
    return made


@transaction.atomic
def end_budget(*, budget: Budget, at: datetime) -> Budget:
    """Let a budget count no longer. Safe to repeat."""
    row = Budget.objects.select_for_update(of=("self",)).get(pk=budget.pk)
    if row.ended_at is None:
        row.ended_at = at
        row.save(update_fields=["ended_at"])
        _record("budget.ended", row, at)
    return row


def look(budget: Budget, at: datetime) -> Standing:
    """How far a budget is spent at `at`."""
    months = _months(budget.every, spending.month_of(at))
    return Standing(
        budget=budget,
        months=months,
        spent_units=spending.spent(
            lab=budget.lab, asset=budget.asset, project=budget.project, months=months
        ),
    )


def pressing(lab: Party, at: datetime) -> list[Standing]:
    """The lab's budgets that are nearly spent, the worst first."""
    found = Budget.objects.in_force().filter(lab=lab).select_related("asset", "project", "lab")
    standings = [look(budget, at) for budget in found]
    near = [one for one in standings if one.percent >= LEVELS[1]]
    return sorted(near, key=lambda one: -one.percent)


def open_caps(budget: Budget) -> int:
    """What runs under way that a budget covers may still cost before they reach their caps."""
    return spending.open_caps(lab=budget.lab, asset=budget.asset, project=budget.project)


def add_up(*, at: datetime) -> int:
    """Add up what was charged since, and tell labs what that means; how many entries."""
    count = 0
    while True:
        with transaction.atomic():
            touched = spending.add_up()
            _notice(touched, at)
        count += touched.entry_count
        if not touched.entry_count:
            return count


@transaction.atomic
def start_run(
    *,
    lab: Party,
    purpose: str,
    project: str = "",
    cap: Cap | None = None,
    run_id: UUID | None = None,
    parent: Run | None = None,
    at: datetime,
    asked_at: datetime,
    **facts: Any,
) -> Run:
    """Begin a run where money allows it; ranks and children of a run under way always join it.

    Without a cap, what the tightest budget has left is accepted. `facts` go to usage.start_run.
    Raises NoFunds, BudgetSpent, CapOverBudget, BadStart, and what projects and usage raise.
    """
    given = {"lab": lab, "purpose": purpose, "run_id": run_id, "at": at, **facts}
    is_known = run_id is not None and Run.objects.filter(pk=run_id).exists()
    if parent is not None and (project or cap):
        raise BadStart
    if is_known or parent is not None:
        return usage.start_run(parent=parent, **given)
    belongs = projects.project_named(lab, project) if project else None
    accepted = require_money(lab=lab, purpose=purpose, project=belongs, cap=cap, at=asked_at)
    run = usage.start_run(parent=None, **given)
    return projects.place(run=run, project=belongs, cap=accepted, at=at)


def require_money(
    *, lab: Party, purpose: str, project: Project | None, cap: Cap | None, at: datetime
) -> Cap | None:
    """The cap with which a new run may start now.

    Raises NoFunds, BudgetSpent or CapOverBudget where none may.
    """
    require_funds(lab=lab, purpose=purpose, at=at)
    return _accepted_cap(lab, project, cap, at)


def in_force(lab: Party, project: Project | None) -> list[Budget]:
    """The budgets that a run of a lab would spend, in order of asset."""
    budgets = Budget.objects.in_force().filter(Q(project=None) | Q(project=project), lab=lab)
    found = budgets.select_related("asset", "project", "lab")
    return list(found.order_by("asset__code", "pk"))


def require_funds(*, lab: Party, purpose: str, at: datetime) -> None:
    """Raise NoFunds where what the lab has cannot pay for another run of this purpose."""
    accounts = Account.objects.filter(party=lab, kind=Account.Kind.LAB).select_related("asset")
    for account in accounts:
        asset = account.asset
        owed = debts.owed_units(lab, asset)
        if owed:
            raise NoFunds(
                _("A refund took back money that was spent: %(say)s are owed.")
                % {"say": _say(owed, asset)}
            )
        free = debts.spendable(Balance.objects.get(account=account))
        needed = Waiting.objects.filter(account=account, reason=Waiting.Reason.NO_FUNDS)
        most = needed.aggregate(most=Max("needed_units"))["most"] or 0
        if free is not None and most > free:
            raise NoFunds(
                _("Uses wait for %(say)s that are missing.") % {"say": _say(most - free, asset)}
            )
    for asset in _asked_for(lab, purpose, at):
        held = Balance.objects.filter(account__in=accounts, account__asset=asset).first()
        free = debts.spendable(held)
        if free is not None and free <= 0:
            raise NoFunds(
                _("Nothing is left in %(symbol)s, which your grants are priced in.")
                % {"symbol": asset.symbol}
            )


def cap_given(asset: str, units: int | None) -> Cap | None:
    """The cap that a start names; raises projects.BadCap for half of one."""
    if not asset and units is None:
        return None
    if not asset or units is None or not Asset.objects.filter(code=asset).exists():
        raise projects.BadCap(_("A cap is whole units of an asset that is registered here."))
    return Cap(asset, units)


def _accepted_cap(lab: Party, project: Project | None, cap: Cap | None, at: datetime) -> Cap | None:
    """The cap that a run starts with, within what every budget has left."""
    found = in_force(lab, project)
    if not found:
        return cap
    add_up(at=at)
    standings = [look(budget, at) for budget in found]
    for standing in standings:
        if standing.left_units <= 0:
            raise BudgetSpent(standing.words)
    tightest: dict[str, Standing] = {}
    for standing in standings:
        code = standing.budget.asset.code
        other = tightest.get(code)
        if other is None or standing.left_units < other.left_units:
            tightest[code] = standing
    if cap is None:
        first = next(iter(tightest.values()))
        return Cap(first.budget.asset.code, first.left_units)
    limiting = tightest.get(cap.asset)
    if limiting is not None and cap.units > limiting.left_units:
        left = _say(limiting.left_units, limiting.budget.asset)
        raise CapOverBudget(
            _("%(words)s %(left)s are left.") % {"words": limiting.words, "left": left}
        )
    return cap


def _asked_for(lab: Party, purpose: str, at: datetime) -> list[Asset]:
    """The assets that the lab's grants in force ask for use of this purpose."""
    grants = Grant.objects.filter(
        Q(valid_to=None) | Q(valid_to__gt=at),
        lab=lab,
        state=Grant.State.GIVEN,
        purposes__contains=[purpose],
        rate__isnull=False,
    )
    priced = grants.filter(Q(rate__price_units__gt=0) | Q(rate__plan__isnull=False))
    codes = priced.values_list("rate__asset", flat=True).distinct()
    return list(Asset.objects.filter(code__in=codes).order_by("pk"))


def _notice(touched: spending.Touched, at: datetime) -> None:
    """Keep what labs are told now: budgets of touched accounts, caps of touched runs."""
    accounts = Account.objects.filter(pk__in=touched.accounts).values("party", "asset")
    for row in accounts:
        budgets = Budget.objects.in_force().filter(lab=row["party"], asset=row["asset"])
        for budget in budgets.select_related("lab", "asset", "project"):
            _notice_budget(look(budget, at), at)
    for run in Run.objects.filter(pk__in=touched.runs).select_related("lab"):
        _notice_cap(run, at)


def _notice_budget(standing: Standing, at: datetime) -> None:
    budget = standing.budget
    for percent in LEVELS:
        if standing.percent >= percent:
            made, is_new = BudgetNotice.objects.get_or_create(
                budget=budget,
                run=None,
                period=standing.period,
                percent=percent,
                limit_units=budget.limit_units,
                defaults={
                    "lab": budget.lab,
                    "asset": budget.asset,
                    "spent_units": standing.spent_units,
                    "noticed_at": at,
                },
            )
            if is_new:
                notices.warn(made)


def _notice_cap(run: Run, at: datetime) -> None:
    asset = Asset.objects.filter(code=run.cap_asset).first()
    if asset is None or not run.cap_units:
        return
    units = spending.charged(run, asset)
    for percent in LEVELS:
        if 100 * units // run.cap_units >= percent:
            made, is_new = BudgetNotice.objects.get_or_create(
                budget=None,
                run=run,
                period="",
                percent=percent,
                limit_units=run.cap_units,
                defaults={
                    "lab": run.lab,
                    "asset": asset,
                    "spent_units": units,
                    "noticed_at": at,
                },
            )
            if is_new:
                notices.warn(made)


def _months(every: str, month: str) -> tuple[str, str]:
    """The first and last month of the period that holds `month`."""
    year, number = month.split("-")
    match every:
        case Every.MONTH:
            return month, month
        case Every.QUARTER:
            first = (int(number) - 1) // 3 * 3 + 1
            return f"{year}-{first:02}", f"{year}-{first + 2:02}"
        case Every.YEAR:
            return f"{year}-01", f"{year}-12"
        case Every.ALL:
            return EVER
    raise AssertionError(f"no such period: {every}")


def _say(units: int, asset: Asset) -> str:
    return f"{money.grouped(units, asset.scale)} {asset.symbol}"


def _record(kind: str, budget: Budget, at: datetime) -> None:
    ledger.record(
        kind,
        at=at,
        subject_kind="party",
        subject_id=budget.lab_id,
        party=budget.lab,
        body={
            "budget": budget.pk,
            "project": budget.project_id,
            "asset": budget.asset.code,
            "every": budget.every,
            "limit_units": str(budget.limit_units),
        },
    )
