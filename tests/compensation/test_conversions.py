"""Money changes from one asset into another only at a stated price, out of the treasury."""

from __future__ import annotations

from fractions import Fraction

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError
from hypothesis import given, strategies
from hypothesis.extra.django import TestCase

from compensation import conversions, deposits, invariants, journal
from compensation.models import Account, Conversion, Entry
from provenance.models import Event
from tests.cast import NOON
from tests.compensation.books import move, outside, treasury

Kind = Account.Kind


@pytest.fixture
def dollar(db):
    return deposits.register_asset(code="iso4217:USD", symbol="USD", scale=2)


@pytest.fixture
def deposit(rich_lab, euro):
    """A lab's account with a hundred euro, in millionths."""
    return journal.account(Kind.LAB, euro, party=rich_lab)


def convert(deposit, dollar, units=10_000_000, rate=Fraction("1.0842"), reference="c", **more):
    return conversions.convert(
        source=deposit, target_asset=dollar, units=units, rate=rate, reference=reference,
        reason="the lab asked", at=NOON, **more,
    )  # fmt: skip


def fund(asset, units, reference="capital"):
    return conversions.fund_treasury(asset=asset, amount_units=units, reference=reference, at=NOON)


def test_what_a_conversion_gives_is_the_floor_of_its_price(deposit, dollar, euro, rich_lab):
    fund(dollar, 100_000)
    made = convert(deposit, dollar, units=9_999_999)
    # 9.999999 EUR at 1.0842 are 10.8419989158 USD.
    assert made.to_units == 1084
    assert made.rate == Fraction("1.0842")
    assert journal.account(Kind.LAB, dollar, party=rich_lab).balance.posted == 1084
    assert deposit.balance.posted == 90_000_001
    assert treasury(euro).balance.posted == 9_999_999
    assert treasury(dollar).balance.posted == 100_000 - 1084
    assert made.out_entry.facts["price"] == made.in_entry.facts["price"]
    assert {made.out_entry.kind, made.in_entry.kind} == {Entry.Kind.CONVERSION}
    assert list(invariants.broken()) == []
    assert Event.objects.get(kind="money.converted").party == rich_lab


def test_the_same_reference_converts_once_and_another_price_under_it_is_refused(deposit, dollar):
    fund(dollar, 100_000)
    made = convert(deposit, dollar)
    assert convert(deposit, dollar) == made
    with pytest.raises(conversions.ReferenceUsed):
        convert(deposit, dollar, rate=Fraction(1))
    assert Event.objects.filter(kind="money.converted").count() == 1


def test_an_empty_treasury_converts_nothing(deposit, dollar):
    fund(dollar, 1083)
    with pytest.raises(conversions.TreasuryTooSmall):
        convert(deposit, dollar, units=9_999_999)
    assert not Entry.objects.filter(kind=Entry.Kind.CONVERSION).exists()


def test_money_that_is_not_there_is_not_converted(deposit, dollar):
    fund(dollar, 10**9)
    with pytest.raises(journal.NotEnoughMoney):
        convert(deposit, dollar, units=100_000_001)
    assert not Conversion.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"units": 0},
        {"units": -5},
        {"units": 1},
        {"rate": Fraction(0)},
        {"rate": Fraction(-1)},
        {"rate": Fraction(1, 10**31)},
        {"reference": ""},
    ],
)
def test_what_is_no_conversion_is_refused(deposit, dollar, wrong):
    fund(dollar, 10**9)
    with pytest.raises(conversions.BadConversion):
        convert(deposit, dollar, **wrong)


def test_a_conversion_into_the_same_asset_or_of_escrow_is_refused(deposit, dollar, euro):
    with pytest.raises(conversions.BadConversion):
        convert(deposit, euro)
    with pytest.raises(conversions.BadConversion):
        convert(journal.account(Kind.ESCROW, euro), dollar)


def test_the_database_refuses_another_amount_than_the_price_says(deposit, dollar, rich_lab):
    fund(dollar, 10**9)
    target = journal.account(Kind.LAB, dollar, party=rich_lab)
    treasury(deposit.asset)
    for given_units in (1083, 1085):
        with (
            pytest.raises(IntegrityError, match="conversion_gives_what_it_costs"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "SELECT compensation_convert(%s, %s, 9999999, %s, 5421, 50000000, %s, %s, 'c',"
                " '{}', '', NULL)",
                [deposit.pk, target.pk, given_units, NOON, NOON],
            )


def test_nothing_crosses_assets_by_an_ordinary_entry(deposit, dollar):
    with pytest.raises(IntegrityError, match="another asset"):
        move(deposit, treasury(dollar), 5, "x")
    with pytest.raises(IntegrityError, match="compensation_convert"):
        move(deposit, treasury(deposit.asset), 5, "x", kind=Entry.Kind.CONVERSION)


def test_funds_come_once_for_each_reference(euro):
    assert fund(euro, 500) == fund(euro, 500)
    with pytest.raises(conversions.ReferenceUsed):
        fund(euro, 501)
    fund(euro, -500, "back")
    assert (treasury(euro).balance.posted, outside(euro).balance.posted) == (0, 0)


class TestAnyPrice(TestCase):
    @given(
        units=strategies.integers(1, 10**12),
        rate=strategies.fractions(Fraction(1, 1000), 1000, max_denominator=10**9),
        scales=strategies.tuples(strategies.integers(0, 9), strategies.integers(0, 9)),
    )
    def test_there_and_back_never_gains_a_unit(self, units, rate, scales):
        one, other = (
            deposits.register_asset(code=f"iso4217:{code}", symbol=code, scale=scale)
            for code, scale in zip(("XXA", "XXB"), scales, strict=True)
        )
        there = conversions.converted_units(units, rate, one, other)
        assert conversions.converted_units(there, 1 / rate, other, one) <= units
