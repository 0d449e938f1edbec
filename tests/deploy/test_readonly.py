"""While the chain knows more than our books everything is shown and nothing is written."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deploy import readonly
from deploy.celery import app
from provenance import ledger, restore
from provenance.models import ChainAccount, Dataset, Event, Party
from provenance.tasks import look_at_chain, seal_events
from tests import doors, factories
from tests.factories import NOON

pytestmark = pytest.mark.django_db

NEW = {"name": "essays", "title": "Essays"}


@pytest.fixture
def ahead(db: None, settings: Any) -> ChainAccount:
    """An account that a restored backup has left behind."""
    return ChainAccount.objects.create(
        chain_id=settings.CHAIN_ID, address="0x" + "1" * 40, next_nonce=3, alarm="chain_ahead",
        alarm_detail="the chain has 5 transactions of this address, our books know 3",
    )  # fmt: skip


@pytest.fixture
def signed_in(ada: Party) -> Client:
    client = Client()
    client.force_login(factories.user("ada@aurora.example", party=ada))
    return client


def test_the_api_shows_and_refuses_to_write(ada: Party, ben: Party, ahead: ChainAccount) -> None:
    for party in (ada, ben):
        door = doors.of(party)
        assert door.get("datasets")["results"] == []
        answer = door.raw("POST", "datasets")
        assert answer.status_code == 503
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["code"] == "chain_is_ahead"
        assert "reconcile_restore" in answer.json()["hint"]
    assert not Dataset.objects.exists()
    ChainAccount.objects.update(alarm="")
    doors.of(ada).post("datasets", NEW, status=201)


def test_pages_show_a_banner_and_refuse_forms(signed_in: Client, ahead: ChainAccount) -> None:
    home = signed_in.get(reverse("admin:index"))
    assert home.status_code == 200
    assert "The service only reads." in home.content.decode()
    form = reverse("admin:provenance_dataset_list_verb", args=["register"])
    refused = signed_in.post(form, {"title": "Essays"})
    assert refused.status_code == 503
    assert "Nothing was changed" in refused.content.decode()
    ChainAccount.objects.update(alarm="")
    assert "The service only reads." not in signed_in.get(reverse("admin:index")).content.decode()


def test_people_can_sign_in_and_out_meanwhile(ada: Party, ahead: ChainAccount) -> None:
    factories.user("ada@aurora.example", party=ada)
    told = {"login": "ada@aurora.example", "password": "correct horse"}
    assert Client().post(reverse("account_login"), told).status_code == 302


def test_workers_pause_and_find_the_same_work_again(ahead: ChainAccount) -> None:
    app.set_current()
    ledger.record("test.happened", at=NOON, body={})
    assert seal_events() is None
    assert Event.objects.filter(sequence=None).count() == 1
    ChainAccount.objects.update(alarm="")
    seal_events()
    assert not Event.objects.filter(sequence=None).exists()


def test_the_look_at_the_chain_goes_on(ahead: ChainAccount, monkeypatch: Any) -> None:
    app.set_current()
    looks: list[Any] = []
    monkeypatch.setattr(restore, "look", lambda *, at, **_: looks.append(at) or [])
    monkeypatch.setattr("provenance.gas.look", lambda **_: [])
    look_at_chain()
    assert len(looks) == 1


def test_a_worker_makes_nothing_for_a_chain_that_it_has_not_looked_at(
    monkeypatch: Any, settings: Any, db: None
) -> None:
    app.set_current()
    settings.CHAIN_RPC_URL = "http://127.0.0.1:9"
    monkeypatch.setattr(readonly.PausingTask, "has_looked", False)
    tried: list[Any] = []
    monkeypatch.setattr("provenance.anchor.anchor_next", lambda *, at: tried.append(at))
    app.tasks["provenance.tasks.anchor_events"]()
    assert tried == []
    monkeypatch.setattr(restore, "look", lambda **_: [])
    app.tasks["provenance.tasks.anchor_events"]()
    assert len(tried) == 1
