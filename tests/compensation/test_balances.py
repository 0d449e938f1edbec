"""A balance at any past moment, by posting or by effect, is exact and found at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from hypothesis import given, settings, strategies
from hypothesis.extra.django import TestCase

from compensation import deposits, journal, money, periods
from compensation.journal import By
from compensation.models import Account, Asset, Balance, Turnover, TurnoverMark
from tests.cast import NOON
from tests.compensation.books import move, outside, treasury

moments = strategies.integers(0, 5 * 60).map(lambda minutes: NOON + timedelta(minutes=minutes))
moves = strategies.lists(
    strategies.tuples(moments, moments, strategies.integers(-50, 50).filter(bool)), max_size=12
)


class TestAnyHistory(TestCase):
    @settings(max_examples=40)
    @given(moves=moves, added_up_after=strategies.integers(0, 12), asked=moments)
    def test_a_balance_at_a_moment_is_the_sum_of_what_was_there(self, moves, added_up_after, asked):
        euro = Asset.objects.create(code="iso4217:EUR", symbol="EUR", scale=6)
        source, target = outside(euro), journal.account(Account.Kind.ROUNDING, euro)
        for number, (effective_at, posted_at, units) in enumerate(moves):
            if number == added_up_after:
                periods.add_turnovers(limit=3)
            move(source, target, units, str(number), effective_at=effective_at, posted_at=posted_at)
        assert journal.balance_at(target, asked) == sum(
            units for _, posted_at, units in moves if posted_at <= asked
        )
        assert journal.balance_at(target, asked, by=By.EFFECTIVE) == sum(
            units for effective_at, _, units in moves if effective_at <= asked
        )


def test_adding_up_twice_adds_nothing(euro):
    for number in range(7):
        move(outside(euro), treasury(euro), 5, str(number))
    assert periods.add_turnovers(limit=4) == 4
    assert periods.add_turnovers(limit=4) == 3
    assert periods.add_turnovers(limit=4) == 0
    assert TurnoverMark.objects.get().number == 7
    assert [int(row.amount_units) for row in Turnover.objects.order_by("amount_units")] == [-35, 35]


LINES = 1_000_000
# A million entries between two accounts over a year, written past the functions, which would take
# an hour for them one by one.
A_MILLION = """
ALTER TABLE compensation_entry DISABLE TRIGGER USER;
ALTER TABLE compensation_line DISABLE TRIGGER USER;
INSERT INTO compensation_entry (id, kind, effective_at, posted_at, idempotency_key, facts_text,
    line_count, charge_count, charges_digest, previous_hash, hash, asset_id, period_id)
SELECT n, 'adjustment', t.at, t.at, n::text, '{}', 2, 0, '', '', '', %(asset)s, NULL
  FROM generate_series(1, %(lines)s) AS n,
       LATERAL (SELECT %(start)s + n * interval '31 seconds' AS at) t;
INSERT INTO compensation_line (entry_id, account_id, amount_units)
SELECT e.id, a.account, a.sign * (e.id %% 7 + 1)
  FROM compensation_entry e, (VALUES (%(source)s, -1), (%(target)s, 1)) AS a(account, sign);
UPDATE compensation_journalhead SET number = %(lines)s;
ANALYZE compensation_entry, compensation_line;
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_an_account_with_a_million_lines_answers_for_any_moment(euro, as_table_owner):
    source, target = outside(euro), treasury(euro)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    values = {"asset": euro.pk, "lines": LINES, "source": source.pk, "target": target.pk,
              "start": start}  # fmt: skip
    with as_table_owner.cursor() as cursor:
        for statement in A_MILLION.split(";\n"):
            cursor.execute(statement, values)
    assert periods.add_turnovers(limit=LINES) == LINES
    for by in By:
        for number in (1, 77_777, LINES // 2, LINES):
            at = start + timedelta(seconds=31 * number)
            found = journal.balance_at(target, at, by=by)
            assert found == sum(n % 7 + 1 for n in range(1, number + 1)), (number, by)


def test_no_asset_has_a_scale_over_9_or_a_code_of_its_own(euro):
    with pytest.raises(deposits.AssetDiffers):
        deposits.register_asset(code="iso4217:XTS", symbol="XTS", scale=10)
    for code, scale in (
        ("iso4217:XTS", 10),
        ("EUR", 2),
        ("iso4217:euro", 2),
        ("eip155:1/erc20", 6),
        ("eip155:1/erc20:0xA0b8 6991", 6),
    ):
        with pytest.raises(Exception, match="asset_"), transaction.atomic():
            Asset.objects.create(code=code, symbol="X", scale=scale)
    Asset.objects.create(
        code="eip155:1/erc20:0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", symbol="USDC", scale=6
    )


@pytest.mark.parametrize("units", [2**63, 2**70, -(2**63) - 1])
def test_what_does_not_fit_is_refused_wherever_money_moves(euro, lab, units):
    with pytest.raises(journal.AmountTooLarge), transaction.atomic():
        move(outside(euro), treasury(euro), units, "too much")
    if units > 0:
        with pytest.raises(journal.AmountTooLarge), transaction.atomic():
            deposits.deposit(lab=lab, asset=euro, amount_units=units, reference="x", at=NOON)
        with pytest.raises(journal.AmountTooLarge), transaction.atomic():
            deposits.set_credit_limit(
                lab=lab, asset=euro, limit_units=units, reason="much", at=NOON
            )
    assert not Balance.objects.exclude(posted=0).exists()


def test_a_sum_that_does_not_fit_is_refused_though_each_part_does(euro):
    move(outside(euro), treasury(euro), 2**63 - 1, "all")
    with pytest.raises(journal.AmountTooLarge), transaction.atomic():
        move(outside(euro), treasury(euro), 1, "one more")
    with pytest.raises(journal.AmountTooLarge), transaction.atomic():
        journal.post(
            kind="adjustment",
            lines=[(outside(euro), -(2**62)), (outside(euro), -(2**62)), (treasury(euro), 2**63)],
            effective_at=NOON, posted_at=NOON, idempotency_key="netted",
        )  # fmt: skip
    periods.add_turnovers()
    assert journal.balance_at(treasury(euro), NOON) == 2**63 - 1


@given(units=strategies.integers(0, 2**63 - 1), scale=strategies.integers(0, 9),
       decimals=strategies.integers(0, 18))  # fmt: skip
def test_a_payout_leaf_is_the_floor_to_the_tokens_decimals_and_the_rest_stays_owed(
    units, scale, decimals
):
    tokens, rest = money.to_tokens(units, scale, decimals)
    assert money.from_tokens(tokens, scale, decimals) + rest == units
    assert 0 <= rest < 10 ** max(0, scale - decimals)


def test_the_application_adds_to_no_turnover_by_itself(euro):
    for statement in (
        "UPDATE compensation_turnovermark SET number = 5",
        "INSERT INTO compensation_turnover (account_id, effective_hour, posted_hour, amount_units)"
        " VALUES (1, now(), now(), 1)",
    ):
        with (
            pytest.raises(Exception, match="permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
