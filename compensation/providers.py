"""What a payment provider's signed events say: checked, read, and added up in any order.

The wire is Stripe's (webhook signatures of scheme v1, snapshot events), which other providers
speak too. Pure: no models, no clock, no settings. Amounts here are in the provider's minor units.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_noop as _noop

TOLERANCE_SECONDS = 300
# Under this key of a payment's metadata stands whose it is: the party's id or its namespace.
LAB_KEY = "tallymark_lab"

PAID = "payment_intent.succeeded"
REFUNDED = "charge.refunded"
# Newer and older names of the same: a refund has changed, perhaps failed.
REFUND_CHANGED = frozenset({"refund.updated", "refund.failed", "charge.refund.updated"})
DISPUTED = frozenset(
    {
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    }
)
MOVING = frozenset({PAID, REFUNDED}) | REFUND_CHANGED | DISPUTED

# Source: docs.stripe.com/currencies, zero-decimal and three-decimal currencies.
ZERO_DECIMAL = frozenset(
    "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split()  # noqa: SIM905
)
THREE_DECIMAL = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# Providers and the standard disagree about its decimals: a person says what arrived.
UNSURE = frozenset({"UGX"})


class NotAnEvent(ValueError):
    """Signed bytes that are no event; the message says what is missing."""


@dataclass(frozen=True)
class Told:
    """One event, read: `key` is the payment that it is about, empty where it moves no money."""

    event_id: str
    kind: str
    key: str
    created: int  # seconds since 1970, by the provider's clock
    is_live: bool
    thing: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Standing:
    """What all events of one payment together say, in minor units of `currency`."""

    currency: str = ""
    lab: str = ""
    received: int | None = None
    refunded: int = 0
    disputed: int = 0
    doubts: tuple[str, ...] = ()

    @property
    def taken(self) -> int:
        """What of the payment went back, never more than came."""
        return min(self.received or 0, self.refunded + self.disputed)


def is_signed(body: bytes, header: str, secrets: Iterable[str], *, now: float) -> bool:
    """Whether `header` signs `body` with one of `secrets`, at most TOLERANCE_SECONDS from `now`.

    Source: docs.stripe.com/webhooks, "Verify webhook signatures manually": HMAC-SHA256 of
    `timestamp.body`; other schemes than v1 are ignored, several v1 may stand there.
    """
    pairs = [part.strip().partition("=") for part in header.split(",")]
    stamps = [value for name, _, value in pairs if name == "t"]
    if len(stamps) != 1 or not (stamps[0].isascii() and stamps[0].isdigit()):
        return False
    if len(stamps[0]) > 12 or abs(now - int(stamps[0])) > TOLERANCE_SECONDS:
        return False
    given = [value.encode() for name, _, value in pairs if name == "v1"]
    signed = stamps[0].encode() + b"." + body
    wanted = [
        hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode()
        for secret in secrets
        if secret
    ]
    # All are compared: how long it takes tells nothing of which one fits.
    fitting = [hmac.compare_digest(one, other) for one in wanted for other in given]
    return any(fitting)


def read(body: bytes) -> Told:
    """The event in signed bytes; raises NotAnEvent."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotAnEvent("The body is not JSON.") from error
    if not isinstance(found, dict):
        raise NotAnEvent("The body is no JSON object.")
    data = found.get("data")
    thing = data.get("object") if isinstance(data, dict) else None
    named = [found.get("id"), found.get("type")]
    if not all(isinstance(one, str) and 0 < len(one) <= 120 for one in named):
        raise NotAnEvent("An event has an `id` and a `type`.")
    if not isinstance(thing, dict):
        raise NotAnEvent("An event has a `data.object`.")
    kind = str(found["type"])
    return Told(
        event_id=str(found["id"]),
        kind=kind,
        key=_payment_of(kind, thing),
        created=_whole(found.get("created")),
        is_live=found.get("livemode") is not False,
        thing=thing,
    )


