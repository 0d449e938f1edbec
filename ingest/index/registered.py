"""What was registered before: which stored records may answer for a newcomer, and since when.

A version is compared with those whose `version.sealed` stands before its own in the ledger. It is
read after its own place is known, so every earlier one is committed, postings and all: of two
versions registered at once, the one with the later place always finds the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from provenance.models import Dataset, DatasetVersion

MOST_PER_DIGEST = 64
NO_DATASET = UUID(int=0)


@dataclass(frozen=True)
class Earlier:
    """A stored record, the first sealed version that holds it, and that version's place."""

    record_id: int
    version_id: UUID
    owner_id: UUID
    sequence: int
    digest: bytes
    token_count: int


# A record counts as long as a sealed version holds it; one that is withdrawn everywhere is not
# compared with any more.
HELD = """
SELECT record.id, version.id, dataset.owner_id, version.sealed_sequence, record.digest,
       record.token_count
FROM provenance_record AS record
JOIN provenance_dataset AS dataset ON dataset.id = record.dataset_id
CROSS JOIN LATERAL (
    SELECT id, sealed_sequence FROM provenance_datasetversion
    WHERE dataset_id = record.dataset_id AND state = 'sealed' AND number >= record.added_number
      AND (record.withdrawn_number IS NULL OR number < record.withdrawn_number)
    ORDER BY number LIMIT 1
) AS version
"""
EARLIER = f"""{HELD}
WHERE record.id = ANY(%s) AND record.dataset_id <> %s AND version.sealed_sequence < %s
"""
# Whatever is registered in a stretch of the ledger, whoever owns it.
CURRENT = f"""{HELD}
WHERE record.id = ANY(%s) AND version.sealed_sequence > %s AND version.sealed_sequence <= %s
"""

# OFFSET 0 keeps the plan at the index of digests: to have them in order it would read all records.
SAME_DIGEST = """
SELECT sought.digest, same.id
FROM unnest(%s::bytea[]) AS sought (digest)
CROSS JOIN LATERAL (
    SELECT id FROM (
        SELECT id, dataset_id FROM provenance_record WHERE digest = sought.digest OFFSET 0
    ) AS held
    WHERE dataset_id <> %s ORDER BY id LIMIT %s
) AS same
"""

OWN_DATES = """
SELECT record.digest, min(version.sealed_sequence)
FROM provenance_record AS record
JOIN provenance_dataset AS dataset
  ON dataset.id = record.dataset_id AND dataset.owner_id = %s
JOIN provenance_datasetversion AS version
  ON version.dataset_id = record.dataset_id AND version.number = record.added_number
WHERE record.digest = ANY(%s) AND version.sealed_sequence < %s
GROUP BY record.digest
"""

# What each sealed version added stands in it, so that their sum counts each record once.
OTHERS = """
SELECT coalesce(sum(version.added_count + version.changed_count), 0),
       count(DISTINCT dataset.owner_id)
FROM provenance_datasetversion AS version
JOIN provenance_dataset AS dataset ON dataset.id = version.dataset_id
WHERE version.state = 'sealed' AND version.sealed_sequence < %s AND dataset.owner_id <> %s
  AND dataset.kind = ANY(%s)
"""
# Texts and sources share words; rows and pictures are like their own kind only.
COMPARABLE = {
    Dataset.Kind.TEXT: (Dataset.Kind.TEXT, Dataset.Kind.CODE),
    Dataset.Kind.CODE: (Dataset.Kind.TEXT, Dataset.Kind.CODE),
}


def others(version: DatasetVersion) -> tuple[int, int]:
    """How many records of other owners `version` is compared with, and how many owners they are."""
    kind = Dataset.Kind(version.dataset.kind)
    kinds = [str(one) for one in COMPARABLE.get(kind, (kind,))]
    with connection.cursor() as cursor:
        cursor.execute(OTHERS, [version.sealed_sequence, version.dataset.owner_id, kinds])
        records, owners = cursor.fetchone()
    return int(records), int(owners)


def earlier(version: DatasetVersion, record_ids: Sequence[int]) -> dict[int, Earlier]:
    """Those of `record_ids` that other datasets had registered before `version`, by id."""
    return _rows(EARLIER, record_ids, version.dataset_id, version.sealed_sequence)


def current(record_ids: Sequence[int], *, after: int = 0, upto: int) -> dict[int, Earlier]:
    """Those of `record_ids` that were registered after event `after` and up to `upto`, by id."""
    return _rows(CURRENT, record_ids, after, upto)


def _rows(statement: str, record_ids: Sequence[int], *place: Any) -> dict[int, Earlier]:
    if not record_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(record_ids), *place])
        return {
            pk: Earlier(pk, version_id, owner_id, sequence, bytes(digest), token_count)
            for pk, version_id, owner_id, sequence, digest, token_count in cursor.fetchall()
        }


def same_digest(
    version: DatasetVersion | None, digests: Sequence[bytes]
) -> list[tuple[bytes, int]]:
    """(digest, record id) of other datasets' records with these digests, the oldest of each.

    Without a version, of all datasets.
    """
    own = NO_DATASET if version is None else version.dataset_id
    with connection.cursor() as cursor:
        cursor.execute(SAME_DIGEST, [list(set(digests)), own, MOST_PER_DIGEST])
        return [(bytes(digest), pk) for digest, pk in cursor.fetchall()]


def own_dates(version: DatasetVersion, digests: Sequence[bytes]) -> dict[bytes, int]:
    """Since which place in the ledger the owner of `version` has had records of these digests.

    What an owner registered before is no news when it comes again in another version or dataset:
    it keeps its first date.
    """
    place: list[Any] = [version.dataset.owner_id, list(set(digests)), version.sealed_sequence]
    with connection.cursor() as cursor:
        cursor.execute(OWN_DATES, place)
        return {bytes(digest): sequence for digest, sequence in cursor.fetchall()}
