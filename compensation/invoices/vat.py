"""VAT as arithmetic and form: formats of ids, rounding to coins. Pure; no rate is known here."""

from __future__ import annotations

import re
from typing import Final

# Formats by country: European Commission, "VAT identification number structure" (VIES, FAQ 11);
# GB and XI: HM Revenue & Customs; CH and NO: their federal tax administrations.
FORMATS: Final[dict[str, str]] = {
    "AT": r"ATU\d{8}",
    "BE": r"BE[01]\d{9}",
    "BG": r"BG\d{9,10}",
    "CH": r"CHE\d{9}(MWST|TVA|IVA)?",
    "CY": r"CY\d{8}[A-Z]",
    "CZ": r"CZ\d{8,10}",
    "DE": r"DE\d{9}",
    "DK": r"DK\d{8}",
    "EE": r"EE\d{9}",
    "ES": r"ES[A-Z0-9]\d{7}[A-Z0-9]",
    "FI": r"FI\d{8}",
    "FR": r"FR[A-HJ-NP-Z0-9]{2}\d{9}",
    "GB": r"GB(\d{9}|\d{12}|(GD|HA)\d{3})",
    "GR": r"EL\d{9}",
    "HR": r"HR\d{11}",
    "HU": r"HU\d{8}",
    "IE": r"IE(\d{7}[A-W][A-I]?|\d[A-Z+*]\d{5}[A-W])",
    "IT": r"IT\d{11}",
    "LT": r"LT(\d{9}|\d{12})",
    "LU": r"LU\d{8}",
    "LV": r"LV\d{11}",
    "MT": r"MT\d{8}",
    "NL": r"NL[A-Z0-9+*]{10}\d{2}",
    "NO": r"NO\d{9}(MVA)?",
    "PL": r"PL\d{10}",
    "PT": r"PT\d{9}",
    "RO": r"RO\d{2,10}",
    "SE": r"SE\d{12}",
    "SI": r"SI\d{8}",
    "SK": r"SK\d{10}",
    "XI": r"XI(\d{9}|\d{12}|(GD|HA)\d{3})",
}
# Elsewhere a tax number is what its country makes it.
ELSEWHERE: Final = r"[A-Z0-9][A-Z0-9./-]{1,18}"
# Decimals of currencies that have not two (ISO 4217).
DECIMALS: Final[dict[str, int]] = {
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(
        (
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND",
            "VUV", "XAF", "XOF", "XPF",
        ),
        0,
    ),
}  # fmt: skip


def plain_id(text: str) -> str:
    """A VAT id without the spaces, dots and dashes that people write into it."""
    return re.sub(r"[\s.\-]", "", text).upper()


def fits(vat_id: str, country: str) -> bool:
    """Whether a plain VAT id has the format of its country; only the form is checked."""
    return re.fullmatch(FORMATS.get(country, ELSEWHERE), vat_id) is not None


def coin(code: str, scale: int) -> int:
    """The smallest amount that is paid, in units of an asset (`iso4217:EUR`, scale 6: 10,000)."""
    decimals = DECIMALS.get(code.removeprefix("iso4217:"), 2)
    return int(10 ** max(scale - decimals, 0))


def rounded(units: int, coin_units: int) -> int:
    """To whole coins, halves away from zero, so that a credit note mirrors its invoice."""
    whole = (2 * abs(units) + coin_units) // (2 * coin_units) * coin_units
    return whole if units >= 0 else -whole


def tax(net_units: int, basis_points: int, coin_units: int) -> int:
    """VAT on a net amount at so many hundredths of a percent, in whole coins, halves up."""
    whole = 10_000 * coin_units
    owed = (2 * abs(net_units) * basis_points + whole) // (2 * whole) * coin_units
    return owed if net_units >= 0 else -owed
