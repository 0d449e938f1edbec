"""The rules of splitting, held against what they promise: exact in any order, batch and history."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compensation import money, pricing
from compensation.division import PLATFORM, Part, Payee, Place, Standing, moved, parts, weights

WEIGHTS = st.lists(st.integers(1, 10**6), min_size=1, max_size=12)
AMOUNTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=40)
BASE = Place((("ada", 1),))


def credited(shares: list[int], amounts: list[int]) -> list[int]:
    total, earned = 0, [0] * len(shares)
    for amount in amounts:
        for place, weight in enumerate(shares):
            earned[place] += pricing.credit(amount, total, weight, sum(shares))
        total += amount
    return earned


@given(WEIGHTS, AMOUNTS, st.randoms(use_true_random=False))
def test_credits_are_the_same_in_any_order_and_any_batches(shares, amounts, random):
    one_by_one = credited(shares, amounts)
    shuffled = amounts[:]
    random.shuffle(shuffled)
    batches, at = [], 0
    while at < len(shuffled):
        size = random.randint(1, len(shuffled) - at)
        batches.append(sum(shuffled[at : at + size]))
        at += size
    assert credited(shares, batches) == one_by_one


@given(WEIGHTS, AMOUNTS)
def test_nobody_is_ever_a_unit_off_and_nothing_is_lost(shares, amounts):
    earned, total = credited(shares, amounts), sum(amounts)
    assert 0 <= total - sum(earned) < len(shares)
    for weight, units in zip(shares, earned, strict=True):
        assert 0 <= Fraction(total * weight, sum(shares)) - units < 1


PARTIES = ["ada", "ben", "cleo"]
HOLDERS = st.lists(
    st.tuples(st.sampled_from(PARTIES), st.integers(1, 10_000)),
    min_size=1,
    max_size=3,
    unique_by=lambda holder: holder[0],
).map(tuple)


@st.composite
def standings(draw):
    is_held = draw(st.booleans())
    return Standing(
        holders=draw(HOLDERS),
        conflict_id=draw(st.sampled_from(["c1", "c2"])),
        resolution_id="" if is_held else draw(st.sampled_from(["r1", "r2", "r3"])),
        is_held=is_held,
        from_the_start=not is_held,
        token_count=draw(st.integers(0, 50)),
    )


@given(
    st.lists(st.dictionaries(st.integers(0, 20), standings(), max_size=10), min_size=1, max_size=5),
    st.integers(0, 10**9),
    st.integers(0, 3000),
)
def test_the_end_of_a_dispute_does_not_depend_on_its_way(history, total, fee):
    """Whatever was held and moved before, the last resolutions alone decide who has what."""
    counts = dict.fromkeys(range(21), 1)
    places = {}
    for standing in [*history, {}]:
        touched = {*places, *standing}
        places = {one: moved(places.get(one, BASE), standing.get(one), BASE) for one in touched}
    after = weights(parts(places, counts, BASE, 21), fee)
    never = weights([Part(BASE, 21)], fee)
    assert pricing.targets(total, after) == pricing.targets(total, never)


@given(st.dictionaries(st.integers(0, 20), standings(), max_size=20), st.integers(0, 3000))
def test_each_record_weighs_as_much_as_any_other(disputed, fee):
    counts = dict.fromkeys(range(21), 1)
    places = {record_id: one.place for record_id, one in disputed.items()}
    found = weights(parts(places, counts, BASE, 21), fee)
    whole = sum(found.values())
    assert Fraction(found.get(PLATFORM, 0), whole) == Fraction(fee, 10_000)
    for conflict_id in ("c1", "c2"):
        held = sum(one.is_held and one.conflict_id == conflict_id for one in disputed.values())
        expected = Fraction(held * (10_000 - fee), 21 * 10_000)
        assert Fraction(found.get(Payee("escrow", conflict_id), 0), whole) == expected


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 10**6), st.integers(0, 10**9))
def test_splitting_a_registration_in_two_earns_nobody_a_unit_more(first, second, price, seen):
    """Two halves of a dataset, each charged by its own records, never earn more than the whole."""
    together = pricing.price("per_1k_records", price, (first + second) * seen, 0)
    apart = sum(pricing.price("per_1k_records", price, one * seen, 0) for one in (first, second))
    assert apart <= together <= apart + 1


@given(st.sampled_from(["per_1k_records", "per_1m_tokens"]), st.integers(0, 10**9), AMOUNTS)
def test_charges_of_a_usage_add_up_to_its_price_however_often_it_is_charged(basis, price, steps):
    charged, seen = 0, 0
    for step in steps:
        seen += step
        now = pricing.price(basis, price, seen, seen)
        assert now >= charged
        charged = now
    assert charged == pricing.price(basis, price, sum(steps), sum(steps))


@given(st.integers(-(10**18), 10**18), st.integers(0, 9))
def test_an_amount_reads_as_it_is_written(units, scale):
    assert money.to_units(money.to_text(units, scale), scale) == units


@given(st.integers(0, 10**15), st.integers(0, 9), st.integers(0, 18))
def test_a_tokens_floor_and_the_rest_are_the_whole(units, scale, decimals):
    tokens, rest = money.to_tokens(units, scale, decimals)
    assert money.from_tokens(tokens, scale, decimals) + rest == units


@pytest.mark.parametrize("text", ["", "twelve", "1.2345678", "inf", "nan"])
def test_what_is_no_amount_is_said(text):
    with pytest.raises(money.BadAmount):
        money.to_units(text, 6)


def test_a_new_hold_takes_nothing_back_and_a_late_decision_moves_only_what_it_may():
    held = Standing((("ada", 1),), "c", "", True, False, 1)
    assert moved(BASE, held, BASE) == BASE
    late = Standing((("ben", 1),), "c", "r", False, False, 1)
    assert moved(BASE, late, BASE) == BASE
    assert moved(held.place, late, BASE) == BASE
    start = Standing((("ben", 1),), "c", "r", False, True, 1)
    assert moved(BASE, start, BASE) == start.place
    assert moved(held.place, start, BASE) == start.place
