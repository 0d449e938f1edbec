"""The ledger: facts in one hash chain, so that none can be changed or left out unseen.

Use cases add unnumbered events in their own transactions; one sealer numbers and chains what is
committed, every second or so. Chaining inside each transaction would serialise the whole service.

The hash of an event is SHA-256(previous hash || RFC 8785 JSON of its canonical form); the first
event's previous hash is 32 zero bytes.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from tallymark.canonical import canonical

from provenance import notices
from provenance.models import Event, Party

NO_HASH = bytes(32)
NOBODY = uuid.UUID(int=0)
# One number for all sealers of a database; nothing else of ours takes an advisory lock with it.
SEALER_LOCK = 0x7A11_0001
VERIFY_BATCH = 5_000

_NUMBER = """
UPDATE provenance_event AS e
   SET sequence = n.sequence, previous_hash = n.previous_hash, hash = n.hash
  FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[], %s::bytea[])
       AS n(id, sequence, previous_hash, hash)
 WHERE e.id = n.id
"""
# The order of registration is the order of these events (DESIGN, decision 14).
_ORDER_VERSIONS = """
UPDATE provenance_datasetversion AS v
   SET sealed_sequence = n.sequence
  FROM unnest(%s::uuid[], %s::bigint[]) AS n(id, sequence)
 WHERE v.id = n.id
"""


def record(
    kind: str,
    *,
    at: datetime,
    subject_kind: str = "",
    subject_id: uuid.UUID | None = None,
    party: Party | None = None,
    other_party: Party | None = None,
    body: dict[str, Any],
) -> Event:
    """Add a fact to the caller's transaction; the sealer numbers it after the commit.

    Whom the kind of event concerns is told in the same transaction (`provenance.notices`).

    `body` takes text, whole numbers up to 2**53 - 1 (write greater ones as text), booleans, None,
    UUIDs, moments and bytes (kept as hexadecimal), in lists and dicts; no personal data.
    """
    plain = _plain(body)
    canonical(plain)  # A body without a canonical form must fail here, not in the sealer.
    event = Event.objects.create(
        kind=kind,
        subject_kind=subject_kind,
        subject_id=subject_id or NOBODY,
        party=party,
        other_party=other_party,
        body=plain,
        occurred_at=at,
        recorded_at=timezone.now(),
    )
    notices.follow(event)
    return event


@transaction.atomic
def seal(limit: int = 5_000, *, wait: bool = True) -> int:
    """Number and chain up to `limit` committed events; return how many.

    One sealer at a time: another waits for the lock, or returns 0 without `wait`. Events of one
    transaction keep their order; numbers follow commits and have no gaps.
    """
    if not _lock(wait=wait):
        return 0
    events = list(Event.objects.filter(sequence=None).order_by("id")[:limit])
    if not events:
        return 0
    last = Event.objects.exclude(sequence=None).order_by("-sequence").first()
    sequence, head = (last.sequence or 0, bytes(last.hash or b"")) if last else (0, NO_HASH)
    for event in events:
        sequence += 1
        event.sequence, event.previous_hash = sequence, head
        event.hash = head = event_hash(head, canonical_event(event))
    with connection.cursor() as cursor:
        rows = [(e.id, e.sequence, e.previous_hash, e.hash) for e in events]
        cursor.execute(_NUMBER, [list(column) for column in zip(*rows, strict=True)])
        sealed = [(e.subject_id, e.sequence) for e in events if e.kind == "version.sealed"]
        if sealed:
            cursor.execute(_ORDER_VERSIONS, [list(column) for column in zip(*sealed, strict=True)])
    return len(events)


def first_break(from_sequence: int = 1, *, batch: int = VERIFY_BATCH) -> int | None:
    """The sequence at which the chain is broken at or after `from_sequence`, or None.

    A changed, missing or reordered event breaks it where it stands. Memory holds one batch.
    The events before `from_sequence` are trusted, except the hash of the one just before.
    """
    expected = from_sequence
    head = NO_HASH
    if from_sequence > 1:
        before = Event.objects.filter(sequence=from_sequence - 1).first()
        if before is None or before.hash is None:
            # Nothing stands there: either the ledger ends before, or an event is missing.
            is_past_end = not Event.objects.filter(sequence__gte=from_sequence - 1).exists()
            return None if is_past_end else from_sequence - 1
        head = bytes(before.hash)
    while True:
        events = list(Event.objects.filter(sequence__gte=expected).order_by("sequence")[:batch])
        for event in events:
            if event.sequence != expected or not _follows(event, head):
                return expected
            head = bytes(event.hash or b"")
            expected += 1
        if len(events) < batch:
            return None


def canonical_event(event: Event) -> dict[str, Any]:
    """What is hashed of an event, and what a proof file shows of it."""
    return {
        "sequence": event.sequence,
        "kind": event.kind,
        "subject_kind": event.subject_kind,
        "subject_id": str(event.subject_id),
        "body": event.body,
        "occurred_at": moment(event.occurred_at),
    }


def event_hash(previous_hash: bytes, event: dict[str, Any]) -> bytes:
    """SHA-256 of the previous hash and the canonical JSON of `event` (see canonical_event)."""
    return hashlib.sha256(previous_hash + canonical(event)).digest()


def moment(at: datetime) -> str:
    """A moment as the ledger writes it: UTC, microseconds, `Z`."""
    text = at.astimezone(UTC).isoformat(timespec="microseconds")
    return text.removesuffix("+00:00") + "Z"


def _follows(event: Event, head: bytes) -> bool:
    """Whether `event` holds the hash before it and its own."""
    computed = event_hash(head, canonical_event(event))
    return bytes(event.previous_hash or b"") == head and bytes(event.hash or b"") == computed


def _lock(*, wait: bool) -> bool:
    """Be the only sealer until this transaction ends."""
    with connection.cursor() as cursor:
        if wait:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SEALER_LOCK])
            return True
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SEALER_LOCK])
        row = cursor.fetchone()
        return bool(row and row[0])


def _plain(value: Any) -> Any:
    """`value` with what JSON lacks written as text."""
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return value
