"""The journal against what banks say: bookings, payments, balances."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from django.db.models import QuerySet, Sum
from django.utils.translation import gettext_noop as _noop

from compensation.bank_steps import units_of
from compensation.models import (
    Account,
    Asset,
    BankAccount,
    BankBooking,
    BankPayout,
    BankStatement,
    Deposit,
    Line,
    PayoutStep,
)
from compensation.reconciliation.finding import Finding, say, start_of

Step = PayoutStep.Kind
# After so many days a bank has booked what it was told, or something is wrong.
PATIENCE = timedelta(days=5)


def findings(at: datetime) -> Iterator[Finding]:
    """Everything that differs for the currencies that we pay by bank."""
    for account in BankAccount.objects.select_related("asset").order_by("pk"):
        known = _deposits_seen(account)
        yield from _bookings(account, known)
        yield from _gaps(account)
        if account.closed_at is None:
            yield from _balance(account, known)
    yield from _payouts(at)


def _open(account: BankAccount) -> QuerySet[BankBooking]:
    return account.bookings.filter(state=BankBooking.State.OPEN).order_by("booked_on", "pk")


def _deposits_seen(account: BankAccount) -> set[int]:
    """The open credits that are deposits: their reference stands in the booking, and the amount.

    Each deposit is one booking only.
    """
    deposits = list(Deposit.objects.filter(asset=account.asset).order_by("pk"))
    seen: set[int] = set()
    for booking in _open(account).filter(amount_minor__gt=0):
        said = {booking.end_to_end_id, booking.servicer_reference, booking.entry_reference}
        units = units_of(booking.amount_minor, account.asset)
        fit = next(
            (
                one
                for one in deposits
                if one.amount_units == units
                and (one.reference in said or one.reference in booking.remittance.split())
            ),
            None,
        )
        if fit is not None:
            deposits.remove(fit)
            seen.add(booking.pk)
    return seen


def _bookings(account: BankAccount, known: set[int]) -> Iterator[Finding]:
    """What the bank booked and nobody has found out about."""
    asset = account.asset
    for one in _open(account).exclude(pk__in=known):
        units = units_of(one.amount_minor, asset)
        about = {
            "amount": say(abs(units), asset),
            "who": one.counterparty or _noop("nobody named"),
            "booking": one,
        }
        booked = (
            _noop("The bank booked %(amount)s from %(who)s: %(booking)s.")
            if units > 0
            else _noop("The bank booked %(amount)s to %(who)s: %(booking)s.")
        )
        yield Finding(
            key=f"bank:booking:{one.pk}",
            asset=asset,
            amount_units=units,
            words=one.problem or booked % about,
            advice=_noop(
                "Say to which payout it belongs, record it as a lab's deposit under its "
                "reference, or explain it."
            )
            if units > 0
            else _noop(
                "Say to which payout it belongs, or explain it; ask the bank if nobody here "
                "ordered it."
            ),
            since=start_of(one.booked_on) if one.booked_on else one.seen_at,
        )


def _payouts(at: datetime) -> Iterator[Finding]:
    """Payments of which the bank said too little, or what cannot both be true."""
    late = BankPayout.objects.filter(
        state=BankPayout.State.SENT, run__execute_on__lte=(at - PATIENCE).date()
    )
    for one in late.select_related("asset", "run"):
        yield _about(
            one,
            -one.amount_units,
            _noop("%(one)s of %(say)s was ordered for %(execute_on)s and never booked.")
            % {
                "one": one,
                "say": say(one.amount_units, one.asset),
                "execute_on": f"{one.run.execute_on:%Y-%m-%d}",
            },
            _noop(
                "Upload the statements since that day and the bank's answer; if the bank "
                "never had the order, withdraw the run."
            ),
        )
    came_back = BankPayout.objects.filter(steps__kind=Step.CREDITED).exclude(
        steps__kind=Step.DEBITED
    )
    for one in came_back.select_related("asset", "run"):
        yield _about(
            one,
            one.amount_units,
            _noop("%(one)s came back, and no statement says that it had left.") % {"one": one},
            _noop("Upload the statement of the day on which it left."),
        )
    both = BankPayout.objects.filter(steps__kind__in=[Step.REJECTED, Step.WITHDRAWN]).filter(
        state=BankPayout.State.PAID
    )
    for one in both.select_related("asset", "run").distinct():
        yield _about(
            one,
            0,
            _noop("%(one)s was rejected or withdrawn, and booked all the same; it counts as paid.")
            % {"one": one},
            _noop("Ask the bank which is true; its return will come with a statement."),
        )


def _about(one: BankPayout, units: int, words: str, advice: str) -> Finding:
    return Finding(
        key=f"bank:payout:{one.reference}",
        asset=one.asset,
        amount_units=units,
        words=words,
        advice=advice,
        since=start_of(one.run.execute_on),
    )


def _gaps(account: BankAccount) -> Iterator[Finding]:
    """Statements that do not begin where the one before ended: one between them is missing."""
    before: BankStatement | None = None
    for one in _statements(account):
        if (
            before is not None
            and before.closing_minor is not None
            and one.opening_minor is not None
            and one.opening_minor != before.closing_minor
        ):
            units = units_of(one.opening_minor - before.closing_minor, account.asset)
            yield Finding(
                key=f"bank:gap:{account.pk}:{one.statement_id}",
                asset=account.asset,
                amount_units=units,
                words=_noop(
                    "Statement %(one)s of %(account)s does not begin where %(before)s ended."
                )
                % {"one": one, "account": account, "before": before},
                advice=_noop("Upload the statement that is missing between the two."),
                since=start_of(one.closing_on) if one.closing_on else one.file.brought_at,
            )
        before = one


def _statements(account: BankAccount) -> QuerySet[BankStatement]:
    return account.statements.select_related("file").order_by("closing_on", "pk")


def _balance(account: BankAccount, known: set[int]) -> Iterator[Finding]:
    """What the bank says the account holds, against the journal, less what is listed already."""
    asset = account.asset
    last = _statements(account).filter(closing_minor__isnull=False, closing_on__isnull=False).last()
    if last is None or last.closing_minor is None or last.closing_on is None:
        return
    held = units_of(last.closing_minor, asset)
    books = _outside(asset, last.closing_on)
    listed = (
        _open(account)
        .exclude(pk__in=known)
        .filter(booked_on__lte=last.closing_on)
        .aggregate(total=Sum("amount_minor"))["total"]
        or 0
    )
    rest = held - books - units_of(int(listed), asset)
    if rest:
        yield Finding(
            key=f"bank:balance:{account.pk}",
            asset=asset,
            amount_units=rest,
            words=_noop(
                "On %(closing_on)s the bank held %(say)s and the journal has %(say_2)s "
                "outside; %(say_3)s of that is not listed here."
            )
            % {
                "closing_on": f"{last.closing_on:%Y-%m-%d}",
                "say": say(held, asset),
                "say_2": say(books, asset),
                "say_3": say(rest, asset),
            },
            advice=_noop(
                "Deposits that wait at a payment provider, the balance before the first "
                "statement, or a deposit under a reference that the bank does not name: find "
                "it and explain it."
            ),
        )


def _outside(asset: Asset, day: date) -> int:
    """What the journal says we hold in the world at the end of a day."""
    lines = Line.objects.filter(
        account__kind=Account.Kind.EXTERNAL,
        account__asset=asset,
        entry__effective_at__lt=start_of(day) + timedelta(days=1),
    )
    return -int(lines.aggregate(total=Sum("amount_units"))["total"] or 0)
