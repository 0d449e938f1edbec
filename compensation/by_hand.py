"""What operators book by hand of money that comes in: deposits, credit limits, the treasury's own.

Over their limits each takes a second person (`compensation.limits`). What the chain, a bank or a
payment provider shows is booked without (`transfers`, `bookings`, `payments`).
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from compensation import conversions, deposits, journal, limits
from compensation.limits import Act
from compensation.models import Account, Asset, Balance, CreditLimit, Deposit, Entry
from provenance.models import Party, User


@transaction.atomic
def deposit(
    *,
    lab: Party,
    asset: Asset,
    amount_units: int,
    reference: str,
    at: datetime,
    by: User | None = None,
    approved_units: int | None = None,
) -> Deposit:
    """Credit a lab with money that a person saw arrive; a reference counts once.

    Raises limits.TakesTwo, or as deposits.deposit does.
    """
    journal.lock()
    if not Deposit.objects.filter(asset=asset, reference=reference).exists():
        limits.require(Act.DEPOSIT, {asset: amount_units}, approved_units=approved_units)
    return deposits.deposit(
        lab=lab, asset=asset, amount_units=amount_units, reference=reference, at=at, by=by
    )


@transaction.atomic
def set_credit_limit(
    *,
    lab: Party,
    asset: Asset,
    limit_units: int,
    reason: str,
    at: datetime,
    approved_units: int | None = None,
) -> Balance:
    """Let a lab be invoiced up to a limit; a lower limit than it has takes one person.

    Raises limits.TakesTwo, or as deposits.set_credit_limit does.
    """
    journal.lock()
    if limit_units > limit_of(lab, asset):
        limits.require(Act.CREDIT, {asset: limit_units}, approved_units=approved_units)
    return deposits.set_credit_limit(
        lab=lab, asset=asset, limit_units=limit_units, reason=reason, at=at
    )


@transaction.atomic
def fund_treasury(
    *,
    asset: Asset,
    amount_units: int,
    reference: str,
    at: datetime,
    approved_units: int | None = None,
) -> Entry:
    """Bring the platform's own money into the journal, or with a negative amount out of it.

    Raises limits.TakesTwo, or as conversions.fund_treasury does.
    """
    journal.lock()
    key = f"treasury:{asset.pk}:{reference}"
    if not Entry.objects.filter(idempotency_key=key).exists():
        limits.require(Act.FUNDING, {asset: abs(amount_units)}, approved_units=approved_units)
    return conversions.fund_treasury(
        asset=asset, amount_units=amount_units, reference=reference, at=at
    )


def limit_of(lab: Party, asset: Asset) -> int:
    """How far a lab's account may go under zero now, in units."""
    rows = CreditLimit.objects.filter(
        account__kind=Account.Kind.LAB, account__party=lab, account__asset=asset
    )
    last = rows.order_by("pk").last()
    return last.limit_units if last else 0
