"""Words to the workers, sent when the transaction has committed; the sweeper covers lost ones."""

from __future__ import annotations

from importlib import import_module
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import transaction

ADVANCE = "ingest.tasks.advance_upload"
EMBED = "ingest.tasks.embed_version"
EXPIRY_SECONDS = 60
"""The sweeper says it again; old words must not pile up before a busy worker."""


def advance(upload_id: UUID) -> None:
    """Tell a worker that an upload has work to do."""
    _after_commit(ADVANCE, upload_id)


def embed(upload_id: UUID) -> None:
    """Tell a worker that a screened version may have records worth embedding."""
    _after_commit(EMBED, upload_id)


def _after_commit(task: str, upload_id: UUID) -> None:
    def send() -> None:
        _send(task, upload_id)

    # Robust: what was committed stands, even when no broker answers.
    transaction.on_commit(send, robust=True)


def _send(task: str, upload_id: UUID) -> None:
    import_module(settings.TASK_APP)
    current_app.send_task(task, args=[str(upload_id)], retry=False, expires=EXPIRY_SECONDS)
