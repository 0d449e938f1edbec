"""A document on paper: one page where it fits, made from what was frozen as it was issued."""

from __future__ import annotations

from typing import Any

from compensation import money
from compensation.invoices.document import currency, instructions, notes, terms
from compensation.models import Invoice, InvoiceLine
from provenance.documents.pdf import Paper


def as_pdf(invoice: Invoice) -> bytes:
    """The document as a PDF; the same document gives the same bytes."""
    paper = Paper(
        f"{invoice.get_kind_display()} {invoice.number}",
        subtitle=f"Issued on {invoice.issued_at:%-d %B %Y} for {_month(invoice)}",
    )
    paper.beside(("From", _party(invoice.seller)), ("To", _party(invoice.buyer)))
    if invoice.corrects is not None:
        paper.facts([("Takes back", invoice.corrects.number), ("Why", invoice.reason)])
    symbol = currency(invoice)
    paper.table(
        ["", "Use of", "At", "Quantity", f"Amount, {symbol}"],
        [_row(invoice, line) for line in invoice.lines.all()],
        parts=[6, 46, 48, 35, 35],
        numbers={0, 3, 4},
    )
    paper.sums(_sums(invoice, symbol))
    for note in notes(invoice):
        paper.text(note)
    paper.heading("Payment")
    paper.text(terms(invoice))
    if details := instructions(invoice):
        paper.text(f"Pay to {details}, naming {invoice.number}.")
    proof = invoice.proof
    paper.heading("Proof")
    paper.facts(
        [
            ("SHA-256 of the data", bytes(proof.digest).hex()),
            ("Ledger event", proof.event.sequence or "waiting for its number"),
        ]
    )
    return paper.bytes()


def say(invoice: Invoice, units: int) -> str:
    """An amount as the document shows it: a credit note shows what it gives back."""
    return money.grouped(-units if invoice.is_credit else units, invoice.asset.scale)


def _row(invoice: Invoice, line: InvoiceLine) -> list[object]:
    quantity = f"{line.quantity:,} {line.counted}"
    return [line.ordinal, line.name, line.detail, quantity, say(invoice, line.amount_units)]


def _sums(invoice: Invoice, symbol: str) -> list[tuple[str, str]]:
    rate = money.to_text(invoice.basis_points, 2)
    taxed = f"VAT {rate} %" if invoice.basis_points else f"VAT: {invoice.get_category_display()}"
    rows = [
        ("Without VAT", say(invoice, invoice.net_units)),
        (taxed, say(invoice, invoice.tax_units)),
        ("With VAT", say(invoice, invoice.gross_units)),
    ]
    if invoice.settled_units:
        rows.append(("Settled in the balance", say(invoice, -invoice.settled_units)))
    if invoice.rounding_units:
        rows.append(("Rounding", say(invoice, invoice.rounding_units)))
    return [*rows, (f"To be paid, {symbol}", say(invoice, invoice.due_units))]


def _party(kept: dict[str, Any]) -> list[str]:
    place = " ".join(part for part in (kept["postal_code"], kept["city"]) if part)
    lines = [kept["legal_name"], kept["street"], f"{place}, {kept['country']}"]
    if kept["registration"]:
        lines.append(kept["registration"])
    if kept["vat_id"]:
        lines.append(f"VAT id {kept['vat_id']}")
    if kept["tax_country"] != kept["country"]:
        lines.append(f"Taxed in {kept['tax_country']}")
    return lines


def _month(invoice: Invoice) -> str:
    """The period in words: `March 2026`."""
    middle = invoice.period.starts_at + (invoice.period.ends_at - invoice.period.starts_at) / 2
    return f"{middle:%B %Y}"