def standing(events: Sequence[Told]) -> Standing:
    """What the events of one payment say together; their order and repeats change nothing."""
    once = {one.event_id: one for one in events}
    ordered = sorted(once.values(), key=lambda one: (one.created, one.event_id))
    paid = [one for one in ordered if one.kind == PAID]
    if not paid:
        return Standing()
    first, doubts = paid[0].thing, []
    amounts = {_whole(one.thing.get("amount_received")) for one in paid}
    currencies = {_currency(one.thing) for one in paid}
    if len(amounts) > 1 or len(currencies) > 1:
        doubts.append(_noop("Its events name several amounts or currencies; the first one counts."))
    told = [_currency(one.thing) for one in ordered if one.kind != PAID]
    if any(currency not in currencies for currency in told):
        doubts.append(_noop("A refund or dispute names another currency."))
    metadata = first.get("metadata")
    refunded, disputed = _refunded(ordered), _disputed(ordered)
    received = _whole(first.get("amount_received"))
    if refunded + disputed > received:
        doubts.append(_noop("Refunds and disputes name more than was paid; no more was taken."))
    return Standing(
        currency=_currency(first),
        lab=str(metadata.get(LAB_KEY) or "") if isinstance(metadata, dict) else "",
        received=received,
        refunded=refunded,
        disputed=disputed,
        doubts=tuple(doubts),
    )


def to_units(minor: int, currency: str, scale: int) -> int | None:
    """Minor units of a currency as units of 10 ** -scale; None where that is not sure or whole."""
    if currency in UNSURE:
        return None
    decimals = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    if scale >= decimals:
        return int(minor * 10 ** (scale - decimals))
    units, rest = divmod(minor, int(10 ** (decimals - scale)))
    return None if rest else units


def _refunded(ordered: Sequence[Told]) -> int:
    """What was refunded: of each charge the newest running sum, less refunds that failed since."""
    sums: dict[str, tuple[int, int]] = {}
    for one in ordered:
        if one.kind == REFUNDED:
            said = (one.created, _whole(one.thing.get("amount_refunded")))
            charge = str(one.thing.get("id"))
            sums[charge] = max(sums.get(charge, said), said)
    failed: dict[str, tuple[str, int, int]] = {}
    for one in ordered:
        if one.kind in REFUND_CHANGED and one.thing.get("status") in ("failed", "canceled"):
            charge = _id(one.thing.get("charge"))
            amount = _whole(one.thing.get("amount"))
            failed.setdefault(str(one.thing.get("id")), (charge, one.created, amount))
    total = 0
    for charge, (since, amount) in sums.items():
        back = sum(part for of, at, part in failed.values() if of == charge and at >= since)
        total += max(0, amount - back)
    return total


def _disputed(ordered: Sequence[Told]) -> int:
    """What disputes hold or took: nothing of an inquiry, nothing once won or given back."""
    told: dict[str, list[Told]] = {}
    for one in ordered:
        if one.kind in DISPUTED:
            told.setdefault(str(one.thing.get("id")), []).append(one)
    return sum(_withheld(events) for events in told.values())


def _withheld(events: Sequence[Told]) -> int:
    """What one dispute withholds."""
    statuses = {str(one.thing.get("status")) for one in events}
    kinds = {one.kind for one in events}
    ends = {str(one.thing.get("status")) for one in events if one.kind.endswith(".closed")}
    if "charge.dispute.funds_reinstated" in kinds or ends & {"won", "warning_closed", "prevented"}:
        return 0
    is_inquiry = all(status.startswith("warning_") for status in statuses)
    if is_inquiry and "charge.dispute.funds_withdrawn" not in kinds:
        return 0
    return max(_whole(one.thing.get("amount")) for one in events)


def _payment_of(kind: str, thing: Mapping[str, Any]) -> str:
    """The id of the payment that an event is about; empty where it moves no money."""
    if kind not in MOVING:
        return ""
    named = thing.get("id") if kind == PAID else thing.get("payment_intent") or thing.get("charge")
    return _id(named)[:120]


def _id(named: Any) -> str:
    """An id that may stand there alone or with its whole object."""
    found = named.get("id") if isinstance(named, dict) else named
    return found if isinstance(found, str) else ""


def _currency(thing: Mapping[str, Any]) -> str:
    return str(thing.get("currency") or "").upper()


def _whole(value: Any) -> int:
    """A count of minor units or seconds; anything else counts as none."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and 0 <= value < 2**63 else 0
