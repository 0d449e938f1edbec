"""The estimate of an overlap: corrected for what is missed and falsely found, never certain."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from ingest.verdict.overlap import COUNTED, SENTENCES, Found, estimate

COUNT = st.integers(0, 2_000)


@given(COUNT, COUNT, COUNT, COUNT, st.sampled_from([SENTENCES, COUNTED]))
def test_the_interval_holds_the_estimate_and_all_that_is_certain(
    exact: int, holding: int, possible: int, rest: int, rates
):
    found = Found(exact + holding + possible + rest, exact, holding, possible)
    made = estimate(found, rates)
    assert exact <= made.low <= made.records <= made.high <= found.compared
    assert made.high >= exact + holding


def test_exact_copies_alone_are_counted_exactly():
    assert estimate(Found(5_000, 37, 0, 0), SENTENCES) == (37, 37, 37)
    assert estimate(Found(5_000, 37, 0, 900), COUNTED)[:2] == (37, 37)


def test_possible_matches_that_chance_explains_count_for_nothing():
    made = estimate(Found(5_000, 0, 0, 230), SENTENCES)
    assert (made.records, made.low) == (0, 0)
    assert made.high >= 230


def test_where_few_of_the_copies_are_sure_more_were_missed():
    sure = estimate(Found(2_000, 0, 900, 200), SENTENCES)
    unsure = estimate(Found(2_000, 0, 200, 900), SENTENCES)
    assert sure.records < unsure.records


def test_the_interval_covers_the_truth_of_drawn_versions_as_often_as_it_says():
    """Versions of 2,000 records, a part of them copies, that are found as the sets' were."""
    dice = random.Random(7)
    # Of copies: held, possible; of innocents: possible. Four kinds of rewording.
    kinds = [(0.36, 0.49, 0.047), (0.95, 0.05, 0.026), (0.59, 0.39, 0.012), (0.2, 0.6, 0.01)]
    covered = []
    for _ in range(200):
        held, possible, false_possible = dice.choice(kinds)
        truth = dice.choice([0, 40, 200, 1_000, 1_800])
        draws = [dice.random() for _ in range(2_000)]
        copies, innocents = draws[:truth], draws[truth:]
        holding = sum(draw < held for draw in copies)
        seen = sum(held <= draw < held + possible for draw in copies)
        seen += sum(draw < false_possible for draw in innocents)
        made = estimate(Found(2_000, 0, holding, seen), SENTENCES)
        covered.append(made.low <= truth <= made.high)
        if truth == 1_000:
            assert abs(made.records - truth) <= 0.04 * 2_000
    assert sum(covered) >= 0.95 * len(covered)
