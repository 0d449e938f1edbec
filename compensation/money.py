"""Amounts as people write them, and as tokens count them; pure arithmetic on whole numbers."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext as _


class BadAmount(ValueError):
    """A text is no amount of this asset; the message says why."""


def to_text(units: int, scale: int) -> str:
    """`units` of 10 ** -scale as a decimal number; two decimals at least where there are any."""
    sign, digits = ("-" if units < 0 else ""), str(abs(units)).rjust(scale + 1, "0")
    if not scale:
        return sign + digits
    whole, part = digits[:-scale], digits[-scale:]
    kept = max(len(part.rstrip("0")), min(2, scale))
    return f"{sign}{whole}.{part[:kept]}"


def grouped(units: int, scale: int) -> str:
    """`to_text` as pages show it: thousands marked, and a minus that is not a hyphen."""
    whole, point, part = to_text(abs(units), scale).partition(".")
    return f"{'−' if units < 0 else ''}{int(whole):,}{point}{part}"


def to_units(text: str, scale: int) -> int:
    """The units that a decimal number says, exactly; raises BadAmount where it is finer."""
    try:
        scaled = Decimal(text.strip()).scaleb(scale)
    except InvalidOperation as error:
        raise BadAmount(
            _("%(text)s is not a number: write it like 12.50.") % {"text": repr(text)}
        ) from error
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise BadAmount(
            _("%(text)s has more than %(scale)s decimals.") % {"text": repr(text), "scale": scale}
        )
    return int(scaled)


def to_tokens(units: int, scale: int, decimals: int) -> tuple[int, int]:
    """What `units` of an asset are in its token, and the units that are too small for it.

    The floor goes out; the rest stays owed.
    """
    if decimals >= scale:
        return units * _power(decimals - scale), 0
    step = _power(scale - decimals)
    return units // step, units % step


def from_tokens(tokens: int, scale: int, decimals: int) -> int:
    """The units that tokens are; tokens finer than a unit are refused, as none of ours are."""
    if decimals >= scale:
        units, rest = divmod(tokens, _power(decimals - scale))
        assert not rest, f"{tokens} is finer than the asset's scale {scale}"
        return units
    return tokens * _power(scale - decimals)


def floor_from_tokens(tokens: int, scale: int, decimals: int) -> int:
    """The whole units in tokens that may be finer than a unit."""
    return from_tokens(tokens - tokens % _power(max(0, decimals - scale)), scale, decimals)


def _power(exponent: int) -> int:
    return int(10**exponent)
