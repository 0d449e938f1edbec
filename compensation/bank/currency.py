"""How many decimals a currency has at a bank (ISO 4217, list one, column "minor unit")."""

from __future__ import annotations

from decimal import Decimal

_NONE = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"}
    | {"RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_THREE = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
PREFIX = "iso4217:"


def decimals(currency: str) -> int:
    """The decimals of a currency's minor unit, as banks pay it."""
    if currency in _NONE:
        return 0
    return 3 if currency in _THREE else 2


def to_text(minor: int, currency: str) -> str:
    """Minor units as an ISO 20022 amount: `12.50`, `1000` for a currency without decimals."""
    return str(Decimal(minor).scaleb(-decimals(currency)))


def to_minor(amount: Decimal, currency: str) -> int | None:
    """A bank's amount in minor units; None where it is finer than the currency."""
    scaled = amount.scaleb(decimals(currency))
    return int(scaled) if scaled == scaled.to_integral_value() else None
