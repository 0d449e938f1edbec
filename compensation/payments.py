"""Payments at a provider: its signed events are kept as they came, and worked into deposits.

An event is kept first and worked in afterwards, in a transaction of its own: what a crash left is
found by `apply_stale`. Each time, what all events of a payment say together is compared with what
was posted of it, and the difference is posted; so order and repeats change nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from compensation import debts, deposits, journal, money, providers
from compensation.models import Asset, Payment, PaymentEvent
from provenance.models import Party, User
from provenance.refusals import Refused

State = Payment.State
LARGEST = 2**63 - 1
CHANGING = (
    "lab", "asset", "state", "note", "deposit", "taken_units", "short_units", "move_count",
    "is_stale", "changed_at",
)  # fmt: skip


class UnknownProvider(Refused):
    """No payment provider of this name is set up here."""

    code = "unknown_provider"
    status = 404
    hint = "The operator names its providers and their secrets in TALLYMARK_PAYMENT_SECRETS."


class BadSignature(Refused):
    """The signature does not fit, or is too old."""

    code = "bad_signature"
    status = 400
    hint = "Compare the endpoint's secret with TALLYMARK_PAYMENT_SECRETS, and the two clocks."


class BadEvent(Refused):
    """These signed bytes are no event."""

    code = "bad_event"
    status = 400
    hint = "Send events as the provider's documentation shows them: id, type, data.object."


class AlreadyAssigned(Refused):
    """This money was credited to another lab."""

    code = "already_assigned"
    hint = "Look at its deposit; an operator moves money between labs by an adjustment."


def receive(*, provider: str, body: bytes, signature: str, at: datetime) -> PaymentEvent:
    """Keep one event of a provider, once, and work it in.

    Raises UnknownProvider, BadSignature or BadEvent; then nothing is kept.
    """
    secrets = settings.PAYMENT_SECRETS.get(provider)
    if not secrets:
        raise UnknownProvider
    if not providers.is_signed(body, signature, secrets, now=at.timestamp()):
        raise BadSignature
    try:
        told = providers.read(body)
        text = body.decode()
    except (providers.NotAnEvent, UnicodeDecodeError) as error:
        raise BadEvent(str(error)) from error
    if "\x00" in text or "\\u0000" in text:
        raise BadEvent(_("An event holds no null character."))
    kept = _keep(provider, told, text, signature, at)
    if kept.payment is not None and kept.payment.is_stale:
        apply(payment=kept.payment, at=at)
    return kept


@transaction.atomic
def apply(*, payment: Payment, at: datetime) -> Payment:
    """Post what the events of a payment say and was not posted yet. Safe to repeat."""
    journal.lock()
    row = Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)
    said = providers.standing(
        [providers.read(one.body.encode()) for one in row.events.order_by("pk")]
    )
    row.state, row.note = _credit(row, said, at)
    if row.deposit is not None:
        _settle_difference(row, said, at)
    doubts = [*said.doubts, *_debt_in_words(row)]
    if doubts:
        row.state, row.note = State.REVIEW, " ".join([row.note, *doubts]).strip()
    row.is_stale, row.changed_at = False, at
    row.save(update_fields=CHANGING)
    return row


@transaction.atomic
def assign(*, payment: Payment, lab: Party, reason: str, at: datetime, by: User | None) -> Payment:
    """Say whose a payment is that does not say so itself, and credit it. Safe to repeat."""
    if not lab.is_lab:
        raise deposits.NotALab
    journal.lock()
    row = Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)
    if row.lab is not None and row.lab != lab:
        raise AlreadyAssigned(_("It is %(lab)s's.") % {"lab": row.lab})
    if row.lab is None:
        row.lab, row.assigned_by, row.reason = lab, by, reason[:300]
        row.save(update_fields=["lab", "assigned_by", "reason"])
    return apply(payment=row, at=at)


def apply_stale(*, at: datetime, limit: int = 500) -> int:
    """Work in what was kept and not worked in, as after a crash; how many payments.

    Reviews of what was owed end here too, once it is paid.
    """
    is_due = Q(is_stale=True) | Q(state=State.REVIEW, short_units__gt=0)
    found = list(Payment.objects.filter(is_due).order_by("-is_stale", "pk")[:limit])
    for payment in found:
        apply(payment=payment, at=at)
    return len(found)


def replay(*, provider: str = "", at: datetime) -> int:
    """Work in every payment anew from its events; how many changed. Money moves only once."""
    rows = Payment.objects.filter(provider=provider) if provider else Payment.objects.all()
    changed = 0
    for payment in rows.order_by("pk").iterator(chunk_size=500):
        before = (payment.state, payment.deposit_id, payment.taken_units, payment.note)
        after = apply(payment=payment, at=at)
        changed += before != (after.state, after.deposit_id, after.taken_units, after.note)
    return changed


@transaction.atomic
def _keep(
    provider: str, told: providers.Told, text: str, signature: str, at: datetime
) -> PaymentEvent:
    """The event's one row; its payment is marked as not worked in, if the event is new."""
    payment = None
    if told.key and (told.is_live or settings.PAYMENT_TEST_EVENTS):
        payment, _ = Payment.objects.get_or_create(
            provider=provider, key=told.key, defaults={"first_heard_at": at, "changed_at": at}
        )
    kept, is_new = PaymentEvent.objects.get_or_create(
        provider=provider,
        event_id=told.event_id,
        defaults={
            "kind": told.kind,
            "payment": payment,
            "body": text,
            "signature": signature[:1000],
            "received_at": at,
        },
    )
    if is_new and payment is not None:
        Payment.objects.filter(pk=payment.pk).update(is_stale=True)
        payment.is_stale = True
    return kept


