"""What a person says of a booking that fits no payout: a charge, or several payments in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from compensation import bank_steps, journal
from compensation.bank_files import changed, match, settle
from compensation.models import BankBooking
from provenance import ledger
from provenance.models import User
from provenance.refusals import Refused

State = BankBooking.State
PARTS_LIMIT = 10_000
NOTE_LIMIT = 300


class NotOpen(Refused):
    """This booking is settled already."""

    code = "booking_is_settled"
    hint = "Look at what it was found to be; only an open booking can be said anything of."


class NoCharge(Refused):
    """What came in is no charge of the bank."""

    code = "booking_is_no_charge"
    hint = "Say to which payout it belongs, or explain it."


class BadParts(Refused):
    """The parts are not this booking."""

    code = "bad_parts"
    status = 400
    hint = "Name two parts or more that add up to the booking, each by its payout's reference."


@dataclass(frozen=True)
class Part:
    """One payment of a batch: our reference, and its amount in the minor unit, without a sign."""

    reference: str
    amount_minor: int


@transaction.atomic
def book_charge(
    *, booking: BankBooking, note: str, at: datetime, by: User | None = None
) -> BankBooking:
    """Book an open debit as what the bank took for itself. Safe to repeat.

    Raises NotOpen or NoCharge.
    """
    journal.lock()
    locked = _locked(booking)
    if locked.state == State.CHARGE:
        return locked
    _require_open(locked)
    if locked.amount_minor >= 0:
        raise NoCharge
    entry = bank_steps.charge(locked, -locked.amount_minor, at=at)
    settle(locked, State.CHARGE, None, note[:NOTE_LIMIT])
    _record("bank_booking.charged", locked, at, by, entry=entry.pk)
    return locked


@transaction.atomic
def split_booking(
    *,
    booking: BankBooking,
    parts: Sequence[Part],
    note: str,
    at: datetime,
    by: User | None = None,
) -> list[BankBooking]:
    """Put an open booking's parts in its place; each finds its payout, or stays open with why.

    They add up to it exactly. Raises NotOpen or BadParts.
    """
    journal.lock()
    locked = _locked(booking)
    _require_open(locked)
    if not 2 <= len(parts) <= PARTS_LIMIT or any(part.amount_minor <= 0 for part in parts):
        raise BadParts
    missing = abs(locked.amount_minor) - sum(part.amount_minor for part in parts)
    if missing:
        raise BadParts(
            _("The parts differ from the booking by %(missing)s of its smallest unit.")
            % {"missing": missing}
        )
    settle(locked, State.SPLIT, None, note[:NOTE_LIMIT])
    made = [_part(locked, number, part) for number, part in enumerate(parts, 1)]
    for one in made:
        match(one, at)
    _record("bank_booking.split", locked, at, by, parts=[one.pk for one in made])
    return made


def _locked(booking: BankBooking) -> BankBooking:
    return BankBooking.objects.select_related("account__asset", "file").get(pk=booking.pk)


def _require_open(booking: BankBooking) -> None:
    if booking.state != State.OPEN:
        raise NotOpen(
            _("%(booking)s is settled: %(state)s.")
            % {"booking": booking, "state": booking.get_state_display()}
        )


def _part(whole: BankBooking, number: int, part: Part) -> BankBooking:
    same = ("statement_id", "detail", "booked_on", "counterparty", "is_return", "return_code",
            "return_words", "seen_at")  # fmt: skip
    return BankBooking.objects.create(
        **{name: getattr(whole, name) for name in same},
        account=whole.account,
        file=whole.file,
        entry_reference=changed(whole.entry_reference, f"part {number} of {whole.pk}"),
        amount_minor=part.amount_minor if whole.amount_minor > 0 else -part.amount_minor,
        end_to_end_id=part.reference,
    )


def _record(
    kind: str, booking: BankBooking, at: datetime, by: User | None, **facts: object
) -> None:
    ledger.record(
        kind,
        at=at,
        subject_kind="bank_file",
        subject_id=booking.file_id,
        body={"booking": booking.pk, "by": by.pk if by else None, **facts},
    )
