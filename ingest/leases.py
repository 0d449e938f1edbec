"""Who works on an upload: one worker at a time, until its lease lapses or it lets go.

A lease is taken with FOR UPDATE SKIP LOCKED and renewed inside each batch's own transaction. A
worker that was thought dead and comes back finds another's token and cannot commit.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from ingest.models import Upload, UploadQuerySet

LEASE = timedelta(seconds=30)
MOST_ATTEMPTS = 5
FIRST_RETRY = timedelta(seconds=10)


class LeaseLost(Exception):
    """Another worker has taken the upload over: the transaction must not commit."""


@transaction.atomic
def claim(upload_id: UUID, *, at: datetime, waiting: UploadQuerySet | None = None) -> Upload | None:
    """Take the upload if it is among those `waiting` for work and nobody holds it."""
    upload = (
        (Upload.objects.waiting(at) if waiting is None else waiting)
        .filter(pk=upload_id)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("version__dataset__owner")
        .first()
    )
    if upload is None:
        return None
    upload.lease, upload.lease_until = uuid4(), at + LEASE
    upload.attempt_count += 1
    # Should this process die at once, the next try waits a little longer each time.
    upload.retry_at = at + _patience(upload.attempt_count)
    upload.save(update_fields=["lease", "lease_until", "attempt_count", "retry_at"])
    return upload


def hold(upload: Upload, *, at: datetime, lasting: timedelta = LEASE, **changes: Any) -> None:
    """Renew the lease and save `changes`; raises LeaseLost where it is no longer ours.

    Inside the batch's transaction: then batch and cursor are committed together or not at all.
    """
    fields = {**changes, "lease_until": at + lasting}
    if not Upload.objects.filter(pk=upload.pk, lease=upload.lease).update(**fields):
        raise LeaseLost(f"upload {upload.pk} was taken over")
    for name, value in fields.items():
        setattr(upload, name, value)


def release(upload: Upload, *, at: datetime, after: timedelta = timedelta(0)) -> None:
    """Let go, so that the next worker may go on at once or `after` a while."""
    Upload.objects.filter(pk=upload.pk, lease=upload.lease).update(
        lease=None, lease_until=None, retry_at=at + after
    )


def put_off(upload: Upload, *, at: datetime) -> None:
    """Let go after an error; each further try waits longer."""
    release(upload, at=at, after=_patience(upload.attempt_count))


def _patience(attempt_count: int) -> timedelta:
    return FIRST_RETRY * 2 ** min(attempt_count - 1, 6) if attempt_count > 1 else timedelta(0)
