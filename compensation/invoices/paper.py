"""A document on paper: one page where it fits, made from what was frozen as it was issued.

A document has one language, English, and one number; who reads another finds the names of its
parts in that too, behind the English ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import translation
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from compensation import money
from compensation.invoices.document import currency, instructions, local, notes, terms
from compensation.models import Invoice, InvoiceLine
from provenance import kept
from provenance.documents.pdf import Paper

_HEADER = ("", _noop("Use of"), _noop("At"), _noop("Quantity"), _noop("Amount"))


def as_pdf(invoice: Invoice) -> bytes:
    """The document as a PDF, with labels in the active language too; the same gives the same."""
    language = get_language() or "en"
    with kept.in_english():
        return _paper(invoice, _Labels(language)).bytes()


class _Labels:
    """Says the name of a part in English, and behind it in the reader's language."""

    def __init__(self, language: str) -> None:
        self.language = "" if language.startswith("en") else language

    def __call__(self, name: str, context: str = "") -> str:
        own = self.own(name, context) if name else ""
        return f"{name} / {own}" if own and own != name else name

    def own(self, words: str, context: str = "") -> str:
        """The words in the reader's language alone; empty where that is English."""
        if not self.language:
            return ""
        with translation.override(self.language):
            return pgettext(context, words) if context else _(words)


def _paper(invoice: Invoice, label: _Labels) -> Paper:
    kind = str(invoice.get_kind_display())
    paper = Paper(
        f"{label(kind)} {invoice.number}",
        subtitle=f"Issued on {local(invoice.issued_at):%-d %B %Y} for {_month(invoice)}",
    )
    note = _noop("The English of this document counts; names of its parts are translated beside.")
    if own := label.own(note):
        paper.text(own)
    paper.beside(
        (label(pgettext("on an invoice", "From"), "on an invoice"), _party(invoice.seller)),
        (label(pgettext("on an invoice", "To"), "on an invoice"), _party(invoice.buyer)),
    )
    if invoice.corrects is not None:
        why = (label(_("Why")), invoice.reason)
        paper.facts([(label(_("Takes back")), invoice.corrects.number), why])
    symbol, lines = currency(invoice), list(invoice.lines.all())
    say = _Amounts(invoice, lines)
    *names, amount = map(label, _HEADER)
    paper.table(
        [*names, f"{amount}, {symbol}"],
        [_row(line, say) for line in lines],
        parts=[6, 46, 48, 35, 35],
        numbers={0, 3, 4},
    )
    paper.sums([(label(name) + rest, value) for name, rest, value in _sums(invoice, symbol, say)])
    for words in notes(invoice):
        paper.text(words)
    _write_payment(paper, invoice, label)
    return paper


def _write_payment(paper: Paper, invoice: Invoice, label: _Labels) -> None:
    paper.heading(label(_("Payment")))
    paper.text(terms(invoice))
    if details := instructions(invoice):
        paper.text(f"Pay to {details}, naming {invoice.number}.")
    proof = invoice.proof
    paper.heading(label(_("Proof")))
    paper.facts(
        [
            (label(_("SHA-256 of the data")), bytes(proof.digest).hex()),
            (label(_("Ledger event")), proof.event.sequence or "waiting for its number"),
        ]
    )


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
    quantity = f"{line.quantity:,} {line.noun}"
    return [line.ordinal, line.name, line.detail, quantity, say(line.amount_units)]


def _sums(invoice: Invoice, symbol: str, say: _Amounts) -> list[tuple[str, str, str]]:
    """Each sum: its name, what stands behind the name, and the amount."""
    rate = money.to_text(invoice.basis_points, 2)
    taxed = f" {rate} %" if invoice.basis_points else f": {invoice.get_category_display()}"
    rows = [
        (_("Without VAT"), "", say(invoice.net_units)),
        (_("VAT"), taxed, say(invoice.tax_units)),
        (_("With VAT"), "", say(invoice.gross_units)),
    ]
    if invoice.settled_units:
        rows.append((_("Settled in the balance"), "", say(-invoice.settled_units)))
    if invoice.rounding_units:
        rows.append((_("Rounding"), "", say(invoice.rounding_units)))
    last = _("To be paid back") if invoice.is_credit else _("To be paid")
    # Whole coins need no more decimals.
    due = -invoice.due_units if invoice.is_credit else invoice.due_units
    return [*rows, (last, f", {symbol}", money.grouped(due, invoice.asset.scale))]


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
