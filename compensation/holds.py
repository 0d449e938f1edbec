"""Holds: money set aside on an account, posted whole or in parts, given back, or expired.

A hold never posts more than it holds, whatever is asked and however often; it expires by the
database's clock, which all workers share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import DatabaseError, connection, transaction

from compensation import journal
from compensation.models import Account, Entry, Hold
from provenance.refusals import Refused

EXPIRE_LIMIT = 1_000


class HoldNotOpen(Refused):
    """This hold has ended, or was never placed."""

    code = "hold_not_open"
    hint = "Place a new hold for what is still needed."


class HoldTooSmall(Refused):
    """More was asked of a hold than is left of it."""

    code = "hold_too_small"
    hint = "Post what is left of it, and the rest as an entry of its own."


class HoldExpired(Refused):
    """This hold has expired."""

    code = "hold_expired"
    hint = "Place a new hold, with an end that is later."


_REFUSED: dict[str, type[Refused]] = {
    "TMH01": HoldNotOpen,
    "TMH02": HoldTooSmall,
    "TMH03": HoldExpired,
}


def place(
    *,
    target: Account,
    amount_units: int,
    idempotency_key: str,
    expires_at: datetime | None,
    at: datetime,
) -> Hold:
    """Set an amount aside until it is posted or given back, or until `expires_at` has passed.

    The same key again returns the hold that was placed with it. Raises journal.NotEnoughMoney,
    journal.KeyMovedSomethingElse or journal.AmountTooLarge.
    """
    assert amount_units > 0, "a hold is positive"
    with _refusals(idempotency_key), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT compensation_hold_place(%s, %s::bigint, %s, %s, %s)",
            [target.pk, amount_units, idempotency_key, expires_at, at],
        )
        return Hold.objects.get(pk=cursor.fetchone()[0])


def post(
    *,
    key: str,
    to: Iterable[tuple[Account, int]],
    kind: Entry.Kind,
    effective_at: datetime,
    posted_at: datetime,
    idempotency_key: str,
    facts: Mapping[str, Any] | None = None,
    frees_rest: bool = False,
) -> Entry:
    """Move money from the account of the hold `key` to others, out of what it holds.

    The rest stays held, or is given back with `frees_rest`. The same idempotency key again returns
    the entry that was made with it. Raises HoldNotOpen, HoldTooSmall, HoldExpired, or what
    `journal.post` raises.
    """
    moves = list(to)
    assert moves, "a hold is posted to somebody"
    with _refusals(idempotency_key), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT compensation_hold_post(%s, %s::bigint[], %s::bigint[], %s, %s, %s, %s, %s, %s)",
            [
                key,
                [target.pk for target, _ in moves],
                [amount for _, amount in moves],
                frees_rest,
                str(kind),
                effective_at,
                posted_at,
                idempotency_key,
                journal.canonical_text(facts or {}),
            ],
        )
        return Entry.objects.get(pk=cursor.fetchone()[0])


def void(*, key: str) -> bool:
    """Give back what is left of a hold; False if it was not open."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT compensation_hold_void(%s)", [key])
        return bool(cursor.fetchone()[0])


def expire(*, limit: int = EXPIRE_LIMIT) -> int:
    """End the holds whose time is over by the database's clock; how many."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT compensation_holds_expire(%s)", [limit])
        return int(cursor.fetchone()[0])


@contextmanager
def _refusals(key: str) -> Iterator[None]:
    """Say in our words what the database refused of a hold."""
    try:
        with journal.refusals(key):
            yield
    except DatabaseError as error:
        refused = _REFUSED.get(getattr(error.__cause__, "sqlstate", None) or "")
        if refused is None:
            raise
        raise refused(f"{error.__cause__}".splitlines()[0].capitalize() + ".") from error
