"""Tax data, rules and closed months for tests of invoices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from compensation import billing, deposits, invoices, periods
from compensation.models import Asset, Entry, Invoice, Line, Period
from provenance.models import Party
from tests.cast import NOON

MARCH, APRIL = "2026-03", "2026-04"
NEXT_MONTH = datetime(2026, 4, 2, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def profile(party: Party, **given: str) -> None:
    data = {
        "legal_name": f"{party.name} GmbH",
        "street": "Lange Strasse 1",
        "postal_code": "10115",
        "city": "Berlin",
        "country": "DE",
        "tax_country": "DE",
        "vat_id": "DE123456789",
        "registration": "HRB 4711",
        "payment_details": "",
        **given,
    }
    invoices.set_profile(party=party, by=None, at=NOON, **data)


def rule(side: str, country: str = "DE", **given: Any) -> None:
    terms = {"category": "S", "basis_points": 1_900, "valid_from": LONG_AGO, **given}
    invoices.set_rule(side=side, country=country, by=None, at=NOON, **terms)


def close(name: str = MARCH, at: datetime = NEXT_MONTH) -> Period:
    return periods.close_period(name=name, at=at)


def charge(asset: Asset, lab: Party, at: datetime = NOON + timedelta(hours=1)) -> None:
    """Bill what was used."""
    billing.bill_batch(at=at)


def issue(name: str = MARCH, at: datetime = NEXT_MONTH) -> list[Invoice]:
    """Close the month and issue what it asks for; all there is, in the order of issue."""
    invoices.issue_period(period=close(name, at), at=at)
    return list(Invoice.objects.order_by("issued_at", "side", "number"))


def turnover(asset: Asset, party: Party, *kinds: str, period: str = MARCH) -> int:
    """What the journal moved on accounts of these kinds by use, counted apart from our queries."""
    lines = Line.objects.filter(
        account__party=party, account__asset=asset, account__kind__in=kinds, entry__period=period
    )
    moved = [Entry.Kind.USAGE, Entry.Kind.RESTATEMENT, Entry.Kind.RECOVERY, Entry.Kind.ADJUSTMENT]
    return sum(line.amount_units for line in lines.filter(entry__kind__in=moved))


def pay_in(lab: Party, asset: Asset, units: int, reference: str) -> None:
    deposits.deposit(lab=lab, asset=asset, amount_units=units, reference=reference, at=NOON)
