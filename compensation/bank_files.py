"""What banks give back: answers (pain.002) and statements (camt.053), each payment counted once.

Nothing is guessed: a booking belongs to a payout by our reference and the exact amount, or it is
left for a person to look at.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, time
from xml.etree.ElementTree import Element

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from compensation import bank_steps, journal, money
from compensation.bank import camt053, currency, pain002, reading, references
from compensation.bank_steps import News
from compensation.models import (
    BankAccount,
    BankBooking,
    BankFile,
    BankPayout,
    BankStatement,
    PaymentRun,
    PayoutStep,
)
from provenance import ledger, secrecy
from provenance.models import User
from provenance.refusals import Refused

Kind = BankFile.Kind
Step = PayoutStep.Kind
State = BankBooking.State

NAME_LIMIT = 35


class NotOurs(Refused):
    """This file is about somebody else's account or order."""

    code = "bank_file_not_ours"
    hint = "Upload files of the accounts that are named here, and of orders that were made here."


class DoesNotFit(Refused):
    """This booking cannot be that payout."""

    code = "booking_does_not_fit"
    hint = (
        "Amount and direction must be the payout's. Where the bank kept a charge of a return, say "
        "so; where a booking is of several payments, split it; else explain the difference."
    )


@transaction.atomic
def take_file(*, content: bytes, name: str, at: datetime, by: User | None = None) -> BankFile:
    """Read a file of the bank and do what it says; the same file again changes nothing.

    Raises reading.UnreadableFile or NotOurs, and then nothing of the file is kept.
    """
    message, document = reading.parse(content)
    if message.startswith("pain.002."):
        kind = Kind.ANSWER
    elif message.startswith("camt.053."):
        kind = Kind.STATEMENT
    else:
        raise reading.UnreadableFile(_("The file is a %(message)s.") % {"message": message})
    journal.lock()
    digest = hashlib.sha256(content).digest()
    known = BankFile.objects.filter(digest=digest).first()
    if known is not None:
        return known
    read = _read_answers if kind == Kind.ANSWER else _read_statements
    file = BankFile(
        kind=kind,
        message=message[:20],
        name=(name or message)[:200],
        digest=digest,
        hidden_content=secrecy.hide(content),
        brought_by=by,
        brought_at=at,
    )
    return read(document, file, at)


@transaction.atomic
def assign_booking(
    *,
    booking: BankBooking,
    payout: BankPayout,
    note: str,
    is_charged: bool = False,
    at: datetime,
    by: User | None = None,
) -> BankBooking:
    """Say by hand to which payout a booking belongs; raises DoesNotFit. Safe to repeat.

    A return may be `is_charged`: what it lacks is booked as the bank's charge, and the owner has
    the whole of its payout again.
    """
    journal.lock()
    locked = BankBooking.objects.select_related("account__asset", "file").get(pk=booking.pk)
    if locked.state == State.MATCHED and locked.payout_id == payout.pk:
        return locked
    if locked.state != State.OPEN or locked.account_id != payout.run.account_id:
        raise DoesNotFit(_("This booking is settled already, or on another account."))
    is_credit = locked.amount_minor > 0
    kept = payout.amount_minor - abs(locked.amount_minor)
    if kept and not (is_charged and is_credit and kept > 0):
        raise DoesNotFit(_other_amount(locked, payout))
    news = _news(locked, Step.CREDITED if is_credit else Step.DEBITED, at)
    try:
        is_new = bank_steps.take(payout, replace(news, words=note, by=by), at=at)
    except journal.NotEnoughMoney as error:
        raise DoesNotFit(_paid_again(payout)) from error
    if not is_new:
        raise DoesNotFit(_("%(payout)s was booked before.") % {"payout": payout})
    if kept:
        bank_steps.charge(locked, kept, at=at)
    settle(locked, State.MATCHED, payout)
    ledger.record(
        "bank_booking.assigned",
        at=at,
        subject_kind="bank_payout",
        subject_id=payout.pk,
        party=payout.party,
        body={"reference": payout.reference, "booking": locked.pk, "by": by.pk if by else None},
    )
    return locked


