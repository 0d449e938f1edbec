"""The one way to move money: entries, posted by the database's own functions.

Credits are positive. `post` locks the head of the journal until the transaction ends: entries are
numbered and chained one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from django.db import DataError, IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from compensation import limits
from compensation.models import Account, Asset, Entry
from provenance import ledger
from provenance.models import Conflict, Party, User
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


class BadKey(Refused):
    """An idempotency key, or the reference that it is made of, is one line of text."""

    code = "bad_key"
    status = 400
    hint = "Leave out the line breaks."


class AmountTooLarge(Refused):
    """An amount or a balance does not fit."""

    code = "amount_too_large"
    hint = "Amounts are limited to 2**63 - 1 units; move less at a time."


class CannotReverse(Refused):
    """This entry cannot be reversed by hand."""

    code = "cannot_reverse"
    hint = "Only deposits and adjustments are reversed; everything else has its own correction."


# Kinds that a person may reverse.
REVERSIBLE = frozenset({Entry.Kind.DEPOSIT, Entry.Kind.ADJUSTMENT})
# How the others are corrected.
CORRECTED_BY: dict[str, str] = {
    Entry.Kind.USAGE: "A charge is corrected by the next revision of its usage.",
    Entry.Kind.RESTATEMENT: "A division is corrected by the next restatement.",
    Entry.Kind.CONVERSION: "Convert the other way, at a price of its own.",
    Entry.Kind.PAYOUT: "A payout that came back is booked when the chain or the bank returns it.",
    Entry.Kind.SETTLEMENT: "What was paid is paid: ask the payee for it, and adjust.",
    Entry.Kind.RETURN: "It goes with the next payout; withdraw the account if it must not.",
    Entry.Kind.REVERSAL: "Post what was reversed again, under a new key.",
}


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
    KeyMovedSomethingElse, BadKey or AmountTooLarge. An unbalanced entry is our own bug.
    """
    moves = [(target, amount) for target, amount in lines if amount]
    assert moves, "an entry moves something"
    asset_id = moves[0][0].asset_id
    with refusals(idempotency_key), transaction.atomic(), connection.cursor() as cursor:
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


@transaction.atomic
def reverse(
    *,
    entry: Entry,
    reason: str,
    at: datetime,
    by: User | None = None,
    approved_units: int | None = None,
) -> Entry:
    """Take an entry back by another one, effective now; the first stays as it is. Once only.

    Raises CannotReverse, NotEnoughMoney where it was spent already, or limits.TakesTwo.
    """
    if entry.kind not in REVERSIBLE:
        raise CannotReverse(
            _("Entry %(pk)s is a %(kind)s.")
            % {"pk": entry.pk, "kind": entry.get_kind_display().lower()},
            hint=CORRECTED_BY.get(entry.kind, CannotReverse.hint),
        )
    lock()
    earlier = Entry.objects.filter(reverses=entry).first()
    if earlier is not None:
        return earlier
    lines = entry.lines.select_related("account__party")
    moved = sum(line.amount_units for line in lines if line.amount_units > 0)
    limits.require(limits.Act.ENTRY, {entry.asset: moved}, approved_units=approved_units)
    made = post(
        kind=Entry.Kind.REVERSAL,
        lines=[(line.account, -line.amount_units) for line in lines],
        effective_at=at,
        posted_at=at,
        idempotency_key=f"reversal:{entry.pk}",
        facts={"reverses": entry.pk, "reason": reason},
        reverses=entry,
    )
    ledger.record(
        "entry.reversed",
        at=at,
        subject_kind="journal",
        party=next((line.account.party for line in lines if line.account.party), None),
        body={"entry": made.pk, "entry_hash": bytes(made.hash), "reverses": entry.pk,
              "by": by.pk if by else None},
    )  # fmt: skip
    return made


class By(StrEnum):
    """Which of an entry's two dates a balance of the past goes by."""

    POSTED = "posted"
    EFFECTIVE = "effective"


# Whole hours that are added up, then the entries of the last hour, then those not added up yet.
_BALANCE_AT = """
SELECT coalesce((SELECT sum(t.amount_units) FROM compensation_turnover t
                  WHERE t.account_id = %(account)s AND t.{by}_hour < %(hour)s), 0)
     + coalesce((SELECT sum(l.amount_units) FROM compensation_entry e
                   JOIN compensation_line l ON l.entry_id = e.id AND l.account_id = %(account)s
                  WHERE e.{by}_at >= %(hour)s AND e.{by}_at <= %(at)s AND e.id <= m.number), 0)
     + coalesce((SELECT sum(l.amount_units) FROM compensation_line l
                   JOIN compensation_entry e ON e.id = l.entry_id
                  WHERE l.account_id = %(account)s AND l.entry_id > m.number
                    AND e.{by}_at <= %(at)s), 0)
  FROM compensation_turnovermark m WHERE m.id = 1
"""


def balance_at(held: Account, moment: datetime, *, by: By = By.POSTED) -> int:
    """What an account held at a past moment, in units.

    By the moments at which entries were posted, which is what was known then; or by those from
    which they are effective, which later entries may still change.
    """
    hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(
            _BALANCE_AT.format(by=by.value), {"account": held.pk, "hour": hour, "at": moment}
        )
        return int(cursor.fetchone()[0])


def set_floor(*, target: Account, limit_units: int, reason: str, at: datetime) -> None:
    """Let a lab's account fall to `-limit_units`; raises NotEnoughMoney if it is lower already."""
    with refusals("limit"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT compensation_set_limit(%s, %s::bigint, %s, %s)",
            [target.pk, limit_units, reason, at],
        )


def canonical_text(facts: Mapping[str, Any]) -> str:
    """Facts as the text that is hashed: JSON with sorted keys and no spaces."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


@contextmanager
def refusals(key: str) -> Iterator[None]:
    """Say in our words what the database refused of an amount or an idempotency key."""
    if "\n" in key:
        raise BadKey
    try:
        yield
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if diagnosis is not None and diagnosis.constraint_name == "balance_not_under_its_floor":
            raise NotEnoughMoney from error
        if diagnosis is not None and diagnosis.sqlstate == "23505" and "key" in str(error):
            raise KeyMovedSomethingElse(
                _("The key %(key)s was used before.") % {"key": repr(key)}
            ) from error
        raise
    except DataError as error:
        if getattr(error.__cause__, "sqlstate", "") == "22003":
            raise AmountTooLarge from error
        raise
