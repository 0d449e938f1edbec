"""A small journal for tests: two accounts, and money that moves between them."""

from __future__ import annotations

from datetime import datetime

from compensation import journal
from compensation.models import Account, Asset, Entry
from tests.cast import NOON


def move(
    source: Account,
    target: Account,
    units: int,
    key: str,
    *,
    effective_at: datetime = NOON,
    posted_at: datetime | None = None,
    kind: Entry.Kind = Entry.Kind.ADJUSTMENT,
) -> Entry:
    """Move units from one account to another, posted when it is effective unless told."""
    return journal.post(
        kind=kind,
        lines=[(source, -units), (target, units)],
        effective_at=effective_at,
        posted_at=posted_at or effective_at,
        idempotency_key=key,
    )


def outside(asset: Asset) -> Account:
    """The world outside, where money comes from."""
    return journal.account(Account.Kind.EXTERNAL, asset)


def treasury(asset: Asset) -> Account:
    """The platform's own money."""
    return journal.account(Account.Kind.TREASURY, asset)
