"""The cells that two rows share: those alone are shown, whatever their columns are called."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from tallymark.fingerprint import rows as canonical

from ingest import cells
from provenance import registry
from provenance.models import Dataset, Match, Party
from tests import factories
from tests.cast import NOON
from tests.ingest.conftest import sealed

NAMES = st.sampled_from(["name", "town", "note", "sum", "id"])
VALUES = st.sampled_from(["a tall fir", "a small fir", "marsh", "1234567", "the elder stands", ""])
ROWS = st.dictionaries(NAMES, VALUES, max_size=5)


def shared(later: dict[str, Any], earlier: dict[str, Any]) -> dict[str, Any]:
    return cells.shared(canonical.row(later), canonical.row(earlier))


@given(ROWS, ROWS)
def test_no_word_is_kept_that_only_one_row_holds(one: dict[str, str], other: dict[str, str]):
    found = shared(one, other)
    words = [set(" ".join(row.values()).lower().split()) for row in (one, other)]
    for pair in found.get("cells", ()):
        for side in ("later", "earlier"):
            kept = set(pair[side].split()) - {cells.CUT}
            assert kept <= words[0] & words[1]


@given(ROWS, ROWS)
def test_each_cell_is_in_one_pair_at_most(one: dict[str, str], other: dict[str, str]):
    found = shared(one, other)
    for side in ("later_column", "earlier_column"):
        names = [pair[side] for pair in found.get("cells", ())]
        assert len(names) == len(set(names))
    if found:
        assert found["cell_count"] <= min(found["later_cells"], found["earlier_cells"])


def test_a_cell_is_found_under_another_name_and_the_rest_is_counted_only():
    later = {"nom": "Iris Marsh", "ville": "Ghent", "secret": "hers alone"}
    earlier = {"name": "Iris Marsh", "town": "Ghent", "price": "12", "hidden": "quite private"}
    found = shared(later, earlier)
    assert [(c["later_column"], c["earlier_column"]) for c in found["cells"]] == [
        ("nom", "name"), ("ville", "town"),
    ]  # fmt: skip
    assert (found["later_cells"], found["earlier_cells"]) == (3, 4)
    kept = json.dumps(found)
    for word in ("private", "hidden", "hers", "secret", "price"):
        assert word not in kept


def test_cells_that_are_alike_show_the_words_that_both_hold():
    found = shared({"a": "the tall green fir"}, {"b": "the tall old fir"})
    (pair,) = found["cells"]
    assert pair["is_same"] is False
    assert pair["later"] == pair["earlier"] == "the tall … fir"


@pytest.mark.django_db
def test_both_sides_see_the_matching_cells_and_no_other(ada: Party, ben: Party) -> None:
    whole = [
        {
            "id": f"a{n}",
            "name": f"Person{n} Fernhurst{n * 7919}",
            "street": f"{n} Larchgate {n * 104729} lane",
            "account": f"{n * 15485863 + 32452843}",
            "remark": f"unmistakable{n}",
        }
        for n in range(40)
    ]
    sealed(table(ada, "people"), whole)
    copies = [
        {"key": f"b{n}", "holder": row["name"], "place": row["street"], "number": row["account"]}
        for n, row in enumerate(whole[:10])
    ]
    sealed(table(ben, "customers"), copies)
    match = Match.objects.filter(holds=True).order_by("pk").first()
    assert match is not None
    assert {c["earlier_column"] for c in match.evidence["cells"]} >= {"name", "street", "account"}
    assert "unmistakable" not in json.dumps(match.evidence)
    for party, address in ((ada, "ada@aurora.example"), (ben, "ben@birch.example")):
        client = Client()
        client.force_login(factories.user(address, party=party))
        page = client.get(f"/admin/provenance/overlap/{match.overlap_id}/").content.decode()
        assert "The cells that both rows hold" in page
        assert "fernhurst" in page
        assert "unmistakable" not in page
        assert "other cell" in page


def table(owner: Party, name: str) -> Dataset:
    return registry.register_dataset(
        owner=owner, name=name, title=name, kind=Dataset.Kind.TABLE, at=NOON
    )
