"""Amounts on pages: exact, with thousands marked, and always naming their asset."""

from __future__ import annotations

from django import template
from django.utils.dates import WEEKDAYS
from django.utils.translation import ngettext

from compensation import money
from compensation.models import Asset, InvoiceLine
from compensation.wording import price_in_words
from provenance import kept

register = template.Library()


@register.filter
def amount(units: int | None, asset: Asset | None) -> str:
    """`units` of an asset as people write them, with its symbol."""
    if asset is None:
        return "–"
    return f"{bare(units, asset)} {asset.symbol}"


@register.filter
def bare(units: int | None, asset: Asset) -> str:
    """`units` of an asset as a decimal number with thousands marked, without the symbol."""
    return money.grouped(int(units or 0), asset.scale)


@register.filter
def counted(line: InvoiceLine) -> str:
    """An invoice line's quantity, and what it is of."""
    count = line.quantity
    words = {
        "charges": ngettext("%(count)s charge", "%(count)s charges", count),
        "entries": ngettext("%(count)s entry", "%(count)s entries", count),
        "epochs": ngettext("%(count)s epoch", "%(count)s epochs", count),
        "fetches": ngettext("%(count)s fetch", "%(count)s fetches", count),
        "parts": ngettext("%(count)s part", "%(count)s parts", count),
        "records": ngettext("%(count)s record", "%(count)s records", count),
        "runs": ngettext("%(count)s run", "%(count)s runs", count),
        "tokens": ngettext("%(count)s token", "%(count)s tokens", count),
    }
    return words[line.counted] % {"count": f"{count:,}"}


@register.filter
def priced(line: InvoiceLine) -> str:
    """What explains a line, in the reader's language: its rate's words, or what it kept."""
    if line.rate is None:
        return kept.said(line.detail)
    asset = line.invoice.asset
    return price_in_words(line.rate, {asset.code: asset})


@register.filter
def weekday(day: int) -> str:
    """The name of a day of the week, of which Monday is the first."""
    return str(WEEKDAYS[day - 1])
