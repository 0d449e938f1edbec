"""What an owner reads when its upload is done: figures in words, who acts until when, what next."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from ingest.admin.results import Result, result_of
from ingest.models import Upload
from provenance import contributors, ownership
from provenance.access import Viewer
from provenance.models import Conflict, Dataset, Party
from tests import factories
from tests.cast import NOON
from tests.ingest.conftest import begin, drive, ingest, sealed, sentence

pytestmark = pytest.mark.django_db


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": f"r{n}", "text": sentence(n)} for n in numbers]


def said(upload: Upload, party: Party) -> Result:
    found = result_of(upload, Viewer(party=party, role="admin"))
    assert found is not None
    return found


def test_a_result_says_how_many_are_alike_what_it_means_and_who_may_claim_until_when(
    ada: Party, ben: Party
) -> None:
    sealed(factories.dataset(ada), rows(1, 2, 3))
    notes = factories.dataset(ben, "notes")
    told = said(ingest(notes, rows(2, 3, 8, 9)), ben)
    assert told.compared == (
        "4 records of this version are new and were compared. "
        "Each record is compared with 3 records of 1 other owner."
    )
    (one,) = told.findings
    assert one.title.startswith("2 of 4 records are like records of aurora-archive/essays")
    assert one.points == [
        "2 exactly the same: after case, spaces and spelling variants are evened out, nothing "
        "differs."
    ]
    conflict = Conflict.objects.get()
    assert conflict.deadline_at is not None
    assert one.then.startswith("Aurora Archive may claim these records")
    assert f"{conflict.deadline_at.day} {conflict.deadline_at:%b %Y}" in one.then
    assert told.next_steps[0].label == "Conflict with Aurora Archive"
    assert [step.is_first for step in told.next_steps].count(True) == 1


def test_what_is_ones_own_is_for_information(ada: Party) -> None:
    sealed(factories.dataset(ada), rows(1, 2))
    told = said(ingest(factories.dataset(ada, "again"), rows(1, 2)), ada)
    assert told.findings[0].then.startswith("Both are yours")
    assert told.next_steps[0].label == "Say on what terms it may be used"


def test_who_registered_first_reads_the_same_and_a_stranger_nothing(ada: Party, ben: Party) -> None:
    first = ingest(factories.dataset(ada), rows(1, 2))
    drive(begin(factories.dataset(ben, "copies"), rows(1, 2)))
    told = said(first, ada)
    assert told.findings == []
    assert "yours is the first" in told.compared
    web = Client()
    web.force_login(factories.user("ben@birch.example", party=ben))
    assert web.get(f"/admin/ingest/upload/{first.pk}/").status_code == 404


def test_a_new_owner_reads_who_gave_it_the_dataset_not_whose_address_sent_the_file(
    ada: Party, ben: Party, operator: Party
) -> None:
    person, dataset = factories.user("ada@aurora.example", party=ada), factories.dataset(ada)
    upload = drive(begin(dataset, rows(1, 2), by=person))
    mila = contributors.name(owner=ada, label="Mila", at=NOON)
    for weight in (1, 2):
        weights = {mila: weight}
        contributors.divide(dataset=dataset, owner_weight=1, weights=weights, by=person, at=NOON)
    offered = ownership.propose_transfer(
        dataset=dataset, receiver=ben, reason="Sold.", by=None, at=NOON + timedelta(hours=1)
    )
    ownership.accept_transfer(transfer=offered, party=ben, by=None, at=NOON + timedelta(hours=2))
    pages = [f"/admin/ingest/upload/{upload.pk}/", f"/admin/provenance/dataset/{dataset.pk}/"]
    for reader, email in ((ben, "ben@birch.example"), (operator, "olga@tallymark.example")):
        web = Client()
        web.force_login(factories.user(email, party=reader))
        if reader.is_operator:
            web.post("/admin/reason/", {"reason": "A question of hers."})
        for page in pages:
            shown = web.get(page).content.decode()
            assert ("ada@aurora.example" in shown) == reader.is_operator, (reader, page)
            assert reader.is_operator or "Aurora Archive" in shown, page


def test_no_result_is_without_a_next_step(ada: Party) -> None:
    dataset: Dataset = factories.dataset(ada)
    upload = ingest(dataset, [*rows(1), {"id": "bad", "text": ""}])
    web = Client()
    web.force_login(factories.user("ada@aurora.example", party=ada))
    page = web.get(f"/admin/ingest/upload/{upload.pk}/").content.decode()
    assert "What to do next" in page
    assert f"/admin/provenance/dataset/{dataset.pk}/offer/" in page
    assert "certificate.pdf" in page
