"""Where a payment by bank stands, and what its journal holds: both follow from what is known of it.

Steps may come in any order and more than once. Each kind counts once, and what they amount to
depends on which are there, never on their order: a booking outweighs an answer, and money that
came back outweighs both.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime, time

from django.utils.translation import gettext_noop as _noop

from compensation import journal, payees
from compensation.bank import currency
from compensation.models import (
    Account,
    Asset,
    BankBooking,
    BankFile,
    BankPayout,
    Entry,
    PayoutStep,
)
from provenance import ledger
from provenance.models import User

Step = PayoutStep.Kind
State = BankPayout.State

BACK = frozenset({Step.REJECTED, Step.CREDITED})
_MOVES = {State.PAID: Entry.Kind.SETTLEMENT, State.RETURNED: Entry.Kind.RETURN}


@dataclass(frozen=True)
class Standing:
    """A payment's state, and where its amount is: the three add up to nothing."""

    state: BankPayout.State
    in_flight: int
    owner: int
    outside: int


_SENT = Standing(State.SENT, 1, -1, 0)
_NEVER_LEFT = Standing(State.RETURNED, 0, 0, 0)
_PAID = Standing(State.PAID, 0, -1, 1)
_LEFT_AND_CAME_BACK = Standing(State.RETURNED, 0, 0, 0)
# The bank booked the return, and its booking of the payment has not been read yet.
_CAME_BACK_ONLY = Standing(State.RETURNED, 1, 0, -1)


@dataclass(frozen=True)
class News:
    """What is newly known of a payment: of which moment, and why, as a code and in words."""

    kind: PayoutStep.Kind
    at: datetime
    code: str = ""
    words: str = ""
    file: BankFile | None = None
    by: User | None = None


def standing(known: Set[str]) -> Standing:
    """What a set of steps amounts to."""
    if Step.CREDITED in known:
        return _LEFT_AND_CAME_BACK if Step.DEBITED in known else _CAME_BACK_ONLY
    if Step.DEBITED in known:
        return _PAID
    return _NEVER_LEFT if {Step.REJECTED, Step.WITHDRAWN} & known else _SENT


def take(payout: BankPayout, news: News, *, at: datetime) -> bool:
    """Add a step and move the money that it moves; False where it is known already.

    The caller holds the journal's lock. Raises journal.NotEnoughMoney where money that was put
    back, because the bank had rejected the payment, has been paid again since.
    """
    known = set(payout.steps.values_list("kind", flat=True))
    if news.kind in known:
        return False
    before, after = standing(known), standing(known | {news.kind})
    entry = _post(payout, news, before, after, at)
    PayoutStep.objects.create(
        payout=payout,
        kind=news.kind,
        at=news.at,
        code=news.code,
        words=news.words[:500],
        file=news.file,
        entry=entry,
        recorded_by=news.by,
        recorded_at=at,
    )
    if payout.state != after.state:
        payout.state = after.state
        payout.save(update_fields=["state"])
        _record(payout, entry, at)
    if news.kind in BACK:
        why = " ".join(part for part in (news.words, f"({news.code})" if news.code else "") if part)
        payees.flag_method(method=payout.method, words=why or _noop("No reason was given."), at=at)
    return True


def charge(booking: BankBooking, minor: int, *, at: datetime) -> Entry:
    """Book what the bank took for itself with a booking, in the currency's minor unit.

    The caller holds the journal's lock. It is the platform's cost, never an owner's.
    """
    asset = booking.account.asset
    units = units_of(minor, asset)
    day = booking.booked_on
    return journal.post(
        kind=Entry.Kind.ADJUSTMENT,
        lines=[
            (journal.account(Account.Kind.BANK_CHARGES, asset), -units),
            (journal.account(Account.Kind.EXTERNAL, asset), units),
        ],
        effective_at=min(at, datetime.combine(day, time(), UTC)) if day else at,
        posted_at=at,
        idempotency_key=f"bank-charge:{booking.pk}",
        facts={"booking": booking.pk},
    )


def units_of(minor: int, asset: Asset) -> int:
    """A bank's minor units in units of the journal; the floor where those are coarser."""
    shift = asset.scale - currency.decimals(asset.code.removeprefix(currency.PREFIX))
    return int(minor * 10**shift if shift >= 0 else minor // 10**-shift)


def _post(
    payout: BankPayout, news: News, before: Standing, after: Standing, at: datetime
) -> Entry | None:
    """Move the amount from where it was to where it is; None where that is the same."""
    party, asset, units = payout.party, payout.asset, payout.amount_units
    moves = [
        (journal.account(Account.Kind.PAYOUTS_IN_FLIGHT, asset, party=party), "in_flight"),
        (journal.account(Account.Kind.OWNER, asset, party=party), "owner"),
        (journal.account(Account.Kind.EXTERNAL, asset), "outside"),
    ]
    lines = [
        (account, units * (getattr(after, name) - getattr(before, name))) for account, name in moves
    ]
    if not any(amount for _, amount in lines):
        return None
    return journal.post(
        kind=_MOVES[after.state] if after.state != before.state else Entry.Kind.SETTLEMENT,
        lines=lines,
        effective_at=news.at,
        posted_at=at,
        idempotency_key=f"bank:{payout.reference}:{news.kind}",
        facts={"payout": payout.reference, "step": str(news.kind), "code": news.code},
    )


def _record(payout: BankPayout, entry: Entry | None, at: datetime) -> None:
    """The ledger's word on it: no account, no name."""
    kind = {State.PAID: "payout.settled", State.RETURNED: "payout.returned"}[State(payout.state)]
    ledger.record(
        kind,
        at=at,
        subject_kind="bank_payout",
        subject_id=payout.pk,
        party=payout.party,
        body={
            "reference": payout.reference,
            "asset": payout.asset.code,
            "amount_units": str(payout.amount_units),
            "entry": entry.pk if entry else None,
            "entry_hash": bytes(entry.hash) if entry else None,
        },
    )
