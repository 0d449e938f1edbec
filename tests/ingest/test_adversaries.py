"""What people do to hide a copy, or to be found where they did nothing; docs/detection.md too."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from ingest import prints, verdict
from ingest.prints import Prints
from ingest.verdict import Kind, Verdict
from provenance.models import Conflict, Match, Party
from tests import factories
from tests.ingest.conftest import sealed

ASCII_TO_CYRILLIC = str.maketrans("aceopxyi", "асеорхуі")
SYLLABLES = ("ba", "ne", "ro", "ti", "lu", "ska", "mor", "ven", "dil", "gra", "sto", "fen")


def prose(seed: int, words: int) -> str:
    """Sentences of made-up words; no two seeds share a run of five words."""
    dice = random.Random(seed)
    made = ["".join(dice.choices(SYLLABLES, k=dice.randint(1, 4))) for _ in range(words)]
    return " ".join(word + ("." if at % 12 == 11 else "") for at, word in enumerate(made))


WORK = prose(1, 240)
HEADER = prose(2, 90)


def made(*texts: str) -> list[Prints]:
    return prints.of_texts(texts, [""] * len(texts))


def judged(later: str, earlier: str = WORK) -> Verdict | None:
    return verdict.judge(*made(later, earlier))


def holds(found: Verdict | None) -> bool:
    return found is not None and found.holds


def rows(*texts: str) -> list[dict[str, Any]]:
    return [{"id": f"r{at}", "text": text} for at, text in enumerate(texts)]


@pytest.mark.parametrize("words", [30, 60, 240])
def test_a_copy_in_ten_times_its_length_of_padding_is_held(ada: Party, ben: Party, words: int):
    works = [prose(100 * words + n, words) for n in range(12)]
    padded = [f"{prose(7 + n, 5 * words)} {work} {prose(50 + n, 5 * words)}"
              for n, work in enumerate(works)]  # fmt: skip
    sealed(factories.dataset(ada), rows(*works))
    sealed(factories.dataset(ben), rows(*padded))
    held = Match.objects.filter(holds=True, kind="contained")
    assert held.values("later").distinct().count() == len(works)


def test_look_alike_letters_hide_nothing():
    assert holds(judged(WORK.translate(ASCII_TO_CYRILLIC)))


def test_characters_without_width_hide_nothing():
    found = judged("\u200b".join(WORK).replace("e", "e\u2060"))
    assert found == verdict.EXACT


def test_shuffled_paragraphs_hide_nothing():
    sentences = WORK.split(". ")
    random.Random(3).shuffle(sentences)
    assert holds(judged(". ".join(sentences)))


def test_a_part_that_was_cut_out_is_contained():
    found = judged(" ".join(WORK.split()[:100]))
    assert found is not None
    assert (found.kind, found.holds) == (Kind.CONTAINED, True)


def test_boilerplate_around_a_copy_hides_nothing():
    found = judged(f"{HEADER} {WORK} {HEADER}")
    assert holds(found)


def test_boilerplate_that_many_records_hold_accuses_nobody():
    own = [f"{HEADER} {prose(30 + n, 40)}" for n in range(10)]
    newcomer, *earlier = made(f"{HEADER} {prose(99, 40)}", *own)
    assert holds(verdict.judge(newcomer, earlier[0]))  # two alone cannot be told from a copy
    assert not any(map(holds, verdict.judge_all(newcomer, earlier)))


def test_a_work_is_held_though_its_boilerplate_is_common():
    own = [f"{HEADER} {prose(30 + n, 240)}" for n in range(10)]
    newcomer, *earlier = made(own[4] + " and more of it.", *own)
    assert [holds(one) for one in verdict.judge_all(newcomer, earlier)] == [
        at == 4 for at in range(10)
    ]


def test_records_of_next_to_nothing_hold_nothing():
    for one, other in (("", "…"), ("a", "a b"), ("yes", "Yes!!"), ("ok then", "ok thank you")):
        found = judged(one, other)
        assert not holds(found) or found == verdict.EXACT


def test_nobody_owns_the_phrases_that_everybody_uses(ada: Party, ben: Party):
    words = ("in on by at of to", "the this any no", "way time case")
    phrases = [" ".join(three) for three in product(*(part.split() for part in words))]
    sealed(factories.dataset(ada, "dictionary"), rows(*phrases))
    essay = " ".join(f"{prose(n, 9)} {phrase}" for n, phrase in enumerate(phrases[:20]))
    sealed(factories.dataset(ben, "essays"), rows(essay, *phrases[:5]))
    assert not Match.objects.filter(holds=True).exists()
    assert not Conflict.objects.exists()


def test_a_made_collision_of_hashes_is_only_possible_where_the_texts_are_here():
    """A 32-bit hash can be met on purpose: what the texts do not show is not held."""
    mine, theirs = made(prose(8, 240), WORK)
    forged = replace(mine, parts=mine.parts | {prints.WORDS: theirs.parts[prints.WORDS]})
    found = verdict.judge(forged, theirs)
    assert found is not None
    assert found.holds
    seen = verdict.confirmed(found, later=prose(8, 240), earlier=WORK)
    assert (seen.holds, seen.score) == (False, found.score)


def test_what_the_texts_do_show_stays_held():
    for later in (f"{WORK} and a little more", WORK.translate(ASCII_TO_CYRILLIC) + " x"):
        found = judged(later)
        assert found is not None
        assert verdict.confirmed(found, later=later, earlier=WORK).holds


def test_hashes_of_unlike_texts_meet_no_more_often_than_chance_says():
    one, other = made(prose(21, 4_000), prose(22, 4_000))
    shared = np.intersect1d(one.numbers(prints.WORDS), other.numbers(prints.WORDS))
    assert len(shared) <= 1
