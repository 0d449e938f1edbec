"""The verdict on texts: reworded sentences are found, phrases and templates accuse nobody."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ingest import prints, verdict
from ingest.prints import Prints
from ingest.verdict import Kind, text

ORIGINAL = (
    "The expedition reached the northern lighthouse after eleven exhausting days of marching "
    "through the frozen marshes, and the surviving members decided to spend the winter there."
)
REWORDED = (
    "After eleven exhausting days marching through frozen marshes the expedition reached the "
    "northern lighthouse; its surviving members then decided they would spend the winter there."
)
UNRELATED = (
    "Every household in the valley keeps two goats and a small orchard, whose cider is sold at "
    "the harvest market together with cheese, candles and woollen blankets of many colours."
)


def made(*texts: str) -> list[Prints]:
    return prints.of_texts(texts, [""] * len(texts))


def template(name: str, year: int, place: str) -> str:
    return (
        f"{name} was a federal electoral district represented in the House of Commons from {year} "
        f"until it was abolished, and it was located in the southern part of {place}."
    )


TEMPLATES = made(
    template("Bellingham Harbour", 1917, "Ontario"),
    template("Kingsmere", 1953, "Saskatchewan"),
    template("Lower Petitcodiac", 1882, "New Brunswick"),
    template("Old Montcalm", 1904, "Quebec"),
)


def test_a_reworded_sentence_is_found_where_no_long_run_of_words_is_left():
    one, other, unlike = made(ORIGINAL, REWORDED, UNRELATED)
    found = verdict.judge(other, one)
    assert found is not None
    assert (found.kind, found.holds) == (Kind.NEAR, True)
    assert found.counted["shared_shingles"] < text.LEAST_SHARED
    assert verdict.judge(unlike, one) is None


def test_a_sentence_alone_is_not_held_for_its_template_beside_others_of_it():
    newcomer, *earlier = TEMPLATES
    assert any(found and found.holds for found in (verdict.judge(newcomer, e) for e in earlier))
    together = verdict.judge_all(newcomer, earlier)
    assert not any(found and found.holds for found in together)
    assert any(together)  # shown as possible all the same


def test_a_copy_of_a_sentence_is_held_among_others_of_its_template():
    earlier = TEMPLATES[1:]
    copied = template("Kingsmere", 1953, "Saskatchewan").replace(", and it was", "; it was surely")
    (copy,) = made(copied)
    held = [found is not None and found.holds for found in verdict.judge_all(copy, earlier)]
    assert held == [True, False, False]


def test_copies_of_one_earlier_text_do_not_make_it_common():
    newcomer, one = made(REWORDED, ORIGINAL)
    again = [replace(one, digest=bytes([n]) * 32) for n in range(5)]
    assert all(found and found.holds for found in verdict.judge_all(newcomer, again))


COUNTS = st.integers(1, 600)


@given(COUNTS, COUNTS, st.floats(0, 1), st.integers(2, 190), st.integers(0, 90), st.data())
def test_the_score_never_falls_where_more_letters_are_shared(
    one: int, other: int, longest: float, words: int, runs: int, data: st.DataObject
):
    more = data.draw(st.integers(1, min(one, other)))
    less = data.draw(st.integers(0, more - 1))
    counts = text.Short(more, one, other, longest, words, runs)
    fewer = counts._replace(shared=less)
    assert 0 <= text.short_score(fewer) <= text.short_score(counts) + 1e-12
    assert text.short_score(counts) <= 1


@given(COUNTS, COUNTS, st.floats(0, 1), st.integers(2, 190), st.integers(0, 90), st.data())
def test_the_score_is_the_same_from_both_sides(
    one: int, other: int, longest: float, words: int, runs: int, data: st.DataObject
):
    shared = data.draw(st.integers(0, min(one, other)))
    there = text.short_score(text.Short(shared, one, other, longest, words, runs))
    assert there == text.short_score(text.Short(shared, other, one, longest, words, runs))


@given(COUNTS, st.integers(2, 190))
def test_a_text_too_short_never_holds_by_its_letters(size: int, words: int):
    found = text.judge_short(text.Short(size, size, size, 1.0, words, 0))
    assert found is not None or size < text.LEAST_GRAMS
    assert found is None or found.holds <= (size >= text.LEAST_GRAMS)
