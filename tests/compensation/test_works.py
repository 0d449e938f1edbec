"""Single works: what each earned where a lab names what it read; money does not follow from it."""

from __future__ import annotations

import csv
import io

import pytest
from django.urls import reverse
from django.utils import timezone
from tallymark.fingerprint import digest

from compensation import billing
from compensation.models import Charge
from compensation.statements.works import works
from provenance import conflicts
from provenance import works as naming
from provenance.models import NamedRecord, Usage
from tests import doors, factories
from tests.compensation.conftest import grant, priced, texts, use
from tests.compensation.test_earnings import signed_in
from tests.compensation.test_statements import LATER, MARCH, NOON, bill, of_owner

pytestmark = pytest.mark.django_db


def named(usage: Usage, *records: naming.Named, stream: str = "rank0") -> None:
    naming.name_records(
        run=usage.run, subject=str(usage.version), purpose="", stream=stream, records=records
    )


def earned(party, asset, most=50):
    return works(party=party, asset=asset, first="2025-04", last=MARCH, most=most)


def by_key(found):
    return {row.key: (row.read_count, row.amount_units) for row in found.rows}


def test_what_a_use_earned_is_divided_by_how_often_each_work_was_read(ada, rich_lab, essays, euro):
    bill(rich_lab, essays, records=50)
    usage = Usage.objects.get()
    named(usage, naming.Named(30, key="r1"), naming.Named(20, digest=digest(texts(3)[2])))
    found = earned(ada, euro)
    assert by_key(found) == {"r1": (30, 300_000), "r2": (20, 200_000)}
    assert found.amount_units == of_owner(ada, euro).earned_units == 500_000


def test_what_was_not_named_is_not_given_to_what_was(ada, rich_lab, essays, euro):
    bill(rich_lab, essays, records=50)
    named(Usage.objects.get(), naming.Named(5, key="r1"))
    assert by_key(earned(ada, euro)) == {"r1": (5, 50_000)}


def test_names_beyond_the_counters_never_earn_more_than_the_use(ada, rich_lab, essays, euro):
    bill(rich_lab, essays, records=50)
    named(Usage.objects.get(), naming.Named(600, key="r1"), naming.Named(400, key="r2"))
    found = earned(ada, euro)
    assert by_key(found) == {"r1": (600, 300_000), "r2": (400, 200_000)}


def test_counts_are_cumulative_by_stream_and_streams_add_up(ada, rich_lab, essays, euro):
    bill(rich_lab, essays, records=50)
    usage = Usage.objects.get()
    for count in (1, 4, 4, 2):
        named(usage, naming.Named(count, key="r1"))
    named(usage, naming.Named(3, key="r1"), stream="rank1")
    assert by_key(earned(ada, euro))["r1"][0] == 7


def test_a_name_that_the_version_does_not_have_says_nothing(rich_lab, ada, essays, euro):
    bill(rich_lab, essays)
    usage = Usage.objects.get()
    named(usage, naming.Named(1, key="no such key"), naming.Named(1, digest=b"\1" * 32))
    assert not NamedRecord.objects.exists()
    door = doors.of(rich_lab)
    body = {"run": str(usage.run_id), "subject": str(essays)}
    answers = [
        door.post("usages/records", {**body, "records": [{"key": key}]}, status=202)
        for key in ("r1", "no such key")
    ]
    assert answers[0] == answers[1]


def test_names_change_no_counter_and_no_charge(rich_lab, essays, euro):
    bill(rich_lab, essays, records=50)
    usage = Usage.objects.get()
    before = usage.revision, usage.record_count, Charge.objects.count()
    named(usage, naming.Named(1000, key="r1"))
    billing.bill_batch(at=LATER)
    usage.refresh_from_db()
    assert (usage.revision, usage.record_count, Charge.objects.count()) == before


def test_a_work_in_question_earns_its_owner_nothing(ada, ben, rich_lab, euro):
    adas = factories.version(factories.dataset(ada), texts(1))
    bens = factories.version(factories.dataset(ben, "notes"), [*texts(1), *texts(1, "own")])
    priced(bens, euro, price_units=10_000_000)
    found = factories.overlap(bens, adas, [(texts(1)[0], texts(1)[0])])
    assert conflicts.open_from_overlap(overlap=found, at=NOON) is not None
    bill(rich_lab, bens, records=2)
    named(Usage.objects.get(), naming.Named(1, key="r0"), naming.Named(1, key="r1"))
    assert of_owner(ben, euro).earned_units == 10_000
    assert by_key(earned(ben, euro)) == {"r1": (1, 5_000)}


def test_only_the_lab_names_what_its_own_run_read(ada, lab, rich_lab, essays, euro):
    grant(rich_lab, essays)
    usage = use(rich_lab, essays, records=5)
    body = {"run": str(usage.run_id), "subject": str(essays), "records": [{"key": "r1"}]}
    stranger = doors.of(factories.party("Delta Data", is_lab=True))
    assert stranger.post("usages/records", body, status=404)["code"] == "not_found"
    assert not NamedRecord.objects.exists()
    mine = doors.of(rich_lab)
    mine.post("usages/records", body, status=202)
    assert NamedRecord.objects.get().record.key == "r1"
    unused = {**body, "subject": str(factories.version(factories.dataset(ada, "x"), ["a", "b"]))}
    assert mine.post("usages/records", unused, status=404)["code"] == "nothing_reported"


@pytest.mark.parametrize("one", [{}, {"key": "a", "sha256": "0" * 64}, {"key": "a", "count": 0}])
def test_a_record_is_named_in_one_way_and_at_least_once(rich_lab, essays, euro, one):
    grant(rich_lab, essays)
    usage = use(rich_lab, essays, records=5)
    body = {"run": str(usage.run_id), "subject": str(essays), "records": [one]}
    doors.of(rich_lab).post("usages/records", body, status=400)


def test_the_page_and_the_sheet_show_works_to_their_owner_alone(
    ada, ben, rich_lab, essays, euro, monkeypatch
):
    bill(rich_lab, essays, records=50)
    now = timezone.now
    page = reverse("admin:compensation_entry_earnings")
    sheet = reverse("admin:compensation_entry_works_csv")
    monkeypatch.setattr(timezone, "now", lambda: NOON)
    client = signed_in(ada)
    without = client.get(page).content.decode()
    named(Usage.objects.get(), naming.Named(50, key="r7"))
    shown, rows = client.get(page).content.decode(), client.get(sheet).content.decode()
    others = signed_in(ben).get(sheet).content.decode()
    monkeypatch.setattr(timezone, "now", now)
    assert "No report of use in these months names single records" in without
    assert "Of 0.50 EUR, labs name the records behind 0.50 EUR: 1 works" in shown
    (row,) = csv.DictReader(io.StringIO(rows))
    assert (row["record"], row["reads"], row["earned"]) == ("r7", "50", "0.50")
    assert len(others.strip().splitlines()) == 1
    assert signed_in(rich_lab).get(sheet).status_code == 403
