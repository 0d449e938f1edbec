"""Tax data, rules and the arithmetic of VAT: what cannot be is refused, halves are rounded up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compensation import invoices
from compensation.invoices import vat
from compensation.models import TaxProfile
from provenance.models import Party
from tests.cast import NOON
from tests.compensation.invoicing import profile, rule

# Tax data.


@pytest.mark.parametrize(
    ("country", "vat_id", "fits"),
    [
        ("DE", "DE123456789", True),
        ("DE", "DE12345678", False),
        ("DE", "FR40303265045", False),
        ("GR", "EL123456789", True),
        ("GR", "GR123456789", False),
        ("AT", "ATU12345678", True),
        ("NL", "NL000099998B57", True),
        ("CH", "CHE123456789MWST", True),
        ("US", "12-3456789", True),
        ("US", "?", False),
    ],
)
def test_a_vat_id_has_the_form_of_its_country(country: str, vat_id: str, fits: bool) -> None:
    assert vat.fits(vat_id if country == "US" else vat.plain_id(vat_id), country) is fits


@pytest.mark.parametrize(
    "wrong",
    [
        {"legal_name": " "},
        {"country": "Germany"},
        {"tax_country": "1D"},
        {"vat_id": "DE1"},
        {"city": "x" * 101},
    ],
)
def test_tax_data_that_cannot_be_are_refused(lab: Party, wrong: dict) -> None:
    with pytest.raises(invoices.BadTaxData):
        profile(lab, **wrong)


def test_tax_data_that_did_not_change_are_one_row(lab: Party) -> None:
    for name in ("Cobalt AG", "Cobalt AG", "Cobalt Two AG", "Cobalt AG"):
        profile(lab, legal_name=name)
    assert TaxProfile.objects.filter(party=lab).count() == 3
    assert invoices.profile_of(lab).legal_name == "Cobalt AG"


@pytest.mark.parametrize(
    "wrong",
    [
        {"category": "S", "basis_points": 0},
        {"category": "S", "basis_points": 10_001},
        {"category": "E", "basis_points": 0, "wording": " "},
        {"category": "AE", "basis_points": 500},
        {"category": "X"},
        {"country": "GER"},
    ],
)
def test_a_rule_that_cannot_be_is_refused(db: None, wrong: dict) -> None:
    with pytest.raises(invoices.BadTaxRule):
        rule("lab", **wrong)


def test_a_rule_counts_from_later_than_the_one_before(db: None) -> None:
    rule("lab")
    with pytest.raises(invoices.TaxRuleStands):
        rule("lab", basis_points=700)
    rule("lab", basis_points=700, valid_from=NOON)


# The arithmetic.


@given(
    st.integers(-(2**62), 2**62), st.integers(0, 10_000), st.sampled_from([1, 10, 10_000, 10**7])
)
def test_vat_is_the_nearest_coin_and_mirrors_itself(net: int, points: int, coin: int) -> None:
    owed = vat.tax(net, points, coin)
    assert owed % coin == 0
    assert abs(owed * 10_000 - net * points) * 2 <= 10_000 * coin
    assert vat.tax(-net, points, coin) == -owed


@given(st.integers(-(2**62), 2**62), st.sampled_from([1, 10, 10_000]))
def test_rounding_is_to_the_nearest_coin(units: int, coin: int) -> None:
    done = vat.rounded(units, coin)
    assert done % coin == 0
    assert abs(done - units) * 2 <= coin
    assert vat.rounded(-units, coin) == -done


def test_halves_are_rounded_up() -> None:
    assert vat.tax(2_500_000, 20, 10_000) == 10_000
    assert vat.tax(2_499_999, 20, 10_000) == 0
    assert vat.rounded(5_000, 10_000) == 10_000


@pytest.mark.parametrize(
    ("code", "scale", "units"),
    [("iso4217:EUR", 6, 10_000), ("iso4217:JPY", 0, 1), ("iso4217:JPY", 4, 10_000),
     ("iso4217:KWD", 6, 1_000), ("iso4217:EUR", 2, 1), ("eip155:1/erc20:0x1", 6, 10_000)],
)  # fmt: skip
def test_a_coin_is_the_currencys_smallest(code: str, scale: int, units: int) -> None:
    assert vat.coin(code, scale) == units
