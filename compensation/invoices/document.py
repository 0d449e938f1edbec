"""A document as data: the terms of EN 16931-1 in snake case, amounts as decimal text.

Credit notes show what they give back as positive amounts, as the standard does. What follows from
the rows of an issued invoice alone never changes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext_noop as _noop

from compensation import money
from compensation.models import Invoice, InvoiceLine, Side
from provenance import kept
from provenance.ledger import moment

# UN/ECE Recommendation 20: one.
ONE = "C62"


@kept.in_english()
def as_document(invoice: Invoice) -> dict[str, Any]:
    """The document; every amount has its asset's scale, and whole units beside the totals."""
    say = _Amounts(invoice)
    period = invoice.period
    return {
        "invoice_number": invoice.number,
        "invoice_type_code": invoice.kind,
        "invoice_type": invoice.get_kind_display(),
        "invoice_issue_date": f"{local(invoice.issued_at):%Y-%m-%d}",
        "issued_at": moment(invoice.issued_at),
        "invoice_currency_code": currency(invoice),
        "asset": {"code": invoice.asset.code, "scale": invoice.asset.scale},
        "invoicing_period": {
            "name": period.name,
            "starts_at": moment(period.starts_at),
            "ends_at": moment(period.ends_at),
        },
        "preceding_invoice_reference": invoice.corrects.number if invoice.corrects else None,
        "invoice_note": notes(invoice),
        "seller": _party("seller", invoice.seller),
        "buyer": _party("buyer", invoice.buyer),
        "payment_terms": terms(invoice),
        "payment_instructions": instructions(invoice),
        "document_totals": _totals(invoice, say),
        "vat_breakdown": [_breakdown(invoice, say)],
        "invoice_line": [_line(invoice, line, say) for line in invoice.lines.all()],
    }


def local(at: datetime) -> datetime:
    """A moment in the zone of the service, whose days and years documents have."""
    return at.astimezone(ZoneInfo(settings.PERIOD_ZONE))


def currency(invoice: Invoice) -> str:
    """ISO 4217 where the asset is a currency, else its symbol."""
    code = invoice.asset.code
    return code.removeprefix("iso4217:") if code.startswith("iso4217:") else invoice.asset.symbol


def notes(invoice: Invoice) -> list[str]:
    """What the law, or the reader, asks to be written; in English, and known again on pages."""
    said = []
    if invoice.side == Side.OWNER:
        # Directive 2006/112/EC, article 226 (10a).
        said.append(_noop("Self-billing: the buyer issues this document for the seller."))
    if invoice.corrects is not None:
        words = _noop("Takes back %(number)s as a whole: %(reason)s")
        said.append(words % {"number": invoice.corrects.number, "reason": invoice.reason})
    if invoice.wording:
        said.append(invoice.wording)
    if invoice.side == Side.LAB:
        said.append(_noop("Amounts are sums of uses, each rounded down to the unit of the asset."))
    return said


def terms(invoice: Invoice) -> str:
    """How it is paid, in words."""
    if invoice.corrects is not None:
        return _noop("Nothing moves in the balance: the document that is correct follows this one.")
    if invoice.side == Side.OWNER:
        if invoice.is_credit:
            return _noop("The net amount was taken from the seller's balance with the buyer.")
        return _noop(
            "The net amount is credited to the seller's balance with the buyer, and paid out "
            "from it."
        )
    if invoice.is_credit:
        return _noop("The net amount was credited to the buyer's balance with the seller.")
    if invoice.limit_units:
        limit = money.to_text(invoice.limit_units, invoice.asset.scale)
        words = _noop(
            "Account with a limit of %(limit)s: what the balance did not cover at the end of "
            "%(period)s is due now."
        )
        said = {"limit": f"{limit} {currency(invoice)}", "period": invoice.period.name}
        return words % said
    words = _noop("Prepaid account: the net amount was paid from the balance in %(period)s.")
    return words % {"period": invoice.period.name}


def instructions(invoice: Invoice) -> str | None:
    """Where to pay what is due, as the operator wrote it."""
    details = invoice.seller["payment_details"]
    return str(details) if details and invoice.due_units > 0 else None


class _Amounts:
    """Says amounts of one document with the sign that its kind shows."""

    def __init__(self, invoice: Invoice) -> None:
        self._sign = -1 if invoice.is_credit else 1
        self._scale = invoice.asset.scale

    def __call__(self, units: int) -> str:
        return money.to_text(self._sign * units, self._scale)

    def units(self, units: int) -> str:
        """Whole units, as text: they may be longer than 2**53."""
        return str(self._sign * units)


def _totals(invoice: Invoice, say: _Amounts) -> dict[str, str]:
    return {
        "sum_of_invoice_line_net_amount": say(invoice.net_units),
        "invoice_total_amount_without_vat": say(invoice.net_units),
        "invoice_total_vat_amount": say(invoice.tax_units),
        "invoice_total_amount_with_vat": say(invoice.gross_units),
        "paid_amount": say(invoice.settled_units),
        "rounding_amount": say(invoice.rounding_units),
        "amount_due_for_payment": say(invoice.due_units),
        "net_units": say.units(invoice.net_units),
        "vat_units": say.units(invoice.tax_units),
        "due_units": say.units(invoice.due_units),
    }


def _breakdown(invoice: Invoice, say: _Amounts) -> dict[str, Any]:
    return {
        "vat_category_code": invoice.category,
        "vat_category_rate": money.to_text(invoice.basis_points, 2),
        "vat_category_taxable_amount": say(invoice.net_units),
        "vat_category_tax_amount": say(invoice.tax_units),
        "vat_exemption_reason_text": invoice.wording or None,
    }


def _line(invoice: Invoice, line: InvoiceLine, say: _Amounts) -> dict[str, Any]:
    price = None
    if line.price_units is not None:
        price = {
            "item_net_price": money.to_text(line.price_units, invoice.asset.scale),
            "item_price_base_quantity": str(line.price_step),
        }
    return {
        "invoice_line_identifier": str(line.ordinal),
        "item_name": line.name,
        "item_description": line.detail,
        "invoiced_quantity": str(line.quantity),
        "invoiced_quantity_unit_of_measure_code": ONE,
        "counted": line.counted,
        "price_details": price,
        "invoice_line_net_amount": say(line.amount_units),
        "net_units": say.units(line.amount_units),
        "dataset_version": str(line.version_id) if line.version_id else None,
        "rate": line.rate_id,
    }


def _party(role: str, kept: dict[str, Any]) -> dict[str, Any]:
    """Seller or buyer, as they were."""
    return {
        f"{role}_name": kept["legal_name"],
        f"{role}_identifier": kept["party"],
        f"{role}_legal_registration_identifier": kept["registration"] or None,
        f"{role}_vat_identifier": kept["vat_id"] or None,
        f"{role}_postal_address": {
            "address_line_1": kept["street"],
            "post_code": kept["postal_code"],
            "city": kept["city"],
            "country_code": kept["country"],
        },
        f"{role}_tax_country_code": kept["tax_country"],
    }
