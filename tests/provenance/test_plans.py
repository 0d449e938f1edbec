"""Plans compiled: exactly what tiers, quotas and caps say, at every whole quantity."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.plans import compiled

MODES = ("graduated", "volume")
prices = st.integers(0, 60)
quantities = st.integers(0, 120)


@st.composite
def plans(draw):
    starts = draw(st.sets(st.integers(1, 60), max_size=4))
    return {
        "step": draw(st.sampled_from([1, 7, 1000])),
        "mode": draw(st.sampled_from(MODES)),
        "tiers": [(start, draw(prices)) for start in [0, *sorted(starts)]],
        "free_quantity": draw(st.integers(0, 70)),
        "cap_units": draw(st.none() | st.integers(0, 80)),
    }


def tier_price(plan, quantity: int) -> int:
    """The price of the tier that holds the unit after `quantity`."""
    return [price for start, price in plan["tiers"] if start <= quantity][-1]


def by_hand(plan, quantity: int) -> int:
    """What the words of a plan say, unit by unit, in units times step."""
    free = plan["free_quantity"]
    if plan["mode"] == "graduated":
        amount = sum(tier_price(plan, unit) for unit in range(free, quantity))
    else:
        last = max([start for start, _ in plan["tiers"]] + [quantity])
        amount = min(
            tier_price(plan, more) * max(0, more - free) for more in range(quantity, last + 1)
        )
    cap = plan["cap_units"]
    return amount if cap is None else min(amount, cap * plan["step"])


@given(plans())
def test_a_plan_costs_what_its_words_say_at_every_quantity(plan):
    schedule = compiled(**plan)
    costs = [by_hand(plan, quantity) for quantity in range(121)]
    assert [schedule.exact(quantity) for quantity in range(121)] == costs


@given(plans(), quantities, quantities)
def test_more_never_costs_less(plan, one, two):
    schedule = compiled(**plan)
    less, more = sorted((one, two))
    assert schedule.price(less) <= schedule.price(more)


@given(plans(), st.lists(st.integers(0, 40), max_size=6), st.randoms())
def test_the_sum_is_the_same_in_any_order_and_batching(plan, uses, random):
    schedule = compiled(**plan)
    shuffled = list(uses)
    random.shuffle(shuffled)
    for order in (uses, shuffled, [sum(uses)]):
        after = itertools.accumulate(order, initial=0)
        charges = [schedule.price(b) - schedule.price(a) for a, b in itertools.pairwise(after)]
        assert sum(charges) == schedule.price(sum(uses))
        assert all(charge >= 0 for charge in charges)


@given(plans(), quantities)
def test_nothing_costs_more_than_its_dearest_tier_the_cap_or_the_quota_allow(plan, quantity):
    schedule = compiled(**plan)
    dearest = max(price for _, price in plan["tiers"])
    paid_for = max(0, quantity - plan["free_quantity"])
    assert schedule.exact(quantity) <= paid_for * dearest
    if plan["cap_units"] is not None:
        assert schedule.price(quantity) <= plan["cap_units"]


@given(plans(), quantities)
def test_volume_prices_never_ask_more_than_a_greater_quantity_would_cost(plan, quantity):
    plan |= {"mode": "volume", "cap_units": None}
    schedule = compiled(**plan)
    for start, price in plan["tiers"]:
        if start >= quantity:
            whole = price * max(0, start - plan["free_quantity"])
            assert schedule.exact(quantity) <= whole


@given(plans())
def test_pieces_begin_at_nothing_and_rise(plan):
    schedule = compiled(**plan)
    assert (schedule.froms[0], schedule.bases[0]) == (0, 0)
    assert all(one < two for one, two in itertools.pairwise(schedule.froms))
    assert all(one <= two for one, two in itertools.pairwise(schedule.bases))


@pytest.mark.parametrize(
    ("quantity", "units"), [(0, 0), (50_000, 100), (100_000, 200), (150_000, 275), (10**9, 500)]
)
def test_two_euros_then_one_fifty_at_most_five_hundred(quantity, units):
    schedule = compiled(
        step=100_000, mode="graduated", tiers=[(0, 200), (100_000, 150)], cap_units=500
    )
    assert schedule.price(quantity) == units


def test_numbers_far_beyond_a_machine_word_stay_exact():
    top = 2**53 - 1
    schedule = compiled(step=1, mode="graduated", tiers=[(0, 2**63 - 1), (top, 2**62)])
    assert schedule.exact(top + 10) == top * (2**63 - 1) + 10 * 2**62
