"""Evidence: the passages that are the same, and thirty words around them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ingest import evidence
from tests.ingest.conftest import sentence

WORDS = st.lists(st.sampled_from(["a", "b", "c", "D", "e."]), max_size=40)


@given(WORDS, WORDS)
def test_each_passage_is_the_same_on_both_sides(one: list[str], other: list[str]):
    later, earlier = " ".join(one), " ".join(other)
    spans = []
    for passage in evidence.passages(later, earlier)["passages"]:
        mine = one[slice(*passage["later"])]
        theirs = other[slice(*passage["earlier"])]
        assert mine == theirs
        assert len(mine) >= evidence.RUN_WORDS
        spans.append(passage["later"])
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_case_and_punctuation_do_not_part_a_passage():
    found = evidence.passages(
        "He said: the quick brown fox, jumps over!", "THE QUICK brown fox jumps OVER again"
    )
    assert found["passages"][0]["later_text"]["match"] == "the quick brown fox, jumps over!"
    assert found["passages"][0]["earlier_text"]["match"] == "THE QUICK brown fox jumps OVER"


def test_a_script_without_spaces_is_compared_by_letters():
    found = evidence.passages("中文字符的測試文章在這裡開始", "前言中文字符的測試文章在這裡結束")
    assert found["passages"][0]["later_text"]["match"] == "中文字符的測試文章在這裡"
    assert found["passages"][0]["earlier_text"]["before"] == "前言"


def test_a_long_passage_is_cut_in_its_middle():
    text = sentence(1, 5_000)
    shown = evidence.passages(text, text)["passages"][0]["later_text"]["match"]
    assert len(shown.split()) <= evidence.MOST_SHOWN_WORDS + 1
    assert evidence.CUT in shown


def test_texts_that_share_nothing_have_no_evidence():
    found = evidence.passages(sentence(1), sentence(2))
    assert (found["passages"], found["later_context"]) == ([], "")


def test_a_repeated_phrase_costs_little_time():
    later, earlier = "the same five words again " * 2_000, "the same five words again " * 2_000
    assert evidence.passages(later, earlier)["passage_count"] == 1
