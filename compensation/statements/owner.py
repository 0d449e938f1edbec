"""An owner's statement: earned; held, why, until when; next payout; what to do; then each line."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.utils.translation import gettext as _

from compensation import entry_subjects, money, payees, progress, settlement, weights
from compensation.models import (
    Account,
    Asset,
    Balance,
    BankPayout,
    Entry,
    Line,
    PayoutEpoch,
    Take,
    WeightVersion,
)
from compensation.statements import shares
from compensation.statements.movements import (
    Movement,
    accounts_of,
    balances,
    moved,
    plain,
)
from compensation.statements.period import Period
from provenance.models import Conflict, DatasetVersion, Party

Kind = Account.Kind
# What is the owner's with us: earned and not yet sent.
OWNED = (Kind.OWNER_PENDING, Kind.OWNER)


@dataclass(frozen=True)
class Held:
    """Money that an owner cannot have yet: why, and until when (null: until it is decided)."""

    amount_units: int
    why: str
    until_at: datetime | None
    conflict_id: str = ""


@dataclass(frozen=True)
class Todo:
    """Something that only the owner can do; `code` is stable, `words` say it."""

    code: str
    words: str
    deadline_at: datetime | None = None
    conflict_id: str = ""

    @property
    def sentence(self) -> str:
        """The words with their day, for where nothing stands beside them."""
        if self.deadline_at is None:
            return self.words
        day = f"{self.deadline_at:%Y-%m-%d}"
        return _("%(words)s, by %(day)s.") % {"words": self.words, "day": day}


@dataclass(frozen=True)
class OwnerStatement:
    """Opening + movements = closing, to the unit; amounts are units of `asset`."""

    party: Party
    asset: Asset
    period: Period
    made_at: datetime
    earned_units: int
    earned_ever_units: int
    held: list[Held]
    payable_units: int
    claimable_units: int
    in_flight_units: int
    paid_units: int
    owed_units: int
    next_payout: str
    todos: list[Todo]
    opening_units: int
    movements: list[Movement]
    closing_units: int

    @property
    def words(self) -> list[str]:
        """The first page: what an owner wants to know, in sentences."""
        said = [
            _("You earned %(say)s in %(name)s.")
            % {"say": self.say(self.earned_units), "name": self.period.name}
        ]
        said += self.over
        said += [
            _("%(say)s is held: %(why)s") % {"say": self.say(one.amount_units), "why": one.why}
            for one in self.held
        ]
        if not self.held:
            said.append(_("Nothing is held."))
        if self.owed_units:
            said.append(
                _(
                    "%(say)s that you were paid was another owner's; at most half of each payout "
                    "goes towards it."
                )
                % {"say": self.say(self.owed_units)}
            )
        said.append(self.next_payout)
        said += [todo.sentence for todo in self.todos] or [_("Nothing waits for you.")]
        return said

    @property
    def on_its_way_units(self) -> int:
        """What was sent and has not arrived; what waits to be claimed is not sent yet."""
        is_waiting = any(todo.code == "claim" for todo in self.todos)
        return max(0, self.in_flight_units - (self.claimable_units if is_waiting else 0))

    @property
    def waits_for_payout(self) -> bool:
        """Whether something is to be claimed, or to be said about where it is paid."""
        return bool(self.claimable_units) or not all(one.conflict_id for one in self.todos)

    @property
    def over(self) -> list[str]:
        """Of a month that is over: what it ended with, and of when all else speaks."""
        return self.period.over(self.say(self.closing_units), self.made_at)

    def say(self, units: int) -> str:
        """An amount with its asset."""
        return f"{money.grouped(units, self.asset.scale)} {self.asset.symbol}"


def owner_statement(*, party: Party, asset: Asset, period: Period, at: datetime) -> OwnerStatement:
    """The statement of a period as the journal has it at `at`.

    What is held, payable and to be done is said as of now, whatever the period.
    """
    owned = accounts_of(party, asset, *OWNED)
    now = _balances(party, asset)
    found = settlement.claimable(party, asset)
    statement = {
        "claimable_units": found.open_units if found else 0,
        "payable_units": now[Kind.OWNER],
        "in_flight_units": now[Kind.PAYOUTS_IN_FLIGHT],
        "owed_units": -now[Kind.RECEIVABLE],
    }
    movements = _movements(party, asset, owned, period)
    opening, closing = balances(owned, period)
    return OwnerStatement(
        party=party,
        asset=asset,
        period=period,
        made_at=at,
        earned_units=_earned(owned, period),
        earned_ever_units=_earned(owned, None),
        held=[*_held_back(party, asset), *_awaited(party, asset), *_in_conflict(party, asset)],
        paid_units=_paid(party, asset, period),
        next_payout=_next_payout(party, asset, now[Kind.OWNER], found, at),
        todos=_todos(party, asset, now, found),
        opening_units=opening,
        movements=movements,
        closing_units=closing,
        **statement,
    )


def _balances(party: Party, asset: Asset) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    rows = Balance.objects.filter(account__party=party, account__asset=asset)
    for kind, posted in rows.values_list("account__kind", "posted"):
        found[kind] += posted
    return found


def _earned(owned: list[Account], period: Period | None) -> int:
    """What use earned, and what conflicts moved, in a period or ever."""
    kinds = [Entry.Kind.USAGE, Entry.Kind.RESTATEMENT, Entry.Kind.RECOVERY]
    lines = Line.objects.filter(
        account__in=owned, account__kind=Kind.OWNER_PENDING, entry__kind__in=kinds
    )
    if period is not None:
        lines = lines.filter(entry__period=period.name)
    return int(lines.aggregate(total=Sum("amount_units"))["total"] or 0)


def _paid(party: Party, asset: Asset, period: Period) -> int:
    since, until = period.starts_at, period.ends_at
    return progress.paid_units(party=party, asset=asset, since=since, until=until)


def _movements(party: Party, asset: Asset, owned: list[Account], period: Period) -> list[Movement]:
    """Every line of the period; an entry for usage has one for each dataset version."""
    entries = moved(owned, period)
    pending = next((one for one in owned if one.kind == Kind.OWNER_PENDING), None)
    parts: dict[int, list[shares.Grown]] = defaultdict(list)
    usage_entries = [one.entry.pk for one in entries if one.entry.kind == Entry.Kind.USAGE]
    if pending is not None and usage_entries:
        for part in shares.grown(pending, usage_entries):
            parts[part.entry_id].append(part)
    versions = DatasetVersion.objects.select_related("dataset__owner").in_bulk(
        {part.version_id for found in parts.values() for part in found}
    )
    about = _about([one.entry for one in entries], party)
    lines = []
    for one in entries:
        line = plain(one)
        if one.entry.pk in parts:
            found = parts[one.entry.pk]
            assert sum(part.share_units for part in found) == one.amount_units
            lines += [_of_usage(line, part, versions[part.version_id]) for part in found]
        else:
            lines.append(_with(line, **about[one.entry.pk]))
    return [line for line in lines if line.amount_units]


def _about(entries: list[Entry], party: Party) -> dict[int, dict[str, Any]]:
    """What a line says of its entry besides its kind: the payout or the conflict it is about."""
    numbers = [entry.pk for entry in entries]
    epochs = dict(PayoutEpoch.objects.filter(entry__in=numbers).values_list("entry", "number"))
    by_bank = BankPayout.objects.filter(party=party, run__entry__in=numbers)
    payments = dict(by_bank.values_list("run__entry", "reference"))
    payouts = entry_subjects.payouts(entries, party)
    conflicts = entry_subjects.conflicts(entries, party)
    return {
        number: {
            "payout_epoch": epochs.get(number),
            "payment": payments.get(number, ""),
            "payout": payouts.get(number, ""),
            "conflict_id": str(conflicts[number].pk) if number in conflicts else "",
        }
        for number in numbers
    }


def _of_usage(line: Movement, part: shares.Grown, version: DatasetVersion) -> Movement:
    return _with(
        line,
        words=_("Use of %(version)s") % {"version": version},
        amount_units=part.share_units,
        charge_count=part.charge_count,
        weight_version_id=part.weight_version_id,
        version_id=str(part.version_id),
        gross_units=part.gross_units,
    )


def _with(line: Movement, **changes: Any) -> Movement:
    return Movement(**{**line.__dict__, **changes})


def _held_back(party: Party, asset: Asset) -> list[Held]:
    """What was earned and is not yet payable, by the day on which it becomes so."""
    rows = (
        Line.objects.filter(
            account__party=party,
            account__asset=asset,
            account__kind=Kind.OWNER_PENDING,
            amount_units__gt=0,
            entry__maturity__matured_at=None,
            entry__maturity__isnull=False,
        )
        .order_by("entry__maturity__matures_at")
        .values_list("entry__maturity__matures_at", "amount_units")
    )
    takes = Take.objects.filter(account__party=party, account__asset=asset)
    borne = int(takes.aggregate(total=Sum("remaining_units"))["total"] or 0)
    days: dict[Any, list[Any]] = {}
    for matures_at, amount in rows:
        part = min(borne, amount)
        borne -= part
        day = days.setdefault(matures_at.date(), [0, matures_at])
        day[0], day[1] = day[0] + amount - part, max(day[1], matures_at)
    return [
        Held(
            amount_units=amount,
            why=(
                _(
                    "it becomes payable on %(until)s, %(HOLD_BACK_DAYS)s days after it was "
                    "earned, so that mistakes can be put right."
                )
                % {"until": f"{until:%Y-%m-%d}", "HOLD_BACK_DAYS": settings.HOLD_BACK_DAYS}
            ),
            until_at=until,
        )
        for amount, until in days.values()
        if amount
    ]


def _awaited(party: Party, asset: Asset) -> list[Held]:
    rows = Balance.objects.filter(
        account__kind=Kind.AWAITED, account__party=party, account__asset=asset, posted__gt=0
    ).select_related("account__conflict")
    return [
        Held(
            amount_units=row.posted,
            why=_(
                "it was paid to another owner before the decision; it comes as that owner earns."
            ),
            until_at=None,
            conflict_id=str(row.account.conflict_id or ""),
        )
        for row in rows
    ]


def _in_conflict(party: Party, asset: Asset) -> list[Held]:
    """What the party's own datasets earned for escrow, by conflict."""
    sums: dict[str, int] = defaultdict(int)
    rows = WeightVersion.objects.filter(
        version__dataset__owner=party, asset=asset, total_units__gt=0, cells__is_held=True
    ).distinct()
    for row in rows:
        for payee, amount in weights.targets_of(row).items():
            if payee.kind == "escrow":
                sums[payee.id] += amount
    conflicts = Conflict.objects.select_related("later__owner", "earlier__owner").in_bulk(sums)
    by_id = {str(key): one for key, one in conflicts.items()}
    return [_held_for(by_id[key], party, amount) for key, amount in sums.items() if amount]


