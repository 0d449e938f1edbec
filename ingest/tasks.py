"""Workers' doors to ingest: each takes an id, may run twice, and goes on where the last stopped."""

from __future__ import annotations

import time
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from ingest import columns, erasure, hints, meaning, pipeline
from ingest.gateways import files, notices, watching
from ingest.index import merging
from ingest.models import Screening, Upload

SWEPT = 200
TENDING_SECONDS = 20.0
"""So long one turn of merging begins new steps; a step of a large index may last minutes."""


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
def screen_file(screening_id: str) -> None:
    """Compare a candidate file for a while, then let others have a turn."""
    if files.advance(UUID(screening_id), clock=timezone.now):
        hints.screen(UUID(screening_id))


@shared_task
def watch_screening(screening_id: str) -> None:
    """Compare a watched file with what was registered since, for a while."""
    if watching.look(UUID(screening_id), clock=timezone.now):
        hints.watch(UUID(screening_id))


@shared_task
def sweep_screenings() -> None:
    """Send hints for candidate files that wait, and for watched ones that something concerns."""
    at = timezone.now()
    waiting = Screening.objects.waiting(at).order_by("retry_at")
    for screening_id in waiting.values_list("pk", flat=True)[:SWEPT]:
        hints.screen(screening_id)
    for screening_id in watching.due(at).values_list("pk", flat=True)[:SWEPT]:
        hints.watch(screening_id)


@shared_task
def sweep_reports() -> None:
    """Tell labs of changed terms; delete what is left of candidate files and of old watches."""
    at = timezone.now()
    notices.check_terms(at=at)
    watching.forget_old(at)
    files.sweep(at=at)


@shared_task
def tend_index() -> None:
    """Pack, merge and clean the segments of the index for a while."""
    end = time.monotonic() + TENDING_SECONDS
    merging.tend(go_on=lambda: time.monotonic() < end)


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
    columns.forget_ended()
    erasure.sweep_files(at=timezone.now())
