"""The ledger names what each event is about, and leads there whoever may see it."""

from __future__ import annotations

import pytest
from django.test import Client

from provenance import ledger, looked, usage
from provenance.models import Event, Party, Usage
from tests import factories
from tests.cast import NOON

pytestmark = pytest.mark.django_db
LEDGER = "/admin/provenance/event/"


def web(party: Party) -> Client:
    client = Client()
    client.force_login(factories.user(f"who@{party.namespace}.example", party=party))
    return client


def said(client: Client, query: str = "") -> str:
    return client.get(f"{LEDGER}{query}").content.decode()


def told(kind: str, subject_kind: str, **named: object) -> Event:
    event = ledger.record(kind, at=NOON, subject_kind=subject_kind, body={}, **named)  # type: ignore[arg-type]
    ledger.seal()
    event.refresh_from_db()
    return event


def test_an_event_names_its_dataset_and_leads_to_it(ada: Party) -> None:
    dataset = factories.dataset(ada, "tides")
    event = told("dataset.split", "dataset", subject_id=dataset.pk, party=ada)
    link = f'dataset <a href="/admin/provenance/dataset/{dataset.pk}/">aurora-archive/tides</a>'
    client = web(ada)
    assert link in said(client)
    page = client.get(f"{LEDGER}{event.pk}/").content.decode()
    assert link in page
    assert str(dataset.pk) in page


def test_what_a_reader_may_not_open_is_called_by_the_end_of_its_id(ada: Party, lab: Party) -> None:
    run = usage.start_run(lab=lab, purpose="pretrain", at=NOON)
    told("run.consumed", "run", subject_id=run.pk, party=lab, other_party=ada)
    assert f"/admin/provenance/run/{run.pk}/" in said(web(lab))
    page = said(web(ada))
    assert f"run {str(run.pk)[-8:]}" in page
    assert f"/admin/provenance/run/{run.pk}/" not in page


def test_a_use_is_called_by_its_data_and_never_by_the_labs_name_for_the_run(
    ada: Party, lab: Party
) -> None:
    version = factories.version(factories.dataset(ada), ["a"])
    run = usage.start_run(lab=lab, purpose="pretrain", name="secret-name", at=NOON)
    used = Usage.objects.create(
        run=run, version=version, subject=str(version.pk), used_at=NOON, reported_at=NOON
    )
    told("usage.charged", "usage", subject_id=used.pk, party=lab, other_party=ada)
    page = said(web(ada))
    assert f'<a href="/admin/provenance/usage/{used.pk}/">{version}</a>' in page
    assert "secret-name" not in page


def test_a_subject_without_an_id_is_called_by_its_noun(ada: Party) -> None:
    told("journal.sealed", "journal", party=ada)
    assert "00000000" not in said(web(ada))


def test_a_search_for_a_number_finds_that_event(ada: Party) -> None:
    first = told("dataset.split", "dataset", party=ada)
    told("webhook.created", "webhook", party=ada)
    page = said(web(ada), f"?q={first.sequence:,}")
    assert "dataset.split" in page
    assert "webhook.created" not in page


def test_the_ledger_leads_to_where_a_proof_is_checked(ada: Party) -> None:
    assert '<a href="/verify#en' in said(web(ada))


def test_a_sheet_of_events_has_names_without_links(ada: Party) -> None:
    dataset = factories.dataset(ada, "tides")
    told("dataset.split", "dataset", subject_id=dataset.pk, party=ada)
    sheet = said(web(ada), "?sheet=csv")
    assert "dataset aurora-archive/tides" in sheet
    assert "<a" not in sheet


@pytest.mark.parametrize(
    ("kept", "read"),
    [
        ("payment run payment run 2", "payment run 2"),
        ("payout epoch epoch 1 (USDC)", "payout epoch 1 (USDC)"),
        ("event 190 dataset.transferred", "event 190 (A dataset passed to another owner)"),
    ],
)
def test_the_access_log_says_a_noun_once_and_an_event_in_words(kept: str, read: str) -> None:
    assert looked.in_words(kept) == read
