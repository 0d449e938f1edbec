"""The one way to move money: entries, posted by the database's own functions.

Credits are positive. `post` locks the head of the journal until the transaction ends: entries are
numbered and chained one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import Sum

from compensation.models import Account, Asset, Entry, Hold, Line
from provenance.models import Conflict, Party
from provenance.refusals import Refused

Kind = Account.Kind


class NotEnoughMoney(Refused):
    """An account would fall under its floor."""

    code = "not_enough_money"
    hint = "Pay in a deposit, or ask the operator for a credit limit."


class KeyMovedSomethingElse(Refused):
    """This idempotency key belongs to an entry that moved something else."""

    code = "key_moved_something_else"
    hint = "Use a new key for a new entry."


class AmountTooLarge(Refused):
    """An amount or a balance does not fit."""

    code = "amount_too_large"
    hint = "Amounts are limited to 2**63 - 1 units; move less at a time."


class CannotReverse(Refused):
    """This entry cannot be reversed by hand."""

    code = "cannot_reverse"
    hint = "Charges are corrected by the next revision, divisions by a restatement."


# Kinds that a person may reverse; the others are corrected by their own use cases.
REVERSIBLE = frozenset({Entry.Kind.DEPOSIT, Entry.Kind.ADJUSTMENT})


def account(
    kind: Account.Kind,
    asset: Asset,
    *,
    party: Party | None = None,
    conflict: Conflict | None = None,
) -> Account:
    """The one account of its kind, made when it is first asked for."""
    found = Account.objects.filter(kind=kind, asset=asset, party=party, conflict=conflict).first()
    if found is not None:
        return found
    made, _ = Account.objects.get_or_create(kind=kind, asset=asset, party=party, conflict=conflict)
    return made


def lock() -> int:
    """Wait for our turn to post, until this transaction ends; returns the last entry's number."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT compensation_lock_journal()")
        return int(cursor.fetchone()[0])


@transaction.atomic
def post(
    *,
    kind: Entry.Kind,
    lines: Iterable[tuple[Account, int]],
    effective_at: datetime,
    posted_at: datetime,
    idempotency_key: str,
    facts: Mapping[str, Any] | None = None,
    reverses: Entry | None = None,
    matures_at: datetime | None = None,
) -> Entry:
    """Post one entry; lines of one account are netted, and what is left adds up to zero.

    The same key again returns the entry made with it. Raises NotEnoughMoney,
    KeyMovedSomethingElse or AmountTooLarge. An unbalanced entry is our own bug.
    """
    moves = [(target, amount) for target, amount in lines if amount]
    assert moves, "an entry moves something"
    asset_id = moves[0][0].asset_id
    with _refusals(idempotency_key), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT compensation_post(%s, %s, %s::bigint[], %s::bigint[], %s, %s, %s, %s, %s, %s)",
            [
                str(kind),
                asset_id,
                [target.pk for target, _ in moves],
                [amount for _, amount in moves],
                effective_at,
                posted_at,
                idempotency_key,
                canonical_text(facts or {}),
                reverses.pk if reverses else None,
                matures_at,
            ],
        )
        number = cursor.fetchone()[0]
    return Entry.objects.get(pk=number)


def reverse(*, entry: Entry, reason: str, at: datetime) -> Entry:
    """Take an entry back by another one; the first stays as it is. Once only."""
    if entry.kind not in REVERSIBLE:
        raise CannotReverse(f"Entry {entry.pk} is of kind {entry.kind}.")
    return post(
        kind=Entry.Kind.REVERSAL,
        lines=[
            (line.account, -line.amount_units) for line in entry.lines.select_related("account")
        ],
        effective_at=at,
        posted_at=at,
        idempotency_key=f"reversal:{entry.pk}",
        facts={"reverses": entry.pk, "reason": reason},
        reverses=entry,
    )


def balance_at(held: Account, moment: datetime) -> int:
    """What an account held at a past moment, by the moments at which entries were posted."""
    lines = Line.objects.filter(account=held, entry__posted_at__lte=moment)
    return int(lines.aggregate(total=Sum("amount_units"))["total"] or 0)


def hold(
    *, target: Account, amount_units: int, idempotency_key: str, expires_at: datetime, at: datetime
) -> Hold:
    """Set an amount aside until it is ended, or expires by the database's clock."""
    with _refusals(idempotency_key), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT compensation_hold_place(%s, %s, %s, %s, %s)",
            [target.pk, amount_units, idempotency_key, expires_at, at],
        )
        return Hold.objects.get(pk=cursor.fetchone()[0])


def end_hold(*, idempotency_key: str, state: Hold.State) -> bool:
    """Give a held amount free; False if it was not open (or has not expired yet)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT compensation_hold_end(%s, %s)", [idempotency_key, str(state)])
        return bool(cursor.fetchone()[0])


def set_floor(*, target: Account, limit_units: int, reason: str, at: datetime) -> None:
    """Let a lab's account fall to `-limit_units`; raises NotEnoughMoney if it is lower already."""
    with _refusals("limit"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT compensation_set_limit(%s, %s, %s, %s)", [target.pk, limit_units, reason, at]
        )


def canonical_text(facts: Mapping[str, Any]) -> str:
    """Facts as the text that is hashed: JSON with sorted keys and no spaces."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


@contextmanager
def _refusals(key: str) -> Iterator[None]:
    """Say in our words what the database refused."""
    try:
        yield
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if diagnosis is not None and diagnosis.constraint_name == "balance_not_under_its_floor":
            raise NotEnoughMoney from error
        if diagnosis is not None and diagnosis.sqlstate == "23505" and "key" in str(error):
            raise KeyMovedSomethingElse(f"The key {key!r} was used before.") from error
        raise
    except DataError as error:
        if getattr(error.__cause__, "sqlstate", "") == "22003":
            raise AmountTooLarge from error
        raise
