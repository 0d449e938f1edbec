"""Workers' doors to ingest: each takes an id, may run twice, and goes on where the last stopped."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from ingest import erasure, hints, meaning, pipeline
from ingest.models import Upload

SWEPT = 200


@shared_task
def advance_upload(upload_id: str) -> None:
    """Work on one upload for a while, then let others have a turn."""
    if pipeline.advance(UUID(upload_id), clock=timezone.now):
        hints.advance(UUID(upload_id))


@shared_task
def embed_version(upload_id: str) -> None:
    """Embed what matching left undecided, for a while."""
    if meaning.embed(UUID(upload_id), clock=timezone.now):
        hints.embed(UUID(upload_id))


@shared_task
def sweep_uploads() -> None:
    """Send hints for uploads that wait while nobody works on them: lost hints, dead workers."""
    waiting = Upload.objects.waiting(timezone.now()).order_by("retry_at")
    for upload_id in waiting.values_list("pk", flat=True)[:SWEPT]:
        hints.advance(upload_id)


@shared_task
def sweep_embeddings() -> None:
    """Send hints for screened versions whose embeddings are still to come."""
    waiting = Upload.objects.to_embed(timezone.now()).order_by("retry_at")
    for upload_id in waiting.values_list("pk", flat=True)[:SWEPT]:
        hints.embed(upload_id)


@shared_task
def sweep_erased() -> None:
    """Delete what is kept of withdrawn and erased records, and files of ended uploads."""
    erasure.sweep_records()
    erasure.sweep_files(at=timezone.now())