def _read_answers(document: Element, file: BankFile, at: datetime) -> BankFile:
    report = pain002.read(document)
    run = PaymentRun.objects.filter(message_id=report.original_message_id).first()
    if run is None:
        raise NotOurs(
            _("The order %(original_message_id)s is not ours.")
            % {"original_message_id": report.original_message_id or _("without a name")}
        )
    payouts = {
        one.reference: one for one in run.payouts.select_related("party", "asset", "method__party")
    }
    answers = report.answers(sorted(payouts))
    file.line_count = len(answers)
    file.save()
    for answer in answers:
        if answer.status in pain002.REJECTED:
            kind = Step.REJECTED
        elif answer.status in pain002.ACCEPTED:
            kind = Step.ACCEPTED
        else:
            continue
        news = News(kind, report.created_at or at, answer.code, answer.words, file)
        bank_steps.take(payouts[answer.reference], news, at=at)
    return file


def _read_statements(document: Element, file: BankFile, at: datetime) -> BankFile:
    statements = [(_account(one), one) for one in camt053.read(document)]
    file.line_count = sum(len(one.lines) for _, one in statements)
    file.save()
    for account, statement in statements:
        _keep_balances(account, statement, file)
        for line in statement.lines:
            _keep_line(account, statement, line, file, at)
    return file


def _account(statement: camt053.Statement) -> BankAccount:
    """Our account that a statement is of, open or closed since."""
    found = BankAccount.objects.filter(
        iban=statement.iban, asset__code=currency.PREFIX + statement.currency
    )
    account = found.select_related("asset").order_by("pk").first()
    if account is None:
        shown = f"{statement.iban[:4]} … {statement.iban[-4:]}"
        raise NotOurs(
            _("The account %(shown)s in %(currency)s is not ours.")
            % {"shown": shown, "currency": statement.currency or _("no currency")}
        )
    return account


def _keep_balances(account: BankAccount, statement: camt053.Statement, file: BankFile) -> None:
    """Keep what the bank says the account holds; a changed statement stands beside the first."""
    said = {
        "opening_minor": statement.opening_minor,
        "closing_minor": statement.closing_minor,
        "closing_on": statement.closing_on,
    }
    kept, is_new = BankStatement.objects.get_or_create(
        account=account, statement_id=statement.statement_id, defaults={**said, "file": file}
    )
    if not is_new and any(getattr(kept, name) != value for name, value in said.items()):
        BankStatement.objects.get_or_create(
            account=account,
            statement_id=changed(statement.statement_id, repr(sorted(said.items(), key=str))),
            defaults={**said, "file": file},
        )


def _keep_line(
    account: BankAccount,
    statement: camt053.Statement,
    line: camt053.Line,
    file: BankFile,
    at: datetime,
) -> None:
    """Keep a booking once and find its payout; its name with other content is a difference."""
    defaults = {
        "amount_minor": line.amount_minor,
        "booked_on": line.booked_on,
        "end_to_end_id": line.end_to_end_id[:NAME_LIMIT],
        "remittance": line.remittance,
        "servicer_reference": line.servicer_reference[:NAME_LIMIT],
        "counterparty": line.counterparty,
        "is_return": line.is_return,
        "return_code": line.return_code,
        "return_words": line.return_words,
        "problem": line.problem,
        "file": file,
        "seen_at": at,
    }
    where = {
        "account": account,
        "statement_id": statement.statement_id,
        "detail": line.detail,
    }
    kept, is_new = BankBooking.objects.get_or_create(
        **where, entry_reference=line.entry_reference, defaults=defaults
    )
    if is_new:
        match(kept, at)
        return
    if (kept.amount_minor, kept.end_to_end_id) != (
        line.amount_minor,
        line.end_to_end_id[:NAME_LIMIT],
    ):
        defaults["problem"] = _noop("The bank stated this entry before, with another content.")
        name = changed(line.entry_reference, f"{line.amount_minor} {line.end_to_end_id}")
        BankBooking.objects.get_or_create(**where, entry_reference=name, defaults=defaults)


