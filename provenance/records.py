"""The rows of a version while it is made: added, carried, replaced, withdrawn and erased.

`provenance.registry` says when; this says how, in sets, so that a million records cost few queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import F, Max, Q, Sum
from django.db.models.functions import Coalesce

from provenance.models import DatasetVersion, Match, Record
from provenance.models.datasets import RecordQuerySet
from provenance.refusals import Refused

State = DatasetVersion.State
ERASED_DIGEST = bytes(32)
KEY_LENGTH = 200
CHUNK = 10_000


class OrdinalTaken(Refused):
    """Another record stands at this place of the version already."""

    code = "ordinal_taken"
    hint = "The source changed while it was read: start the upload again."


@dataclass(frozen=True)
class NewRecord:
    """One record as ingest read it: its place in the upload, its key, and its SHA-256."""

    ordinal: int
    key: str
    digest: bytes
    token_count: int
    byte_count: int


@dataclass(frozen=True)
class Delta:
    """What sealing a version would change, in records; and what it would hold then."""

    added: int
    changed: int
    withdrawn: int
    unchanged: int
    record_count: int
    token_count: int
    byte_count: int


def add(version: DatasetVersion, rows: Sequence[NewRecord]) -> list[Record]:
    """Add `rows` to an open version, or carry over what stands already; in the rows' order."""
    assert all(len(row.key) <= KEY_LENGTH and len(row.digest) == 32 for row in rows)
    before = list(_before(version, [row.key for row in rows])) if version.number > 1 else []
    known = {(record.key, bytes(record.digest)): record for record in reversed(before)}
    carried = {row.ordinal: known.get((row.key, row.digest)) for row in rows}
    if version.mode == DatasetVersion.Mode.FULL:
        came = {(row.key, row.digest) for row in rows}
        same = [record.pk for record in before if (record.key, bytes(record.digest)) in came]
        Record.objects.filter(pk__in=same).update(confirmed_number=version.number)
    else:
        changed = {row.key for row in rows if carried[row.ordinal] is None}
        _withdraw(version, [record.pk for record in before if record.key in changed])
    fresh = [row for row in rows if carried[row.ordinal] is None]
    added = _insert(version, fresh)
    return [carried[row.ordinal] or added[row.ordinal] for row in rows]


def withdraw(version: DatasetVersion, keys: Sequence[str]) -> int:
    """Leave the records with these keys out of an open delta; how many there were."""
    return _withdraw(version, [record.pk for record in _before(version, keys)])


def withdraw_unconfirmed(version: DatasetVersion) -> None:
    """A full version is read: what stood before and did not come again is withdrawn."""
    gone = _before(version).exclude(confirmed_number=version.number)
    gone.update(withdrawn_number=version.number)


def forget(version: DatasetVersion) -> None:
    """A version failed: its records belong to none, and what it withdrew stands again."""
    rows = Record.objects.filter(dataset=version.dataset_id)
    rows.filter(added_number=version.number).update(withdrawn_number=F("added_number"))
    rows.filter(withdrawn_number=version.number, added_number__lt=version.number).update(
        withdrawn_number=None
    )


def preview_delta(version: DatasetVersion) -> Delta:
    """What sealing `version` now would change; for a sealed version, what it changed."""
    sql = """
    WITH gone AS (
      SELECT key FROM provenance_record
       WHERE dataset_id = %(dataset)s AND added_number < %(number)s
         AND (withdrawn_number = %(number)s
              OR %(replaces)s AND withdrawn_number IS NULL
                 AND confirmed_number IS DISTINCT FROM %(number)s)
    ), fresh AS (
      SELECT key FROM provenance_record
       WHERE dataset_id = %(dataset)s AND added_number = %(number)s
         AND withdrawn_number IS DISTINCT FROM added_number
    )
    SELECT (SELECT count(*) FROM fresh),
           (SELECT count(*) FROM fresh WHERE key IN (SELECT key FROM gone)),
           (SELECT count(*) FROM gone WHERE key NOT IN (SELECT key FROM fresh))
    """
    is_open = version.sealed_at is None
    replaces = is_open and version.mode == DatasetVersion.Mode.FULL
    named: dict[str, Any] = {
        "dataset": version.dataset_id,
        "number": version.number,
        "replaces": replaces,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, named)
        fresh, changed, withdrawn = cursor.fetchone() or (0, 0, 0)
    held = Record.objects.of_version(version)
    if replaces:
        held = held.filter(Q(added_number=version.number) | Q(confirmed_number=version.number))
    totals = _totals(held)
    return Delta(
        added=fresh - changed,
        changed=changed,
        withdrawn=withdrawn,
        unchanged=totals["records"] - fresh,
        record_count=totals["records"],
        token_count=totals["tokens"],
        byte_count=totals["bytes"],
    )


