"""Money that left again: refunds and disputes take back what is there, never what is spent.

What had been spent by then is the lab's debt: it is paid first from whatever comes in next, and new
runs wait for that. Every function expects the caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from compensation import journal
from compensation.models import Account, Asset, Balance, Entry
from provenance import ledger
from provenance.models import Party

Kind = Account.Kind


@dataclass(frozen=True)
class Taken:
    """What a refund took: in all, and what of it the lab now owes because it had spent it."""

    entry: Entry
    units: int
    short_units: int


def spendable(balance: Balance | None) -> int | None:
    """What an account may still spend, credit limit included; None where there is no limit."""
    if balance is None:
        return 0
    return None if balance.floor is None else balance.posted - balance.held - balance.floor


def owed_units(lab: Party, asset: Asset) -> int:
    """What a lab owes after refunds of money that it had spent."""
    rows = Balance.objects.filter(
        account__kind=Kind.LAB_DEBT, account__asset=asset, account__party=lab
    )
    return -sum(row.posted for row in rows)


def take_back(
    *, lab: Party, asset: Asset, units: int, key: str, reference: str, at: datetime
) -> Taken:
    """Book that `units` of a lab's deposit went back to where they came from."""
    journal.lock()
    held = journal.account(Kind.LAB, asset, party=lab)
    free = spendable(Balance.objects.get(account=held))
    taken = units if free is None else max(0, min(units, free))
    short = units - taken
    lines = [(journal.account(Kind.EXTERNAL, asset), units), (held, -taken)]
    if short:
        lines.append((journal.account(Kind.LAB_DEBT, asset, party=lab), -short))
    entry = _post(key, reference, lines, at)
    _record("deposit.taken_back", lab, asset, units, short, entry, at)
    return Taken(entry, units, short)


def give_back(
    *, lab: Party, asset: Asset, units: int, key: str, reference: str, at: datetime
) -> Entry:
    """Book that money which had been taken back has come again; debts are paid first."""
    journal.lock()
    lines = [
        (journal.account(Kind.EXTERNAL, asset), -units),
        (journal.account(Kind.LAB, asset, party=lab), units),
    ]
    entry = _post(key, reference, lines, at)
    _record("deposit.restored", lab, asset, units, 0, entry, at)
    collect(lab=lab, asset=asset, at=at)
    return entry


def collect(*, lab: Party, asset: Asset, at: datetime) -> int:
    """Pay what a lab owes from what it may spend now; how much."""
    debt = Account.objects.filter(kind=Kind.LAB_DEBT, asset=asset, party=lab).first()
    if debt is None:
        return 0
    number = journal.lock()
    held = journal.account(Kind.LAB, asset, party=lab)
    free, owed = spendable(Balance.objects.get(account=held)), owed_units(lab, asset)
    units = owed if free is None else max(0, min(owed, free))
    if units:
        # Entries are numbered without gaps: the last one's number is a key of this moment.
        key = f"debt:{debt.pk}:{number}"
        entry = _post(key, "", [(held, -units), (debt, units)], at)
        _record("debt.paid", lab, asset, units, 0, entry, at)
    return units


def _post(key: str, reference: str, lines: list[tuple[Account, int]], at: datetime) -> Entry:
    return journal.post(
        kind=Entry.Kind.REFUND,
        lines=lines,
        effective_at=at,
        posted_at=at,
        idempotency_key=key,
        facts={"reference": reference} if reference else {},
    )


def _record(
    kind: str, lab: Party, asset: Asset, units: int, short: int, entry: Entry, at: datetime
) -> None:
    ledger.record(
        kind,
        at=at,
        subject_kind="party",
        subject_id=lab.pk,
        party=lab,
        body={
            "asset": asset.code,
            "amount_units": str(units),
            "owed_units": str(short),
            "entry": entry.pk,
            "entry_hash": bytes(entry.hash),
        },
    )
