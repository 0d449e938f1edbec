"""Table rows: a dirty copy is found whatever its columns are called; a mere neighbour is not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tallymark.fingerprint.rows import row

from ingest import prints, verdict
from ingest.fingerprint import rows
from ingest.normalise import row as canonical
from provenance import registry
from provenance.models import Conflict, Dataset, Match, Overlap
from tests.cast import NOON
from tests.ingest.conftest import sealed

words = st.text("abcdefghijklmnop 0123456789-.é京", max_size=24)
cells = st.dictionaries(st.text("abcdef", min_size=1, max_size=4), words, max_size=8)
PERSON = {
    "given": "Madeline", "surname": "Birchby", "street": "7 Dixon Drive", "town": "Thornlie",
    "code": "2280", "born": "1976-12-31", "number": 9595082,
}  # fmt: skip


def sketch(found):
    return rows.sketches([row(found)], [""])[0]


def judged(one, other):
    made = (prints.Prints(bytes([side]), 20, {rows.SCHEME: sketch(found)})
            for side, found in enumerate((one, other)))  # fmt: skip
    return verdict.judge(*made)


def changed(**given):
    return PERSON | given


@given(cells, cells)
def test_a_verdict_is_the_same_from_both_sides(one, other):
    there, back = judged(one, other), judged(other, one)
    assert (there is None) == (back is None)
    if there and back:
        assert there.score == pytest.approx(back.score)
        assert (there.kind, there.holds) == (back.kind, back.holds)


@given(cells, cells, st.integers(0, 3))
def test_a_likeness_is_a_share_and_the_same_from_both_sides(one, other, kept):
    other = other | dict(list(one.items())[:kept])
    mine, theirs = sketch(one), sketch(other)
    if mine and theirs:
        likeness = rows.compare(rows.read(mine), rows.read(theirs))
        assert all(0 <= value <= 1 + 1e-9 for value in likeness)
        assert rows.compare(rows.read(theirs), rows.read(mine)) == pytest.approx(likeness)


@given(cells)
def test_a_row_is_wholly_in_itself_under_any_names(found):
    one, other = sketch(found), sketch({f"x{name}": cell for name, cell in found.items()})
    if one and rows.read(one).weight > 0:
        likeness = rows.compare(rows.read(one), rows.read(other))
        assert likeness.covered == pytest.approx(1)
        assert likeness.values == pytest.approx(1)
        assert np.array_equal(rows.keys(one), rows.keys(other))


@given(st.lists(cells, max_size=12))
def test_a_batch_makes_one_sketch_a_row_of_the_same_values(batch):
    texts = [canonical(found) for found in batch]
    made = rows.sketches(texts, [""] * len(texts))
    for text, part in zip(texts, made, strict=True):
        fields = rows.fields_of(text)
        assert bool(part) == bool(fields)
        if part:
            names, values = rows.cells(part)
            assert names.tolist() == [rows.name_hash(one.name) for one in fields]
            assert values.tolist() == [rows.value_hash(one.value) for one in fields]
            assert all(key < 2**48 for key in rows.keys(part).tolist())


def test_what_many_rows_of_a_batch_hold_tells_little():
    batch = [canonical({"firm": "northern logistics", "sum": 10_000 + n}) for n in range(256)]
    tokens = rows.read(rows.sketches(batch, [])[7]).weights
    common, rare = rows.known("logistics").hash, rows.known("10007").hash
    assert tokens[common] == 0
    assert tokens[rare] == pytest.approx(rows.prior_bits("10007"))


def test_a_row_wider_or_longer_than_a_sketch_is_cut_alike():
    wide = {f"c{n:03}": f"value{n}" for n in range(300)}
    part = sketch(wide)
    assert rows.is_cut(part)
    assert not rows.is_cut(sketch(PERSON))
    assert len(rows.read(part).weights) <= rows.MOST_TOKENS
    assert rows.compare(rows.read(part), rows.read(part)).grams == 1


@pytest.mark.parametrize(
    "copy",
    [
        changed(given="Madelne"), changed(surname="Birchbi", street="7 Dixon Dr."),
        changed(given="", born=""), changed(given="Birchby", surname="Madeline"),
        changed(town="", street="7 Dixon Drive Thornlie"),
        {f"column {n}": cell for n, cell in enumerate(PERSON.values())},
    ],
)  # fmt: skip
def test_a_dirty_copy_matches(copy):
    found = judged(PERSON, copy)
    assert found is not None
    assert found.score > 0.9


@pytest.mark.parametrize(
    "neighbour",
    [
        # The same household, the same street, the same day.
        changed(given="Oliver", born="2001-03-07", number=6230417),
        {"given": "Tom", "surname": "Adler", "street": "9 Dixon Drive", "town": "Thornlie",
         "code": "2280", "born": "1954-02-11", "number": 7773331},
        {"given": "Madeline", "surname": "Okafor", "street": "81 King Road", "town": "Perth",
         "code": "6000", "born": "1976-12-31", "number": 1112223},
    ],
)  # fmt: skip
def test_a_neighbour_holds_nothing(neighbour):
    found = judged(PERSON, neighbour)
    assert found is None or not found.holds


def test_rows_of_few_bits_are_never_alike():
    assert judged({"a": "yes", "b": "2"}, {"a": "yes", "c": "2"}) is None
    assert not verdict.rows.is_telling(prints.Prints(b"", 2, {rows.SCHEME: sketch({"a": "yes"})}))


def test_names_of_columns_accuse_nobody():
    """Two surveys of one form have the same thirty long questions and answers of one word."""
    questions = [f"how often did you use service number {n} in the last year" for n in range(30)]
    one = {question: "never" if n % 2 else "daily" for n, question in enumerate(questions)}
    other = {question: "daily" if n % 3 else "weekly" for n, question in enumerate(questions)}
    texts = [canonical(one), canonical(other)]
    made = prints.of_texts(texts, ["1", "2"], kind=prints.TABLE)
    assert verdict.text.judge(*made) is not None
    assert verdict.judge(*made) is None


def people(numbers, **names):
    found = [
        {
            "name": f"person{n * 7919} of{n * 31}house",
            "town": f"town {n % 7}",
            "no": 40_000 + n * 13,
        }
        for n in numbers
    ]
    return [{names.get(name, name): cell for name, cell in one.items()} for one in found]


def test_copies_under_other_names_open_a_conflict_and_mistyped_ones_are_shown(ada, ben):
    kind = {"kind": Dataset.Kind.TABLE, "at": NOON}
    mine = registry.register_dataset(owner=ada, name="people", title="People", **kind)
    theirs = registry.register_dataset(owner=ben, name="leads", title="Leads", **kind)
    earlier = sealed(mine, people(range(60)))
    copied = people(range(20, 40), name="contact", town="place", no="phone")
    for one in copied[::2]:
        one["contact"] = one["contact"].replace("person", "persn")
    later = sealed(theirs, copied + people(range(900, 960), name="contact", town="place"))
    overlap = Overlap.objects.get(later=later, earlier=earlier)
    matches = Match.objects.filter(overlap=overlap)
    assert matches.values("later").distinct().count() == 20
    assert overlap.matching_count + overlap.possible_count == 20
    assert overlap.matching_count >= 10
    assert set(matches.values_list("later__ordinal", "earlier__ordinal")) == {
        (n, 20 + n) for n in range(20)
    }
    assert Conflict.objects.filter(overlap=overlap).exists()


def test_a_sketch_is_kept_with_its_scheme(ada):
    dataset = registry.register_dataset(
        owner=ada, name="people", title="People", kind=Dataset.Kind.TABLE, at=NOON
    )
    version = sealed(dataset, people(range(3)))
    record = registry.records_of(version).first()
    stored = prints.load([record.pk])[record.pk][rows.SCHEME]
    text = json.dumps(people([0])[0], sort_keys=True)
    assert rows.cells(stored)[1].tolist() == rows.cells(rows.sketches([text], [])[0])[1].tolist()