def match(booking: BankBooking, at: datetime) -> None:
    """Find the payout of a new booking and settle it; what does not fit is left open, with why."""
    if booking.problem:
        return
    twin = _twin(booking)
    if twin is not None:
        settle(booking, State.REPEATED, twin.payout)
        return
    reference = booking.end_to_end_id
    if not references.is_ours(reference):
        reference = references.find(booking.remittance)
    if not reference:
        return
    payout = (
        BankPayout.objects.filter(reference=reference, asset=booking.account.asset)
        .select_related("party", "asset", "method__party", "run")
        .first()
    )
    problem = _misfit(booking, payout, reference)
    if problem or payout is None:
        booking.problem = problem
        booking.save(update_fields=["problem"])
        return
    kind = Step.CREDITED if booking.is_return else Step.DEBITED
    try:
        is_new = bank_steps.take(payout, _news(booking, kind, at), at=at)
    except journal.NotEnoughMoney:
        settle(booking, State.OPEN, None, _paid_again(payout))
        return
    if is_new:
        settle(booking, State.MATCHED, payout)
    else:
        settle(
            booking,
            State.OPEN,
            None,
            _noop("The bank booked %(payout)s a second time.") % {"payout": payout},
        )


def _misfit(booking: BankBooking, payout: BankPayout | None, reference: str) -> str:
    """Why a booking cannot be counted for a payout; empty where it fits."""
    if payout is None:
        return _noop("It names %(reference)s, and there is no such payout.") % {
            "reference": reference
        }
    if abs(booking.amount_minor) != payout.amount_minor:
        return _other_amount(booking, payout)
    if booking.is_return != (booking.amount_minor > 0):
        return _noop("It names %(payout)s and is neither its payment nor its return.") % {
            "payout": payout
        }
    return ""


def _twin(booking: BankBooking) -> BankBooking | None:
    """The same booking in another statement, known by the bank's own reference."""
    if not booking.servicer_reference:
        return None
    return (
        BankBooking.objects.filter(
            account=booking.account,
            servicer_reference=booking.servicer_reference,
            amount_minor=booking.amount_minor,
            booked_on=booking.booked_on,
            end_to_end_id=booking.end_to_end_id,
            is_return=booking.is_return,
        )
        .exclude(statement_id=booking.statement_id)
        .exclude(state=State.REPEATED)
        .select_related("payout")
        .order_by("pk")
        .first()
    )


def settle(
    booking: BankBooking, state: BankBooking.State, payout: BankPayout | None, problem: str = ""
) -> None:
    """Keep what a booking turned out to be."""
    booking.state, booking.payout, booking.problem = state, payout, problem
    booking.save(update_fields=["state", "payout", "problem"])


def _news(booking: BankBooking, kind: PayoutStep.Kind, at: datetime) -> News:
    day = booking.booked_on
    return News(
        kind=kind,
        at=min(at, datetime.combine(day, time(), UTC)) if day else at,
        code=booking.return_code,
        words=booking.return_words,
        file=booking.file,
    )


def _other_amount(booking: BankBooking, payout: BankPayout) -> str:
    name = payout.asset.code.removeprefix(currency.PREFIX)
    booked = currency.to_text(abs(booking.amount_minor), name)
    ordered = money.to_text(payout.amount_units, payout.asset.scale)
    return _noop(
        "The bank booked %(booked)s %(name)s for %(payout)s, which is of %(ordered)s %(name)s."
    ) % {"booked": booked, "name": name, "payout": payout, "ordered": ordered}


def _paid_again(payout: BankPayout) -> str:
    return _noop(
        "The bank had rejected %(payout)s and booked it all the same, and the money "
        "has been paid to its owner again since: it was paid twice."
    ) % {"payout": payout}


def changed(name: str, content: str) -> str:
    """A name for what came under `name` with another content."""
    return f"{name[:26]}~{hashlib.sha256(content.encode()).hexdigest()[:8]}"
