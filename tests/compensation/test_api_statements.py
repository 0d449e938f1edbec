"""The doors of statements, explanations and exports, each tried with a second party's key."""

import csv
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from tallymark.replay import replay

from compensation import billing, deposits, journal
from compensation.models import Account, Charge, Entry
from provenance.models import AccessLog
from tests import doors, factories
from tests.cast import NOON
from tests.compensation.conftest import grant, use

MARCH = "statements/2026-03"


@pytest.fixture
def charged(rich_lab, essays):
    grant(rich_lab, essays)
    use(rich_lab, essays, records=50)
    billing.bill_batch(at=NOON)
    return Charge.objects.get()


def content(answer):
    return b"".join(answer.streaming_content)


def test_a_statement_comes_as_json_csv_or_pdf_by_name_or_by_accept(charged, ada):
    door = doors.of(ada)
    (said,) = door.get(MARCH)["statements"]
    for ending, kind in (("csv", "text/csv"), ("pdf", "application/pdf")):
        for answer in (
            door.raw("GET", f"{MARCH}?format={ending}"),
            door.raw("GET", MARCH, HTTP_ACCEPT=kind),
        ):
            assert answer.status_code == 200
            assert answer.headers["Content-Type"].startswith(kind)
            assert "attachment" in answer.headers["Content-Disposition"]
            if ending == "csv":
                rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
                assert int(rows[-1]["amount_units"]) == said["closing_units"]


def test_a_refusal_stays_a_problem_in_every_form(ada):
    for ending in ("json", "csv", "pdf"):
        refused = doors.of(ada).get(f"statements/March?format={ending}", 400)
        assert refused["code"] == "bad_period"


def test_another_partys_charge_and_statement_are_not_there(charged, ada, ben, rich_lab):
    path = f"charges/{charged.pk}/explanation"
    assert doors.of(ada).get(path)["split"]["parts"]
    assert doors.of(rich_lab).get(path)["split"] is None
    doors.of(ben).get(path, 404)
    assert doors.of(ben).get(MARCH)["statements"] == []
    for more in ("", "/export"):
        doors.of(ben).get(f"{MARCH}{more}?party={ada.pk}", 404)
    doors.of(ben).get(f"{MARCH}/export?whole=true", 403)


def test_an_export_is_sent_while_it_is_made_and_replays(charged, ada, tmp_path):
    answer = doors.of(ada).raw("GET", f"{MARCH}/export")
    assert answer.headers["Content-Type"] == "application/zip"
    path = tmp_path / "export.zip"
    path.write_bytes(content(answer))
    assert replay(path).agrees
    refused = doors.of(ada).get(f"{MARCH}/export?last=2026-02", 400)
    assert refused["code"] == "bad_range"


def test_only_operators_export_the_whole_and_every_look_is_logged(charged, ada, operator, olga):
    door = doors.of(operator, by=olga)
    answer = door.raw("GET", f"{MARCH}/export?whole=true")
    with zipfile.ZipFile(io.BytesIO(content(answer))) as held:
        assert held.testzip() is None
    door.get(f"charges/{charged.pk}/explanation")
    assert AccessLog.objects.filter(party=ada).count() >= 2


def test_the_pages_show_paper_export_and_explanation(charged, ada, ben, rich_lab, client):
    client.force_login(factories.user("ada@aurora.example", party=ada))
    page = client.get("/admin/compensation/entry/statement/?month=2026-03").content.decode()
    assert "Export to recompute" in page
    assert client.get("/admin/compensation/entry/statement.pdf?month=2026-03").status_code == 200
    sent = client.get("/admin/compensation/entry/statement.zip?month=2026-03")
    assert content(sent).startswith(b"PK")
    behind = f"/admin/compensation/entry/{charged.entry_id}/shares/"
    assert f"/charges/{charged.pk}/" in client.get(behind).content.decode()
    batch = json.loads(Entry.objects.get(pk=charged.entry_id).facts_text)["batch"]
    shown = client.get(f"/admin/compensation/entry/{charged.entry_id}/change/").content.decode()
    assert batch not in shown
    why = client.get(f"/admin/compensation/entry/charges/{charged.pk}/")
    assert "Who got what of it" in why.content.decode()
    client.force_login(factories.user("ben@birch.example", party=ben))
    assert client.get(f"/admin/compensation/entry/charges/{charged.pk}/").status_code == 404


def test_money_that_is_recorded_after_its_months_end_has_that_months_statement(lab, euro, client):
    first = datetime(2026, 4, 1, 9, tzinfo=UTC)
    came = first - timedelta(days=1)
    deposits.deposit(
        lab=lab, asset=euro, amount_units=700, reference="wire", received_at=came, at=first
    )
    client.force_login(factories.user("lea@cobalt.example", party=lab))
    page = client.get("/admin/compensation/entry/statement/?month=2026-03").content.decode()
    assert '<option value="2026-03" selected>' in page


def test_a_statement_opens_on_the_asset_that_moved_last(lab, euro, client):
    dollars = deposits.register_asset(code="iso4217:AUD", symbol="AUD", scale=6)
    journal.account(Account.Kind.LAB, dollars, party=lab)
    deposits.deposit(lab=lab, asset=euro, amount_units=700, reference="wire", at=NOON)
    client.force_login(factories.user("lea@cobalt.example", party=lab))
    page = client.get("/admin/compensation/entry/statement/?month=2026-03").content.decode()
    assert f'<option value="{euro.pk}" selected>' in page
    assert f'<option value="{dollars.pk}">' in page
