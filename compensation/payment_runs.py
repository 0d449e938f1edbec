"""Payment runs: all that is due by bank, as one order to our bank and one entry in the journal.

Order, payments and entry are made in one transaction: whoever is killed in between has made
nothing, and the order can be downloaded again as often as it takes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from compensation import bank_steps, dues, journal, limits, payees
from compensation.bank import charset, currency, pain001, references
from compensation.models import Asset, BankAccount, BankPayout, PaymentRun, PayoutStep
from provenance import ledger, secrecy
from provenance.models import User
from provenance.refusals import Refused

# What a bank takes in one file, and what is made within a few seconds; the rest goes next time.
RUN_LIMIT = 5_000


class NoBankAccount(Refused):
    """There is no account of ours from which this asset is paid."""

    code = "no_bank_account"
    hint = "Name the account of the operator for this currency first."


class NothingIsDue(Refused):
    """Nothing is due by bank in this asset now."""

    code = "nothing_is_due"
    hint = "Payees without an account, on hold, below their threshold or before their day wait."


class DayIsPast(Refused):
    """A bank cannot pay on a day that is over."""

    code = "execution_day_is_past"
    status = 400
    hint = "Choose today or a later day."


class UnknownMessage(Refused):
    """We do not write that message."""

    code = "unknown_bank_message"
    status = 400
    hint = f"Choose from: {', '.join(pain001.VERSIONS)}."


class RunIsKnown(Refused):
    """The bank has this order: it cannot be withdrawn here."""

    code = "run_is_known_to_the_bank"
    hint = "Ask the bank to recall it; what comes back is read from its statement."


@transaction.atomic
def name_account(
    *,
    asset: Asset,
    holder: str,
    iban: str,
    bic: str = "",
    message: str = pain001.VERSIONS[0],
    is_structured: bool = False,
    at: datetime,
) -> BankAccount:
    """Name the operator's account from which a currency is paid; it replaces the one before.

    Raises payees.BadAccount, payees.NotPaidByBank or UnknownMessage.
    """
    if not asset.code.startswith(currency.PREFIX):
        raise payees.NotPaidByBank(_("%(asset)s is not paid by bank.") % {"asset": asset})
    if message not in pain001.VERSIONS:
        raise UnknownMessage
    if not charset.latin(holder, pain001.NAME_LIMIT):
        raise payees.BadAccount(_("The holder's name is missing."))
    number, branch = payees.checked_account(iban=iban, bic=bic)
    Asset.objects.select_for_update().get(pk=asset.pk)
    BankAccount.objects.filter(asset=asset, closed_at=None).update(closed_at=at)
    return BankAccount.objects.create(
        asset=asset,
        holder=holder.strip()[: pain001.NAME_LIMIT],
        iban=number,
        bic=branch,
        message=message,
        is_structured=is_structured,
        opened_at=at,
    )


@transaction.atomic
def make_run(
    *,
    asset: Asset,
    execute_on: date,
    at: datetime,
    by: User | None = None,
    approved_units: int | None = None,
) -> PaymentRun:
    """Order everything that is due in an asset from our bank.

    Raises NoBankAccount, DayIsPast, NothingIsDue or limits.TakesTwo. What is below a currency's
    unit stays owed.
    """
    if execute_on < at.date():
        raise DayIsPast
    journal.lock()
    account = _open_account(asset)
    number = (PaymentRun.objects.aggregate(last=Max("number"))["last"] or 0) + 1
    due = _due(asset, number, at)
    total = {asset: sum(one.units for one in due)}
    limits.require(limits.Act.PAYOUT, total, approved_units=approved_units)
    order = _order(account, number, due, execute_on, at)
    content = pain001.write(order)
    facts = {"run": number, "message": order.message_id}
    run = PaymentRun.objects.create(
        number=number,
        account=account,
        message_id=order.message_id,
        message=order.version,
        execute_on=execute_on,
        payout_count=len(due),
        amount_units=total[asset],
        control_minor=order.control_minor,
        hidden_file=secrecy.hide(content),
        file_digest=hashlib.sha256(content).digest(),
        entry=dues.send(asset=asset, due=due, key=f"payment_run:{number}", facts=facts, at=at),
        made_by=by,
        made_at=at,
    )
    _keep_payouts(run, due, order.payments, at, by)
    _record(run, at)
    return run


def file_of(run: PaymentRun) -> bytes:
    """The order as it was made, for the bank: the same bytes every time."""
    content = secrecy.reveal(run.hidden_file)
    assert hashlib.sha256(content).digest() == bytes(run.file_digest), "the order is as it was"
    return content


@transaction.atomic
def withdraw_run(*, run: PaymentRun, reason: str, at: datetime, by: User | None = None) -> int:
    """Take back an order that never reached the bank; how many payments are payable again.

    Raises RunIsKnown where the bank has answered or booked any of it. Safe to repeat.
    """
    journal.lock()
    heard = PayoutStep.objects.filter(payout__run=run).exclude(
        kind__in=[PayoutStep.Kind.SENT, PayoutStep.Kind.WITHDRAWN]
    )
    if heard.exists():
        raise RunIsKnown
    news = bank_steps.News(kind=PayoutStep.Kind.WITHDRAWN, at=at, words=reason, by=by)
    payouts = run.payouts.select_related("party", "asset", "method__party").order_by("reference")
    return sum(bank_steps.take(payout, news, at=at) for payout in payouts)


def _open_account(asset: Asset) -> BankAccount:
    """Our bank account in an asset; raises NoBankAccount."""
    account = BankAccount.objects.filter(asset=asset, closed_at=None).first()
    if account is None:
        raise NoBankAccount
    return account


def look(*, asset: Asset, at: datetime) -> list[dues.Due]:
    """What a run made at `at` would pay. Nothing moves."""
    return dues.look(
        asset=asset,
        methods=payees.payable_methods(asset=asset, at=at),
        decimals=currency.decimals(_currency(asset)),
        at=at,
        limit=RUN_LIMIT,
    )


def _due(asset: Asset, number: int, at: datetime) -> list[dues.Due]:
    """What this run pays, recoveries taken off; raises NothingIsDue."""
    due = dues.take(
        asset=asset,
        methods=payees.payable_methods(asset=asset, at=at),
        decimals=currency.decimals(_currency(asset)),
        key=f"run:{number}",
        at=at,
        limit=RUN_LIMIT,
    )
    if not due:
        raise NothingIsDue
    return due


def _order(
    account: BankAccount, number: int, due: Sequence[dues.Due], execute_on: date, at: datetime
) -> pain001.Order:
    month = f"{at.astimezone(ZoneInfo(settings.PERIOD_ZONE)):%Y-%m}"
    return pain001.Order(
        message_id=f"TM-{number:06}-{at:%Y%m%dT%H%M%S}",
        made_at=at,
        execute_on=execute_on,
        currency=_currency(account.asset),
        debtor=pain001.Side(account.holder, account.iban, account.bic),
        payments=[
            pain001.Payment(
                reference=(reference := references.make(number, place)),
                amount_minor=one.tokens,
                to=pain001.Side(one.method.holder, payees.iban_of(one.method), one.method.bic),
                # The month's statement of this owner in this currency, as its page is named.
                remittance=f"{reference} Tallymark statement {month} {account.asset.symbol} "
                f"{one.party.namespace}"[: pain001.REMITTANCE_LIMIT],
            )
            for place, one in enumerate(due, start=1)
        ],
        version=account.message,
        is_structured=account.is_structured,
    )


def _keep_payouts(
    run: PaymentRun,
    due: Sequence[dues.Due],
    payments: Sequence[pain001.Payment],
    at: datetime,
    by: User | None,
) -> None:
    made = BankPayout.objects.bulk_create(
        BankPayout(
            run=run,
            party=one.party,
            asset=run.account.asset,
            method=one.method,
            reference=payment.reference,
            remittance=payment.remittance,
            amount_units=one.units,
            amount_minor=one.tokens,
        )
        for one, payment in zip(due, payments, strict=True)
    )
    PayoutStep.objects.bulk_create(
        PayoutStep(payout=payout, kind=PayoutStep.Kind.SENT, at=at, recorded_by=by, recorded_at=at)
        for payout in made
    )


def _record(run: PaymentRun, at: datetime) -> None:
    ledger.record(
        "payout.ordered",
        at=at,
        subject_kind="payment_run",
        subject_id=run.pk,
        body={
            "message": run.message_id,
            "asset": run.account.asset.code,
            "payout_count": run.payout_count,
            "amount_units": str(run.amount_units),
            "file": bytes(run.file_digest),
            "entry": run.entry_id,
            "entry_hash": bytes(run.entry.hash),
        },
    )


def _currency(asset: Asset) -> str:
    return asset.code.removeprefix(currency.PREFIX)
