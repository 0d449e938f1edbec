"""Who works on an upload or a screening: one worker at a time, until its lease lapses.

A lease is taken with FOR UPDATE SKIP LOCKED and renewed inside each batch's own transaction. A
worker that was thought dead and comes back finds another's token and cannot commit.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import QuerySet

from ingest.models import Leased, Upload, UploadQuerySet

Work = TypeVar("Work", bound=Leased)

LEASE = timedelta(seconds=30)
MOST_ATTEMPTS = 5
FIRST_RETRY = timedelta(seconds=10)


class LeaseLost(Exception):
    """Another worker has taken the upload over: the transaction must not commit."""


def claim(upload_id: UUID, *, at: datetime, waiting: UploadQuerySet | None = None) -> Upload | None:
    """Take the upload if it is among those `waiting` for work and nobody holds it."""
    rows = Upload.objects.waiting(at) if waiting is None else waiting
    return take(rows.select_related("version__dataset__owner"), upload_id, at=at)


@transaction.atomic
def take(waiting: QuerySet[Work], pk: UUID, *, at: datetime) -> Work | None:
    """Take the work `pk` if it is among those `waiting` and nobody holds it."""
    work = waiting.filter(pk=pk).select_for_update(skip_locked=True, of=("self",)).first()
    if work is None:
        return None
    work.lease, work.lease_until = uuid4(), at + LEASE
    work.attempt_count += 1
    # Should this process die at once, the next try waits a little longer each time.
    work.retry_at = at + _patience(work.attempt_count)
    work.save(update_fields=["lease", "lease_until", "attempt_count", "retry_at"])
    return work


def hold(work: Leased, *, at: datetime, lasting: timedelta = LEASE, **changes: Any) -> None:
    """Renew the lease and save `changes`; raises LeaseLost where it is no longer ours.

    Inside the batch's transaction: then batch and cursor are committed together or not at all.
    """
    fields = {**changes, "lease_until": at + lasting}
    if not _held(work).update(**fields):
        raise LeaseLost(f"{work} was taken over")
    for name, value in fields.items():
        setattr(work, name, value)


def release(work: Leased, *, at: datetime, after: timedelta = timedelta(0)) -> None:
    """Let go, so that the next worker may go on at once or `after` a while."""
    _held(work).update(lease=None, lease_until=None, retry_at=at + after)


def put_off(work: Leased, *, at: datetime) -> None:
    """Let go after an error; each further try waits longer."""
    release(work, at=at, after=_patience(work.attempt_count))


def _held(work: Leased) -> QuerySet[Any]:
    """The row of this work, as long as the lease is ours."""
    rows: QuerySet[Any] = type(work)._default_manager.filter(pk=work.pk, lease=work.lease)
    return rows


def _patience(attempt_count: int) -> timedelta:
    return FIRST_RETRY * 2 ** min(attempt_count - 1, 6) if attempt_count > 1 else timedelta(0)
