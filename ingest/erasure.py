"""Deletes what was derived from content that is withdrawn, erased or was never registered.

A record keeps its prints and its body as long as an open or sealed version holds it. Everything
else goes, a chunk of records at a time, so that a sweep may be cut short anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q

from ingest import storage
from ingest.index import postings
from ingest.models import Body, Embedding, Fingerprint, ImagePrint, Sketch, Upload
from provenance.models import Record

CHUNK = 5_000
KEPT_FAILED = timedelta(days=1)
"""How long the file of a failed upload stays, for whoever looks into what went wrong."""

# Records that still have something here and that no living version holds.
ORPHANS = """
SELECT record.id FROM provenance_record AS record
WHERE record.id > %s AND (record.withdrawn_number IS NOT NULL OR EXISTS (
    SELECT FROM provenance_datasetversion AS ended
    WHERE ended.dataset_id = record.dataset_id AND ended.state IN ('failed', 'withdrawn', 'erased')
)) AND NOT EXISTS (
    SELECT FROM provenance_datasetversion AS version
    WHERE version.dataset_id = record.dataset_id
      AND version.state IN ('open', 'ready', 'sealed')
      AND version.number >= record.added_number
      AND (record.withdrawn_number IS NULL OR version.number < record.withdrawn_number)
) AND (
    EXISTS (SELECT FROM ingest_fingerprint WHERE record_id = record.id)
    OR EXISTS (SELECT FROM ingest_imageprint WHERE record_id = record.id)
    OR EXISTS (SELECT FROM ingest_body WHERE record_id = record.id)
    OR EXISTS (SELECT FROM ingest_embedding WHERE record_id = record.id)
)
ORDER BY record.id LIMIT %s
"""


def sweep_records(most: int = 20 * CHUNK) -> int:
    """Delete what is kept of records that no living version holds; how many records there were."""
    done, last = 0, 0
    while done < most and (ids := _orphans(last)):
        forget(ids)
        done, last = done + len(ids), ids[-1]
    return done


def _orphans(after: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(ORPHANS, [after, CHUNK])
        return [pk for (pk,) in cursor.fetchall()]


@transaction.atomic
def forget(record_ids: Sequence[int]) -> None:
    """Delete prints, vectors and bodies of these records, and hide their postings for good.

    The postings leave the segments within days; the records themselves are facts.
    """
    postings.forget(record_ids)
    for kept in (Embedding, ImagePrint, Sketch, Fingerprint, Body):
        kept.objects.filter(record_id__in=record_ids).delete()


def sweep_files(*, at: datetime) -> int:
    """Delete the files of uploads that have ended; how many.

    What is needed of a sealed one is in the rows; a failed one is kept a while.
    """
    done = Q(state=Upload.State.SEALED) | Q(finished_at__lte=at - KEPT_FAILED)
    ended = Upload.objects.filter(done, finished_at__isnull=False).exclude(path="")
    count = 0
    for upload in ended.order_by("finished_at")[:1_000]:
        storage.remove(upload.pk)
        Upload.objects.filter(pk=upload.pk).update(path="")
        count += 1
    return count


def is_forgotten(record: Record) -> bool:
    """Whether nothing derived from this record's content is left here."""
    kinds = (Embedding, ImagePrint, Sketch, Fingerprint, Body)
    return not any(kept.objects.filter(record=record).exists() for kept in kinds)