def _credit(row: Payment, said: providers.Standing, at: datetime) -> tuple[State, str]:
    """Credit what arrived, once; the state that this leaves, and why if a person is needed."""
    if row.deposit is not None:
        return State.CREDITED, ""
    if said.received is None:
        return State.WAITING, ""
    row.asset = row.asset or Asset.objects.filter(code=f"iso4217:{said.currency}").first()
    row.lab = row.lab or _lab_named(said.lab)
    if row.asset is None:
        return State.REVIEW, _noop(
            "Register iso4217:%(currency)s and replay: nothing is counted in."
        ) % {"currency": said.currency}
    units = providers.to_units(said.received, said.currency, row.asset.scale)
    if units is None or not 0 < units <= LARGEST:
        return State.REVIEW, _noop(
            "%(received)s minor units of %(currency)s are no sure amount."
        ) % {"received": said.received, "currency": said.currency}
    if row.lab is None:
        return State.UNASSIGNED, _noop("It names no lab of ours: say whose it is.")
    try:
        with transaction.atomic():
            row.deposit = deposits.deposit(
                lab=row.lab,
                asset=row.asset,
                amount_units=units,
                reference=f"{row.provider}:{row.key}"[:150],
                at=at,
            )
    except (deposits.ReferenceUsed, journal.AmountTooLarge) as refusal:
        return State.REVIEW, refusal.detail
    return State.CREDITED, ""


def _settle_difference(row: Payment, said: providers.Standing, at: datetime) -> None:
    """Post what refunds and disputes changed since the last time."""
    assert row.deposit is not None
    deposit = row.deposit
    taken = providers.to_units(said.taken, said.currency, deposit.asset.scale)
    target = min(deposit.amount_units, taken or 0)
    change = target - row.taken_units
    if not change:
        return
    row.move_count += 1
    move: dict[str, Any] = {
        "lab": deposit.lab,
        "asset": deposit.asset,
        "units": abs(change),
        "key": f"payment:{row.pk}:{row.move_count}",
        "reference": deposit.reference,
        "at": at,
    }
    if change > 0:
        row.short_units += debts.take_back(**move).short_units
    else:
        debts.give_back(**move)
        row.short_units = min(row.short_units, target)
    row.taken_units = target


def _debt_in_words(row: Payment) -> list[str]:
    """What a person should know where more was taken back than was left."""
    deposit = row.deposit
    if deposit is None or not row.short_units:
        return []
    owed = debts.owed_units(deposit.lab, deposit.asset)
    if not owed:
        return []
    scale, symbol = deposit.asset.scale, deposit.asset.symbol
    short, open_now = (money.to_text(units, scale) for units in (row.short_units, owed))
    return [
        _noop(
            "%(short)s %(symbol)s of what went back had been spent already, and nothing "
            "that is spent is taken: %(lab)s now owes %(open_now)s %(symbol)s. It is "
            "paid first from what comes in; new runs wait for it."
        )
        % {"short": short, "symbol": symbol, "lab": deposit.lab, "open_now": open_now}
    ]


def _lab_named(name: str) -> Party | None:
    """The lab that a payment's metadata names, by id or namespace."""
    labs = Party.objects.filter(is_lab=True)
    try:
        return labs.filter(pk=UUID(name)).first()
    except ValueError:
        return labs.filter(namespace=name).first() if name else None
