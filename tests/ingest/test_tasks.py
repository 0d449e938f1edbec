"""The workers' doors: hints carry an upload to its end, and the sweeper finds what they left."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

import pytest
from celery import Celery
from django.utils import timezone

from deploy import broker
from deploy.environment import Environment
from ingest import hints, leases, tasks
from ingest.models import Upload
from provenance import registry
from provenance.models import DatasetVersion, Party
from tests import factories
from tests.cast import NOON
from tests.ingest.conftest import begin, ingest, sentence

ROWS = [{"id": f"r{n}", "text": sentence(n)} for n in range(3)]
DOORS = {hints.ADVANCE: tasks.advance_upload, hints.EMBED: tasks.embed_version}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, UUID]]:
    """The hints that were sent, kept instead of carried."""
    kept: list[tuple[str, UUID]] = []
    monkeypatch.setattr(hints._Broker, "silent_until", 0.0)
    monkeypatch.setattr(hints, "_send", lambda task, upload_id: kept.append((task, upload_id)))
    return kept


def test_a_hint_follows_the_commit(ada: Party, sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        upload = begin(factories.dataset(ada), ROWS)
        assert not sent
    assert sent == [(hints.ADVANCE, upload.pk)]


def test_a_broker_that_is_down_costs_nobody_an_upload(
    ada: Party, monkeypatch, django_capture_on_commit_callbacks
):
    def down(*_):
        raise ConnectionError("no broker")

    monkeypatch.setattr(hints, "_send", down)
    monkeypatch.setattr(hints._Broker, "silent_until", 0.0)
    with django_capture_on_commit_callbacks(execute=True):
        upload = begin(factories.dataset(ada), ROWS)
    assert Upload.objects.waiting(timezone.now()).get() == upload


def test_nobody_waits_twice_for_a_broker_that_does_not_answer(
    ada: Party, monkeypatch, django_capture_on_commit_callbacks
):
    asked = []

    def down(*given):
        asked.append(given)
        raise ConnectionError("no broker")

    monkeypatch.setattr(hints, "_send", down)
    monkeypatch.setattr(hints._Broker, "silent_until", 0.0)
    for name in ("one", "two", "three"):
        with django_capture_on_commit_callbacks(execute=True):
            begin(factories.dataset(ada, name), ROWS)
    assert len(asked) == 1
    assert Upload.objects.waiting(timezone.now()).count() == 3


@pytest.mark.parametrize("url", ["", "redis://127.0.0.1:1/0"])
def test_a_broker_that_cannot_be_reached_is_given_up_in_seconds(url: str):
    environment = Environment(
        _env_file=None,
        BROKER_URL=url,
        DATABASE_BROKER_URL="postgresql://tallymark_broker@127.0.0.1:1/tallymark",
    )
    app = Celery("nobody", set_as_current=False)
    app.conf.update(**broker.configuration(environment))
    begun = time.monotonic()
    with pytest.raises(Exception, match=r"(?i)connect"):
        app.send_task(hints.ADVANCE, args=["x"], retry=False)
    assert time.monotonic() - begun < 8


def test_hints_carry_an_upload_to_its_end(
    ada: Party, sent, settings, django_capture_on_commit_callbacks
):
    settings.EMBEDDING_BUDGET = 0
    with django_capture_on_commit_callbacks(execute=True):
        upload = begin(factories.dataset(ada), ROWS)
    while sent:
        task, upload_id = sent.pop(0)
        with django_capture_on_commit_callbacks(execute=True):
            DOORS[task](str(upload_id))
    upload.refresh_from_db()
    assert (upload.state, upload.record_count) == (Upload.State.SEALED, 3)
    assert upload.embedded_at is not None


def test_the_sweeper_finds_an_upload_whose_worker_died(
    ada: Party, sent, django_capture_on_commit_callbacks
):
    upload = begin(factories.dataset(ada), ROWS)
    died_at = timezone.now() - leases.LEASE - timedelta(seconds=1)
    assert leases.claim(upload.pk, at=died_at) is not None
    with django_capture_on_commit_callbacks(execute=True):
        tasks.sweep_uploads()
    assert sent == [(hints.ADVANCE, upload.pk)]


def test_the_sweeper_leaves_an_upload_that_is_worked_on(
    ada: Party, sent, django_capture_on_commit_callbacks
):
    upload = begin(factories.dataset(ada), ROWS)
    assert leases.claim(upload.pk, at=timezone.now()) is not None
    with django_capture_on_commit_callbacks(execute=True):
        tasks.sweep_uploads()
    assert not sent


def test_the_sweeper_finds_what_is_to_be_embedded(
    ada: Party, sent, django_capture_on_commit_callbacks
):
    upload = ingest(factories.dataset(ada), ROWS)
    with django_capture_on_commit_callbacks(execute=True):
        tasks.sweep_embeddings()
    assert sent == [(hints.EMBED, upload.pk)]


def test_a_task_for_an_upload_that_is_gone_does_nothing(db):
    tasks.advance_upload(str(UUID(int=7)))
    tasks.embed_version(str(UUID(int=7)))
    tasks.sweep_erased()


def test_a_version_withdrawn_before_it_was_compared_is_left_alone(ada: Party, monkeypatch):
    from ingest import pipeline, screening

    upload = begin(factories.dataset(ada), ROWS)
    real = screening.screen
    monkeypatch.setattr(screening, "screen", lambda *_, **__: (_ for _ in ()).throw(OSError()))
    with pytest.raises(OSError):
        pipeline.advance(upload.pk, clock=timezone.now)
    monkeypatch.setattr(screening, "screen", real)
    version = DatasetVersion.objects.get(pk=upload.version_id)
    registry.withdraw_version(version=version, at=NOON, reason="a mistake")
    pipeline.advance(upload.pk, clock=timezone.now)
    upload.refresh_from_db()
    assert (upload.state, upload.stage) == ("sealed", "withdrawn before it was compared")
