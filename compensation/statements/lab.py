"""A lab's statement: spent, left, what waits and why, what to do; then each line."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Sum
from django.utils.translation import gettext as _

from compensation import money
from compensation.models import (
    Account,
    Asset,
    Balance,
    Charge,
    Deposit,
    Entry,
    Waiting,
    WeightVersion,
)
from compensation.statements.movements import Movement, accounts_of, balances, moved, plain
from compensation.statements.owner import Todo
from compensation.statements.period import Period
from provenance.models import DatasetVersion, Party

Kind = Account.Kind


@dataclass(frozen=True)
class WaitingUse:
    """Use that could not be charged yet: why, and what it takes."""

    reason: str
    why: str
    usage_count: int
    needed_units: int


@dataclass(frozen=True)
class Charged:
    """What one entry charged a lab under one weight version."""

    weight_version_id: int
    version: DatasetVersion
    charge_count: int
    amount_units: int


@dataclass(frozen=True)
class LabStatement:
    """Opening + movements = closing, to the unit; amounts are units of `asset`."""

    party: Party
    asset: Asset
    period: Period
    made_at: datetime
    spent_units: int
    deposited_units: int
    available_units: int
    limit_units: int
    waiting: list[WaitingUse]
    todos: list[Todo]
    opening_units: int
    movements: list[Movement]
    closing_units: int

    @property
    def words(self) -> list[str]:
        """The first page, in sentences."""
        said = [
            _("You spent %(say)s in %(name)s.")
            % {"say": self.say(self.spent_units), "name": self.period.name}
        ]
        said += self.over
        said.append(_("%(say)s is left.") % {"say": self.say(self.available_units)})
        if self.limit_units:
            said.append(_("You may owe up to %(say)s.") % {"say": self.say(self.limit_units)})
        said += [
            _("Uses that wait to be charged: %(usage_count)s. %(why)s")
            % {"usage_count": one.usage_count, "why": one.why}
            for one in self.waiting
        ]
        said += [todo.words for todo in self.todos] or [_("Nothing waits for you.")]
        return said

    @property
    def over(self) -> list[str]:
        """Of a month that is over: what it ended with, and of when all else speaks."""
        return self.period.over(self.say(self.closing_units), self.made_at)

    def say(self, units: int) -> str:
        """An amount with its asset."""
        return f"{money.grouped(units, self.asset.scale)} {self.asset.symbol}"


def lab_statement(*, party: Party, asset: Asset, period: Period, at: datetime) -> LabStatement:
    """The statement of a period as the journal has it at `at`."""
    accounts = accounts_of(party, asset, Kind.LAB)
    movements = _movements(accounts, period)
    balance = Balance.objects.filter(account__in=accounts).first()
    waiting = _waiting(accounts)
    opening, closing = balances(accounts, period)
    return LabStatement(
        party=party,
        asset=asset,
        period=period,
        made_at=at,
        spent_units=-sum(one.amount_units for one in movements if one.kind == Entry.Kind.USAGE),
        deposited_units=sum(
            one.amount_units for one in movements if one.kind == Entry.Kind.DEPOSIT
        ),
        available_units=balance.available if balance else 0,
        limit_units=-(balance.floor or 0) if balance else 0,
        waiting=waiting,
        todos=_todos(asset, balance, waiting),
        opening_units=opening,
        movements=movements,
        closing_units=closing,
    )


def _movements(accounts: list[Account], period: Period) -> list[Movement]:
    """Every line of the period; an entry for usage has one for each dataset version."""
    entries = moved(accounts, period)
    groups = _charged(accounts, [one.entry.pk for one in entries])
    deposits = {
        one.entry_id: one.reference for one in Deposit.objects.filter(entry__in=[
            each.entry.pk for each in entries
        ])
    }  # fmt: skip
    lines = []
    for one in entries:
        line = plain(one)
        parts = groups.get(one.entry.pk, [])
        assert not parts or sum(part.amount_units for part in parts) == -one.amount_units
        lines += [_of_group(line, part) for part in parts] or [
            Movement(
                **{
                    **line.__dict__,
                    "words": f"{line.words} {deposits.get(one.entry.pk, '')}".strip(),
                }
            )
        ]
    return [line for line in lines if line.amount_units]


def _charged(accounts: list[Account], entries: list[int]) -> dict[int, list[Charged]]:
    """What entries charged these accounts, by weight version."""
    if not entries:
        return {}
    # Rows lie in the order of entries: one range of them, of which others' are left out, is read
    # faster than each entry for itself.
    stretch = Charge.objects.filter(entry__gte=min(entries), entry__lte=max(entries))
    rows = list(
        stretch.filter(account__in=accounts)
        .values_list("entry", "weight_version")
        .annotate(charges=Count("usage"), amount=Sum("amount_units"))
        .order_by("entry", "weight_version")
    )
    weight_versions = WeightVersion.objects.select_related("version__dataset__owner").in_bulk(
        {row[1] for row in rows}
    )
    found: dict[int, list[Charged]] = defaultdict(list)
    for entry_id, weight_version_id, charges, amount in rows:
        assert weight_version_id is not None, "what is charged has weights"
        version = weight_versions[weight_version_id].version
        found[entry_id].append(Charged(weight_version_id, version, charges, int(amount)))
    return found


def _of_group(line: Movement, group: Charged) -> Movement:
    version = group.version
    changes = {
        "words": _("Use of %(version)s") % {"version": version},
        "amount_units": -group.amount_units,
        "charge_count": group.charge_count,
        "weight_version_id": group.weight_version_id,
        "version_id": str(version.pk),
        "gross_units": group.amount_units,
    }
    return Movement(**{**line.__dict__, **changes})


def _waiting(accounts: list[Account]) -> list[WaitingUse]:
    rows = Waiting.objects.filter(account__in=accounts).values("reason")
    totals = rows.annotate(uses=Count("pk"), needed=Sum("needed_units")).order_by("reason")
    return [
        WaitingUse(
            reason=row["reason"],
            why=f"{Waiting.Reason(row['reason']).label}.",
            usage_count=row["uses"],
            needed_units=int(row["needed"] or 0),
        )
        for row in totals
    ]


def _todos(asset: Asset, balance: Balance | None, waiting: list[WaitingUse]) -> list[Todo]:
    short = [one for one in waiting if one.reason == Waiting.Reason.NO_FUNDS]
    if not short or balance is None:
        return []
    return [
        Todo(
            "pay_in",
            _(
                "Pay in a deposit in %(symbol)s: what waits is charged when it arrives, and "
                "running jobs go on meanwhile."
            )
            % {"symbol": asset.symbol},
        )
    ]
