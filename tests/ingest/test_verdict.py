"""Verdicts: pure, cautious, and never without their rate."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import verdict
from ingest.verdict import Kind

SIZES = st.integers(0, 10_000)


@given(SIZES, SIZES, st.floats(0, 1))
def test_a_verdict_needs_much_that_is_shared(later: int, earlier: int, part: float):
    shared = int(min(later, earlier) * part)
    made = verdict.judge(same_digest=False, shared=shared, later_size=later, earlier_size=earlier)
    smaller = min(later, earlier)
    enough = shared >= verdict.LEAST_SHARED and shared >= verdict.LEAST_CONTAINMENT * smaller
    assert (made is not None) == enough
    if made is not None:
        assert made.kind in (Kind.NEAR, Kind.CONTAINED)
        assert made.jaccard <= made.containment <= 1
        assert (made.kind == Kind.NEAR) == (made.jaccard >= verdict.NEAR_JACCARD)


@given(SIZES, SIZES)
def test_the_verdict_is_the_same_from_both_sides(one: int, other: int):
    shared = min(one, other)
    there = verdict.judge(same_digest=False, shared=shared, later_size=one, earlier_size=other)
    back = verdict.judge(same_digest=False, shared=shared, later_size=other, earlier_size=one)
    assert there == back


def test_equal_digests_are_exact_even_of_texts_without_words():
    made = verdict.judge(same_digest=True, shared=0, later_size=0, earlier_size=0)
    assert made == verdict.Verdict(Kind.EXACT, 1.0, 1.0)


def test_meaning_alone_never_accuses():
    made = verdict.judge_meaning(0.999)
    assert made is not None
    assert made.kind == Kind.SEMANTIC
    assert verdict.judge_meaning(0.5) is None


def test_plain_areas_accuse_nobody():
    plain = {"same_digest": False, "distance": 0, "later_quality": 10, "earlier_quality": 100}
    assert verdict.judge_images(**plain) is None
    assert verdict.judge_images(**plain | {"later_quality": 100}) is not None


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    # From Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
     (1, 29, 0.0061, 0.1718)],
)  # fmt: skip
def test_wilsons_interval_is_the_published_one(count: int, of: int, low: float, high: float):
    found = verdict.wilson(count, of)
    assert [round(value, 4) for value in found] == [low, high]


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 100_000))
def test_the_interval_holds_the_exact_copies_and_no_more_than_was_found(
    exact: int, other: int, rest: int
):
    low, high = verdict.matching_interval(exact, other, exact + other + rest)
    assert exact <= low <= high <= exact + other


def test_a_stated_rate_is_never_a_bare_zero():
    assert 0 < verdict.FALSE_ACCUSATION_RATE < 0.01
    assert verdict.FALSE_ACCUSATIONS.share <= verdict.FALSE_ACCUSATION_RATE


def test_short_copies_count_only_in_numbers():
    assert not verdict.short_copies_count(5, 30, 30)
    assert verdict.short_copies_count(20, 30, 30)
    assert not verdict.short_copies_count(20, 10_000, 10_000)
    assert math.isclose(verdict.SHORT_LEAST_SHARE, 0.1)
