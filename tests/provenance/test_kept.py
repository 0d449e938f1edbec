"""Words that rows keep in English are said in the reader's language on pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils import translation

from provenance import kept

BOOKED = "The bank booked EB-9 a second time."


@pytest.fixture
def in_chinese() -> Iterator[None]:
    with translation.override("zh-hans"):
        yield


def test_a_kept_sentence_is_known_again_by_the_one_that_made_it(in_chinese: None) -> None:
    assert kept.said(BOOKED) == "银行对 EB-9 第二次入账。"


def test_what_fills_a_hole_is_said_too(in_chinese: None) -> None:
    assert kept.said("The bank booked 3.00 EUR from nobody named: 7 of S-1.") == (
        "银行入账 3.00 EUR，来自 未写明的一方：7 of S-1。"
    )


def test_a_persons_own_lines_stay_as_they_were_written(in_chinese: None) -> None:
    assert kept.said("Take entry 7 back.\nNothing is held.") == "冲回分录 7。\nNothing is held."


def test_words_that_no_sentence_made_stay_as_they_are(in_chinese: None) -> None:
    assert kept.said("SWIFT says no, 42 times.") == "SWIFT says no, 42 times."


def test_a_reader_of_english_reads_what_is_kept() -> None:
    assert kept.said(BOOKED) == BOOKED
