"""Amounts on pages: exact, with thousands marked, and always naming their asset."""

from __future__ import annotations

from django import template
from django.utils.dates import WEEKDAYS
from django.utils.translation import get_language, gettext

from compensation import money
from compensation.models import Asset, InvoiceLine

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
    is_english = (get_language() or "en").startswith("en")
    return f"{line.quantity:,} {line.noun if is_english else gettext(line.counted)}"


@register.filter
def weekday(day: int) -> str:
    """The name of a day of the week, of which Monday is the first."""
    return str(WEEKDAYS[day - 1])
