"""What moved on a party's accounts, entry by entry: the body of every statement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, Sum
from django.utils.translation import gettext_lazy as _lazy

from compensation.models import Account, Asset, Entry, Line
from compensation.statements.period import Period
from provenance.models import Party

WORDS = {
    Entry.Kind.DEPOSIT: _lazy("Deposit"),
    Entry.Kind.USAGE: _lazy("Use of data"),
    Entry.Kind.RESTATEMENT: _lazy("Divided anew after a conflict"),
    Entry.Kind.RECOVERY: _lazy("Recovered after a conflict"),
    Entry.Kind.PAYOUT: _lazy("Sent to be paid out"),
    Entry.Kind.SETTLEMENT: _lazy("Paid out"),
    Entry.Kind.RETURN: _lazy("A payout that came back"),
    Entry.Kind.REVERSAL: _lazy("Taken back"),
    Entry.Kind.ADJUSTMENT: _lazy("Adjusted by the operator"),
    Entry.Kind.CONVERSION: _lazy("Converted from another asset"),
}


@dataclass(frozen=True)
class Movement:
    """One line of a statement; `charge_count` charges stand behind it."""

    at: datetime
    entry_id: int
    entry_hash: str
    kind: str
    words: str
    amount_units: int
    charge_count: int = 0
    weight_version_id: int | None = None
    version_id: str = ""
    payout_epoch: int | None = None
    # The reference of the bank payment that it left by.
    payment: str = ""
    # The payout that it is of, as its page is called; the conflict after which it was divided.
    payout: str = ""
    conflict_id: str = ""
    # What all owners of that data earned together, of which `amount_units` is this one's share.
    gross_units: int = 0


@dataclass(frozen=True)
class Moved:
    """What one entry did to a set of accounts together."""

    entry: Entry
    amount_units: int


def accounts_of(party: Party, asset: Asset, *kinds: Account.Kind) -> list[Account]:
    """The accounts of these kinds that a party has in an asset."""
    return list(Account.objects.filter(party=party, asset=asset, kind__in=kinds))


def balances(accounts: Iterable[Account], period: Period) -> tuple[int, int]:
    """What accounts held together when a period began, and at its end.

    A late entry belongs to the period that it was posted to, so that what was closed stays.
    """
    earlier = Q(entry__period__lt=period.name) | Q(entry__period=None)
    lines = Line.objects.filter(
        earlier | Q(entry__period=period.name), account__in=list(accounts)
    ).aggregate(opening=Sum("amount_units", filter=earlier), closing=Sum("amount_units"))
    return int(lines["opening"] or 0), int(lines["closing"] or 0)


def moved(accounts: Iterable[Account], period: Period) -> list[Moved]:
    """What each entry of a period moved on accounts taken together; what nets out is left out."""
    rows = (
        Line.objects.filter(entry__period=period.name, account__in=list(accounts))
        .values("entry")
        .annotate(total=Sum("amount_units"))
        .order_by("entry")
    )
    sums: dict[Any, int] = {row["entry"]: int(row["total"]) for row in rows if row["total"]}
    entries = Entry.objects.in_bulk(sums)
    return [Moved(entries[number], sums[number]) for number in sorted(sums)]


def plain(one: Moved) -> Movement:
    """A movement that needs no more words than its kind's."""
    return Movement(
        at=one.entry.posted_at,
        entry_id=one.entry.pk,
        entry_hash=bytes(one.entry.hash).hex(),
        kind=one.entry.kind,
        words=str(WORDS[Entry.Kind(one.entry.kind)]),
        amount_units=one.amount_units,
    )
