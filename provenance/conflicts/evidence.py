"""A claimant who registered fingerprints only opens a sample before anything is released to it.

Who can show texts that hash to the registered digests held them when they were registered.
"""

from __future__ import annotations

import hashlib
import heapq
from datetime import datetime

from django.db import transaction
from tallymark import fingerprint

from provenance.conflicts.sides import locked, note
from provenance.models import Conflict, ContestedRecord, Dataset, Opening, Record
from provenance.refusals import Refused

SAMPLE_SIZE = 5


class NotAsked(Refused):
    """That record was not drawn to be opened."""

    code = "not_asked"
    hint = "Open the records that the conflict lists under `openings`."


class OtherText(Refused):
    """The text is not the one that was registered: its digest differs."""

    code = "other_text"
    status = 400
    hint = "Send the record's whole text, exactly as it was when its fingerprint was made."


def ask_openings(conflict: Conflict, claimant: Dataset, at: datetime) -> int:
    """Draw the records that a fingerprint-only claimant must open; how many. Safe to repeat.

    The draw depends on the conflict's id alone, so that nobody chooses it, and all can check it.
    """
    if not claimant.is_fingerprint_only:
        return 0
    rows = ContestedRecord.objects.filter(conflict=conflict, record__dataset=claimant)
    pks = rows.values_list("record_id", flat=True).iterator()
    drawn = heapq.nsmallest(SAMPLE_SIZE, pks, key=lambda pk: (_lot(conflict, pk), pk))
    Opening.objects.bulk_create(
        [Opening(conflict=conflict, record_id=pk, asked_at=at) for pk in drawn],
        ignore_conflicts=True,
    )
    return len(drawn)


@transaction.atomic
def open_record(*, conflict: Conflict, record: Record, text: str, at: datetime) -> Opening:
    """Show the text of a drawn record; it is compared and not kept. Safe to repeat."""
    conflict = locked(conflict)
    opening = Opening.objects.filter(conflict=conflict, record=record).first()
    if opening is None:
        raise NotAsked
    if fingerprint.digest(text) != bytes(record.digest):
        raise OtherText
    if opening.opened_at is None:
        opening.opened_at = at
        opening.save(update_fields=["opened_at"])
        left = Opening.objects.filter(
            conflict=conflict, record__dataset=record.dataset_id, opened_at=None
        )
        note(conflict, "record_opened", at, record=record.pk, left=left.count())
    return opening


def _lot(conflict: Conflict, pk: int) -> bytes:
    return hashlib.sha256(conflict.id.bytes + pk.to_bytes(8, "big")).digest()