def _held_for(conflict: Conflict, party: Party, amount: int) -> Held:
    sides = (conflict.later.owner, conflict.earlier.owner)
    other = next((side for side in sides if side != party), party)
    return Held(
        amount_units=amount,
        why=_("it came from records that are in question with %(other)s.") % {"other": other},
        until_at=conflict.deadline_at,
        conflict_id=str(conflict.pk),
    )


def _next_payout(
    party: Party, asset: Asset, payable: int, found: settlement.Claimable | None, at: datetime
) -> str:
    say = f"{money.grouped(payable, asset.scale)} {asset.symbol}"
    if found is not None:
        ready = f"{money.grouped(found.open_units, asset.scale)} {asset.symbol}"
        if found.claim is not None:
            return _("%(ready)s is being sent to %(address)s.") % {
                "ready": ready,
                "address": found.leaf.address,
            }
        return _("%(ready)s is ready: claim it, and it is sent to %(address)s.") % {
            "ready": ready,
            "address": found.leaf.address,
        }
    if payable <= 0:
        return _("Nothing is payable now.")
    under_way = PayoutEpoch.objects.filter(asset=asset).exclude(state=PayoutEpoch.State.ACTIVE)
    state, words = progress.waits_for(party=party, asset=asset, units=payable, at=at)
    if state == progress.PAYABLE and under_way.exists():
        return _(
            "%(say)s is payable and goes into the payout after the one now being prepared."
        ) % {"say": say}
    return _("%(say)s is payable. %(words)s") % {"say": say, "words": words}


def _todos(
    party: Party, asset: Asset, now: dict[str, int], found: settlement.Claimable | None
) -> list[Todo]:
    todos = []
    is_earning = now[Kind.OWNER] + now[Kind.OWNER_PENDING] > 0
    if found is not None and found.claim is None:
        todos.append(Todo("claim", _("Claim the payout that is ready.")))
    waiting = Conflict.objects.filter(awaits=party).select_related("later", "earlier")
    for conflict in waiting.order_by("deadline_at"):
        todos.append(
            Todo(
                "answer_conflict",
                conflict.asked,
                conflict.deadline_at,
                str(conflict.pk),
            )
        )
    method = payees.method_in_force(party, asset)
    if is_earning and method is None:
        words = (
            _("Say where your payouts should go: add an address.")
            if asset.chain
            else _("Say where your payouts should go: add a bank account.")
        )
        todos.append(Todo("add_address", words))
    if method is not None and method.flagged_at is not None:
        todos.append(Todo("confirm_account", _("A payout came back: confirm where it went.")))
    return todos
