"""Sketches of short texts: the kernel equals the reference, and rewording leaves most of one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tallymark.fingerprint import normalise, short, tokens

from ingest.fingerprint import grams

ANY_TEXT = st.text(
    st.one_of(st.sampled_from("ab AÉ é中文ภาษาไทย_'.,1２\u0301\u200b"), st.characters()),
    max_size=80,
)


@given(st.lists(ANY_TEXT, min_size=1, max_size=8))
def test_the_kernel_makes_the_sketches_of_the_reference(texts: list[str]):
    made = [np.frombuffer(part, np.uint32).tolist() for part in grams.sketches(texts)]
    assert made == [short.sketch(text) for text in texts]


@given(ANY_TEXT)
def test_letters_are_the_canonical_text_with_single_spaces(text: str):
    known = short.letters(text)
    assert "  " not in known
    assert known == known.strip(" ")
    assert short.letters(known) == short.letters(normalise(known))
    assert bool(known) == bool(tokens(text))


def test_a_text_of_ninety_six_words_is_short_and_one_more_is_not():
    words = [f"w{number}" for number in range(97)]
    assert grams.sketches([" ".join(words[:96]), " ".join(words), "", "…!"])[1:] == [b""] * 3
    assert grams.sketches([" ".join(words[:96])])[0]


def test_case_spaces_and_punctuation_leave_the_sketch_as_it_is():
    one, other = grams.sketches(["Don't stop — me now!", "don t  STOP me, now"])
    assert one == other


@given(st.lists(st.text("abcdef", min_size=1, max_size=9), min_size=1, max_size=30))
def test_the_longest_words_are_ten_at_most_and_none_left_out_is_longer(words: list[str]):
    text = " ".join(words)
    sketch = grams.unpacked(grams.sketches([text])[0])
    kept = [word for word in set(words) if short.token_hash(word.encode()) in sketch.longest]
    assert len(kept) == len(sketch.longest) == min(len(set(words)), grams.LONGEST_WORDS)
    left = [word for word in words if word not in kept]
    assert max(map(len, left), default=0) <= min(map(len, kept))


def test_texts_that_share_three_of_their_longest_words_share_three_keys():
    one = grams.sketches(["extraordinary philharmonic orchestras play at dusk"])[0]
    other = grams.sketches(["at dawn some extraordinary orchestras are philharmonic"])[0]
    assert len(np.intersect1d(grams.pair_keys(one), grams.pair_keys(other))) >= 3
    assert grams.pair_keys(one).max() < 2**48


@pytest.mark.parametrize(
    "values", [[], [0, 5], [11, *range(11), 5], [1, 5], [2, 9, 3, 5], [1, 5, 7, 7], [1, 5, 9, 3]]
)
def test_a_sketch_that_is_none_is_refused(values: list[int]):
    with pytest.raises(ValueError, match="sketch"):
        grams.check(np.array(values, "<u4").tobytes())


@given(ANY_TEXT.filter(lambda text: bool(tokens(text))))
def test_every_sketch_we_make_is_one(text: str):
    grams.check(grams.sketches([text])[0])
