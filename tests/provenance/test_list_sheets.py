"""Every list comes as a sheet: the same rows, in the same columns, and never another party's."""

from __future__ import annotations

import csv
import io

import pytest
from django.test import Client

from provenance.admin import list_sheets
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.site import site
from provenance.models import AccessLog, Party
from tests import factories
from tests.cast import NOON

pytestmark = pytest.mark.django_db
DATASETS = "/admin/provenance/dataset/"


def web(party: Party) -> Client:
    client = Client()
    client.force_login(factories.user(f"who@{party.namespace}.example", party=party))
    return client


def rows(client: Client, address: str) -> list[dict[str, str]]:
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def test_a_list_and_its_sheet_have_the_same_rows_after_the_same_filters(ada: Party) -> None:
    factories.version(factories.dataset(ada, "tides"), ["a", "b"])
    factories.dataset(ada, "winds")
    client = web(ada)
    assert {row["Dataset"] for row in rows(client, f"{DATASETS}?sheet=csv")} == {
        "Tides / aurora-archive/tides", "Winds / aurora-archive/winds",
    }  # fmt: skip
    (one,) = rows(client, f"{DATASETS}?q=tides&sheet=csv")
    assert (one["Records"], one["Terms"]) == ("2", "reserved")
    shown = client.get(f"{DATASETS}?q=tides").content.decode()
    assert "?q=tides&amp;sheet=csv" in shown


def test_nobody_gets_a_sheet_of_what_is_anothers(ada: Party, ben: Party, lab: Party) -> None:
    factories.dataset(ada, "tides")
    assert rows(web(ben), f"{DATASETS}?sheet=csv") == []
    assert web(lab).get(f"{DATASETS}?sheet=csv").status_code == 403
    assert Client().get(f"{DATASETS}?sheet=csv").status_code == 302


def test_an_operators_sheet_is_noted_for_each_party_in_it(ada: Party, operator: Party) -> None:
    factories.dataset(ada, "tides")
    assert rows(web(operator), f"{DATASETS}?sheet=csv")
    assert AccessLog.objects.get(party=ada).what == "sheet of datasets"


def test_a_title_that_a_spreadsheet_would_run_is_quoted(ada: Party) -> None:
    made = factories.dataset(ada, "tides")
    made.title = "=HYPERLINK(1)"
    made.save(update_fields=["title"])
    (one,) = rows(web(ada), f"{DATASETS}?sheet=csv")
    assert one["Dataset"].startswith("'=")


def test_a_list_that_is_too_long_says_so_in_its_last_row(
    ada: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_sheets, "MOST_ROWS", 2)
    for name in ("a", "b", "c"):
        factories.dataset(ada, name)
    found = rows(web(ada), f"{DATASETS}?sheet=csv")
    assert len(found) == 3
    assert found[-1]["Dataset"].startswith("There are more rows")


def test_every_list_of_an_owner_has_a_sheet(ada: Party) -> None:
    factories.version(factories.dataset(ada, "tides"), ["a"], at=NOON)
    client = web(ada)
    tried = 0
    for admin in site._registry.values():
        if not isinstance(admin, ReadOnlyFacts):
            continue
        answer = client.get(f"{admin.url('changelist')}?sheet=csv")
        if answer.status_code == 403:
            continue
        tried += 1
        assert answer["Content-Type"].startswith("text/csv"), admin
    assert tried > 20