def erase_orphans(version: DatasetVersion) -> int:
    """Empty the records that only erased versions hold; how many."""
    others = DatasetVersion.objects.filter(dataset=version.dataset_id).exclude(
        state__in=[State.ERASED, State.FAILED]
    )
    orphans = Record.objects.of_version(version)
    for number in others.values_list("number", flat=True):
        still_there = Q(withdrawn_number__isnull=True) | Q(withdrawn_number__gt=number)
        orphans = orphans.exclude(still_there, added_number__lte=number)
    pks = list(orphans.values_list("pk", flat=True))
    last = DatasetVersion.objects.filter(dataset=version.dataset_id).aggregate(n=Max("number"))
    for start in range(0, len(pks), CHUNK):
        chunk = pks[start : start + CHUNK]
        Match.objects.filter(Q(later__in=chunk) | Q(earlier__in=chunk)).update(evidence={})
        # An emptied record must not reappear in a later version by delta.
        Record.objects.filter(pk__in=chunk).update(
            key="",
            digest=ERASED_DIGEST,
            withdrawn_number=Coalesce(F("withdrawn_number"), last["n"] + 1),
        )
    return len(pks)


def _before(version: DatasetVersion, keys: Sequence[str] | None = None) -> RecordQuerySet:
    """The records that stand when `version` begins, with the given keys."""
    records = Record.objects.filter(
        dataset=version.dataset_id, added_number__lt=version.number, withdrawn_number=None
    )
    return (records if keys is None else records.filter(key__in=keys)).order_by("pk")


def _withdraw(version: DatasetVersion, pks: Sequence[int]) -> int:
    return Record.objects.filter(pk__in=pks).update(withdrawn_number=version.number)


_INSERT = """
INSERT INTO provenance_record
       (dataset_id, added_number, ordinal, key, digest, token_count, byte_count)
SELECT %s, %s, n.ordinal, n.key, n.digest, n.token_count, n.byte_count
  FROM unnest(%s::bigint[], %s::text[], %s::bytea[], %s::int[], %s::int[])
       AS n(ordinal, key, digest, token_count, byte_count)
ON CONFLICT (dataset_id, added_number, ordinal) DO NOTHING
RETURNING id, ordinal
"""


def _insert(version: DatasetVersion, rows: Sequence[NewRecord]) -> dict[int, Record]:
    """Insert rows that are not there yet; the records by ordinal."""
    if not rows:
        return {}
    table = [(r.ordinal, r.key, r.digest, r.token_count, r.byte_count) for r in rows]
    columns = [list(column) for column in zip(*table, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [version.dataset_id, version.number, *columns])
        ids = {ordinal: pk for pk, ordinal in cursor.fetchall()}
    records = {row.ordinal: _record(version, row, ids.get(row.ordinal)) for row in rows}
    standing = [row for row in rows if row.ordinal not in ids]
    if standing:
        records |= _standing(version, standing)
    return records


def _record(version: DatasetVersion, row: NewRecord, pk: int | None) -> Record:
    return Record(
        id=pk,
        dataset_id=version.dataset_id,
        added_number=version.number,
        ordinal=row.ordinal,
        key=row.key,
        digest=row.digest,
        token_count=row.token_count,
        byte_count=row.byte_count,
    )


def _standing(version: DatasetVersion, rows: Sequence[NewRecord]) -> dict[int, Record]:
    """Records that an earlier attempt added; the same ones, or it was another source."""
    found = Record.objects.filter(
        dataset=version.dataset_id,
        added_number=version.number,
        ordinal__in=[row.ordinal for row in rows],
    )
    records = {record.ordinal: record for record in found}
    for row in rows:
        if bytes(records[row.ordinal].digest) != row.digest:
            raise OrdinalTaken(f"Record {row.ordinal} of this version has other content.")
    return records


def _totals(records: RecordQuerySet) -> dict[str, int]:
    counted = records.aggregate(
        tokens=Coalesce(Sum("token_count"), 0), bytes=Coalesce(Sum("byte_count"), 0)
    )
    return {"records": records.count(), **counted}
