"""Verdicts: pure, cautious, and never without their rate."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import verdict
from ingest.prints import Prints
from ingest.verdict import Kind, text

SIZES = st.integers(0, 10_000)


@given(SIZES, SIZES, st.floats(0, 1))
def test_a_verdict_needs_much_that_is_shared(later: int, earlier: int, part: float):
    shared = int(min(later, earlier) * part)
    made = text.judge_words(shared=shared, later_size=later, earlier_size=earlier)
    smaller = min(later, earlier)
    possible = shared >= text.POSSIBLE_SHARED and shared >= text.POSSIBLE_CONTAINMENT * smaller
    enough = shared >= text.LEAST_SHARED and shared / max(smaller, 1) >= text.LEAST_CONTAINMENT
    assert (made is not None) == possible
    assert (made is not None and made.holds) == enough
    if made is not None:
        assert made.kind in (Kind.NEAR, Kind.CONTAINED)
        assert made.jaccard <= made.containment <= 1
        assert (made.kind == Kind.NEAR) == (made.jaccard >= text.NEAR_JACCARD)


@given(SIZES, SIZES)
def test_the_verdict_is_the_same_from_both_sides(one: int, other: int):
    shared = min(one, other)
    there = text.judge_words(shared=shared, later_size=one, earlier_size=other)
    back = text.judge_words(shared=shared, later_size=other, earlier_size=one)
    assert there == back


def test_equal_digests_are_exact_even_of_texts_without_words():
    one = Prints(b"d" * 32, 0, {})
    assert verdict.judge(one, one) == verdict.EXACT
    assert verdict.judge(one, Prints(b"e" * 32, 0, {})) is None


def test_meaning_alone_never_accuses():
    made = verdict.judge_meaning(0.999)
    assert made is not None
    assert made.kind == Kind.SEMANTIC
    assert not made.holds
    assert verdict.judge_meaning(0.5) is None


def test_plain_areas_accuse_nobody():
    plain = {"distance": 0, "later_quality": 10, "earlier_quality": 100}
    assert verdict.images.judge_hashes(**plain) is None
    assert verdict.images.judge_hashes(**plain | {"later_quality": 100}) is not None


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    # From Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
     (1, 29, 0.0061, 0.1718)],
)  # fmt: skip
def test_wilsons_interval_is_the_published_one(count: int, of: int, low: float, high: float):
    found = verdict.wilson(count, of)
    assert [round(value, 4) for value in found] == [low, high]


def test_a_stated_rate_is_never_a_bare_zero():
    assert 0 < verdict.FALSE_ACCUSATION_RATE < 0.01
    assert verdict.FALSE_ACCUSATIONS.share <= verdict.FALSE_ACCUSATION_RATE


def test_short_copies_count_only_in_numbers():
    assert not verdict.short_copies_count(5, 30, 30)
    assert verdict.short_copies_count(20, 30, 30)
    assert not verdict.short_copies_count(20, 10_000, 10_000)
    assert math.isclose(verdict.SHORT_LEAST_SHARE, 0.1)
