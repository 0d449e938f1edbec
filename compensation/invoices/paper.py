"""A document on paper: one page where it fits, made from what was frozen as it was issued."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compensation import money
from compensation.invoices.document import currency, instructions, local, notes, terms
from compensation.models import Invoice, InvoiceLine
from provenance.documents.pdf import Paper


def as_pdf(invoice: Invoice) -> bytes:
    """The document as a PDF; the same document gives the same bytes."""
    paper = Paper(
        f"{invoice.get_kind_display()} {invoice.number}",
        subtitle=f"Issued on {local(invoice.issued_at):%-d %B %Y} for {_month(invoice)}",
    )
    paper.beside(("From", _party(invoice.seller)), ("To", _party(invoice.buyer)))
    if invoice.corrects is not None:
        paper.facts([("Takes back", invoice.corrects.number), ("Why", invoice.reason)])
    symbol, lines = currency(invoice), list(invoice.lines.all())
    say = _Amounts(invoice, lines)
    paper.table(
        ["", "Use of", "At", "Quantity", f"Amount, {symbol}"],
        [_row(line, say) for line in lines],
        parts=[6, 46, 48, 35, 35],
        numbers={0, 3, 4},
    )
    paper.sums(_sums(invoice, symbol, say))
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


class _Amounts:
    """Says amounts with one number of decimals, as few as are exact, and two at least.

    A credit note shows what it gives back.
    """

    def __init__(self, invoice: Invoice, lines: Sequence[InvoiceLine]) -> None:
        self._sign = -1 if invoice.is_credit else 1
        self._scale = invoice.asset.scale
        amounts = [line.amount_units for line in lines]
        amounts += [invoice.net_units, invoice.tax_units, invoice.settled_units]
        needed = (money.to_text(units, self._scale).partition(".")[2] for units in amounts)
        self._decimals = max(len(decimals) for decimals in needed)

    def __call__(self, units: int) -> str:
        whole, _, decimals = money.grouped(self._sign * units, self._scale).partition(".")
        return f"{whole}.{decimals.ljust(self._decimals, '0')}" if self._decimals else whole


def _row(line: InvoiceLine, say: _Amounts) -> list[object]:
    quantity = f"{line.quantity:,} {line.counted}"
    return [line.ordinal, line.name, line.detail, quantity, say(line.amount_units)]


def _sums(invoice: Invoice, symbol: str, say: _Amounts) -> list[tuple[str, str]]:
    rate = money.to_text(invoice.basis_points, 2)
    taxed = f"VAT {rate} %" if invoice.basis_points else f"VAT: {invoice.get_category_display()}"
    rows = [
        ("Without VAT", say(invoice.net_units)),
        (taxed, say(invoice.tax_units)),
        ("With VAT", say(invoice.gross_units)),
    ]
    if invoice.settled_units:
        rows.append(("Settled in the balance", say(-invoice.settled_units)))
    if invoice.rounding_units:
        rows.append(("Rounding", say(invoice.rounding_units)))
    last = "To be paid back" if invoice.is_credit else "To be paid"
    # Whole coins need no more decimals.
    due = -invoice.due_units if invoice.is_credit else invoice.due_units
    return [*rows, (f"{last}, {symbol}", money.grouped(due, invoice.asset.scale))]


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
