"""Columns of tables: how much one has of another, and what owners are shown of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import columns as found_columns
from ingest import pipeline
from ingest.fingerprint import columns, rows
from ingest.models import ColumnSketch
from provenance import registry
from provenance.models import Conflict, Dataset, Match, Overlap
from tests import factories
from tests.cast import NOON
from tests.ingest.conftest import begin, drive, sealed


def column(values, bits=20.0):
    hashes = np.array(sorted({rows.value_hash(str(value)) for value in values}), np.uint64)
    return columns.Column(hashes[: columns.SKETCH_SIZE], len(values), bits)


def sketched(cells):
    return rows.sketches([json.dumps(row, sort_keys=True) for row in cells], [])


@settings(max_examples=25)
@given(st.integers(1, 40_000), st.integers(1, 40_000), st.floats(0, 1), st.integers(0, 1000))
def test_the_shared_part_lies_in_its_interval(one, other, part, seed):
    """At 95 % some draws lie outside: the interval here is of 4.5 standard deviations."""
    common = int(part * min(one, other))
    mine = column([f"{seed} {n}" for n in range(one)])
    theirs = column([f"{seed} {n}" for n in range(one - common, one - common + other)])
    held, drawn = columns.shared(mine, theirs)
    true = common / one
    if drawn:
        slack = 4.5 * np.sqrt(true * (1 - true) / drawn) + 3 / drawn
        assert abs(held / drawn - true) <= slack
    if max(one, other) < columns.SKETCH_SIZE:
        assert (held, drawn) == (common, one)


@given(st.integers(0, 30_000))
def test_distinct_values_are_counted_to_a_few_percent(count):
    estimate = column(list(range(count))).distinct
    assert abs(estimate - count) <= (0.16 * count if count >= columns.SKETCH_SIZE else 0)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.text("xyz", min_size=1)), max_size=40))
def test_columns_are_the_same_in_any_order_of_rows(cells):
    parts = [part for part in sketched(cells) if part]
    one, other = columns.of_rows(parts), columns.of_rows(parts[::-1])
    assert one.keys() == other.keys()
    for name, mine in one.items():
        assert np.array_equal(mine.hashes, other[name].hashes)
        assert mine.cell_count == other[name].cell_count


def test_columns_that_any_table_may_have_tell_nothing():
    cells = [
        {
            "paid": place % 2 == 0, "country": f"country {place % 30}", "age": str(place % 90),
            "day": f"2024-01-{place % 28 + 1:02}", "email": f"person{place}@mail{place % 7}.org",
        }
        for place in range(1_000)
    ]  # fmt: skip
    texts = [json.dumps(row, sort_keys=True) for row in cells]
    made = columns.of_rows(rows.sketches(texts, []))
    telling = {name for name in cells[0] if made[rows.name_hash(name)].is_telling}
    assert telling == {"email"}


def test_few_values_in_many_cells_tell_nothing_however_long_they_are():
    few = column([f"a long name of one of our offices {n % 90}" for n in range(1_000)])
    assert few.bits == 20
    assert not few.is_telling
    assert column([f"a long name {n}" for n in range(90)]).is_telling


def test_rows_are_equal_in_chosen_columns_whatever_the_others_hold():
    mine = sketched([{"a": "x", "b": "1", "c": "here"}, {"a": "y", "b": "2"}, {"c": "only"}])
    theirs = sketched([{"b": "1", "name": "x"}, {"b": "1", "name": "y"}])
    left = columns.projected(mine, [rows.name_hash("a"), rows.name_hash("b")])
    right = columns.projected(theirs, [rows.name_hash("name"), rows.name_hash("b")])
    assert (len(left), len(right)) == (2, 2)
    assert np.isin(left, right).tolist() == [True, False]


def people(numbers, email="email", note="note"):
    return [
        {
            "id": place, email: f"someone{n * 7919}@example{n % 9}.org",
            note: f"remark {n * 104729} of many", "country": f"country {n % 5}",
        }
        for place, n in enumerate(numbers)
    ]  # fmt: skip


def table(owner, name, cells):
    dataset = registry.register_dataset(
        owner=owner, name=name, title=name, kind=Dataset.Kind.TABLE, at=NOON
    )
    return sealed(dataset, cells)


@pytest.fixture
def members(ada):
    return table(ada, "members", people(range(600)))


def test_owners_see_which_columns_share_values(members, ben):
    later = table(ben, "leads", people(range(300, 900), "contact", "comment"))
    overlap = Overlap.objects.get(later=later, earlier=members)
    shown = {pair["later"]: pair for pair in overlap.details["columns"]}
    assert shown["contact"]["earlier"] == "email"
    # All distinct values are here: what is counted has no interval.
    assert shown["contact"]["of_later"] == pytest.approx([0.5, 0.5, 0.5])
    assert shown["contact"]["is_telling"]
    assert not shown["country"]["is_telling"]
    assert overlap.details["rows"]["shared"] == 0  # the numbering differs in `id`


def test_rows_under_other_names_match_and_hold(members, ben):
    later = table(ben, "leads", people(range(600), "contact", "comment"))
    overlap = Overlap.objects.get(later=later, earlier=members)
    assert overlap.matching_count == 600
    assert overlap.details["rows"] == {
        "shared": 600, "of_later": 600, "of_earlier": 600, "columns": 4,
    }  # fmt: skip


def test_equal_rows_are_counted_where_columns_were_dropped(members, ben):
    kept = [{"note": one["note"], "mail": one["email"]} for one in people(range(300, 900))]
    overlap = Overlap.objects.get(later=table(ben, "leads", kept), earlier=members)
    assert overlap.details["rows"] == {
        "shared": 300, "of_later": 600, "of_earlier": 600, "columns": 2,
    }  # fmt: skip


def test_a_column_alone_is_a_lead_that_opens_nothing(members, ben):
    emails = [{"who": row["email"], "score": row["id"] * 31 + 7} for row in people(range(600))]
    later = table(ben, "addresses", [{**row, "why": f"w{n}xyz"} for n, row in enumerate(emails)])
    overlap = Overlap.objects.get(later=later, earlier=members)
    assert overlap.details["columns"][0]["of_later"][0] == 1.0
    assert not Match.objects.filter(overlap=overlap, holds=True).exists()
    assert not Conflict.objects.exists()


def test_common_columns_lead_nowhere(members, ben):
    cells = [{"country": f"country {n % 5}", "mark": f"q{n * 31337}z"} for n in range(400)]
    assert not Overlap.objects.filter(later=table(ben, "marks", cells)).exists()


def test_a_delta_has_the_columns_of_all_its_rows(ada):
    dataset = registry.register_dataset(
        owner=ada, name="members", title="Members", kind=Dataset.Kind.TABLE, at=NOON
    )
    sealed(dataset, people(range(100)))
    upload = begin(dataset, [{**people([500])[0], "id": 1000}], mode="delta")
    drive(upload)
    pipeline.confirm_delta(upload=upload, at=NOON)
    drive(upload)
    email = ColumnSketch.objects.get(version=upload.version, name="email")
    assert email.cell_count == 101
    assert len(email.hashes) == 8 * 101


def test_the_columns_of_a_withdrawn_version_are_forgotten(members):
    assert ColumnSketch.objects.filter(version=members).exists()
    registry.withdraw_version(version=members, reason="mine no more", at=NOON)
    found_columns.forget_ended()
    assert not ColumnSketch.objects.filter(version=members).exists()


def test_the_page_of_an_overlap_shows_its_columns(members, ben, client):
    later = table(ben, "leads", people(range(600), "contact", "comment"))
    overlap = Overlap.objects.get(later=later, earlier=members)
    client.force_login(factories.user("ben@birch.example", party=ben))
    page = client.get(reverse("admin:provenance_overlap_change", args=[overlap.pk]))
    text = " ".join(page.content.decode().split())
    assert "Column <b>contact</b>, registered later: 100 % of its distinct values" in text
