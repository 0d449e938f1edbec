"""What an entry says of why it was made, for operators: in words, and with where it leads."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import pgettext

from compensation.models import BankBooking, BankPayout, Entry, PaymentRun, PayoutStep
from provenance.models import Conflict, Party

# What an entry's facts are called.
_NAMES = {
    "asset": _lazy("Asset"),
    "booking": _lazy("Booking"),
    "code": _lazy("Code"),
    "conflict": _lazy("Conflict"),
    "contract": _lazy("Contract"),
    "cumulative": _lazy("Paid in all"),
    "entries": _lazy("Entries"),
    "epoch": _lazy("Epoch"),
    "export": _lazy("Export"),
    "from": _lazy("From"),
    "message": _lazy("Message"),
    "payout": _lazy("Payout"),
    "price": _lazy("Price"),
    "reason": _lazy("Reason"),
    "reference": _lazy("Reference"),
    "run": _lazy("Payment run"),
    "state": _lazy("State"),
    "step": _lazy("Step"),
    "tx_hash": _lazy("Transaction"),
    "why": _lazy("Why"),
}
# Said elsewhere on the page, or numbers of rows that say nothing to a person.
_UNSAID = {
    "batch", "conversion", "from_units", "number", "reverses", "to_units", "version",
    "weight_version",
}  # fmt: skip
Fact = tuple[str, object, str]
"""What a fact is called, what it says, and the address that it leads to, or nothing."""


def facts_of(entry: Entry) -> list[Fact]:
    """What an entry rests on. Pairs, not a table: two names may be one word in a language."""
    said = ((name, value) for name, value in entry.facts.items() if name not in _UNSAID)
    return [(str(_NAMES.get(name, name)), *_led(name, value)) for name, value in said if value]


def _led(name: str, value: Any) -> tuple[object, str]:
    """What a fact says to people, and where it leads."""
    if name == "payout" and BankPayout.objects.filter(reference=value).exists():
        return value, reverse("admin:compensation_payout_progress", args=[value])
    if name == "step":
        return dict(PayoutStep.Kind.choices).get(value, value), ""
    if name == "entries":
        return pgettext("list", ", ").join(map(str, value)), ""
    if name == "from":
        return Party.objects.filter(pk=value).first() or value, ""
    page, found = _row(name, value)
    if found is None:
        return value, ""
    return found, reverse(f"admin:{page}_change", args=[found.pk])


def _row(name: str, value: Any) -> tuple[str, Any]:
    """The row that a fact names, if it names one, with its page."""
    if name == "conflict":
        rows = Conflict.objects.select_related("later__owner", "earlier__owner")
        return "provenance_conflict", rows.filter(pk=value).first()
    if name == "run":
        return "compensation_paymentrun", PaymentRun.objects.filter(number=value).first()
    if name == "booking":
        return "compensation_bankbooking", BankBooking.objects.filter(pk=value).first()
    return "", None
