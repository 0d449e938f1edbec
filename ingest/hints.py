"""Words to the workers, sent when the transaction has committed; the sweeper covers lost ones."""

from __future__ import annotations

import time
from importlib import import_module
from uuid import UUID

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)

ADVANCE = "ingest.tasks.advance_upload"
EMBED = "ingest.tasks.embed_version"
SCREEN = "ingest.tasks.screen_file"
WATCH = "ingest.tasks.watch_screening"
EXPIRY_SECONDS = 60
"""The sweeper says it again; old words must not pile up before a busy worker."""
SILENCE_SECONDS = 15.0
"""So long nobody waits again for a broker that did not answer."""


class _Broker:
    """When the broker may be spoken to again, in seconds of this process's monotonic clock."""

    silent_until = 0.0


def advance(upload_id: UUID) -> None:
    """Tell a worker that an upload has work to do."""
    _after_commit(ADVANCE, upload_id)


def embed(upload_id: UUID) -> None:
    """Tell a worker that a screened version may have records worth embedding."""
    _after_commit(EMBED, upload_id)


def screen(screening_id: UUID) -> None:
    """Tell a worker that a candidate file has work to do."""
    _after_commit(SCREEN, screening_id)


def watch(screening_id: UUID) -> None:
    """Tell a worker that something was registered since a report whose lab wants to know."""
    _after_commit(WATCH, screening_id)


def _after_commit(task: str, upload_id: UUID) -> None:
    def send() -> None:
        if time.monotonic() < _Broker.silent_until:
            return
        try:
            _send(task, upload_id)
        except (OperationalError, OSError) as error:
            # What was committed stands, and the sweeper finds it: no request waits or fails.
            _Broker.silent_until = time.monotonic() + SILENCE_SECONDS
            log.warning("hint not sent", task=task, upload=str(upload_id), error=str(error))

    transaction.on_commit(send, robust=True)


def _send(task: str, upload_id: UUID) -> None:
    import_module(settings.TASK_APP)
    current_app.send_task(task, args=[str(upload_id)], retry=False, expires=EXPIRY_SECONDS)
