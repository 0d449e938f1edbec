"""Whose a version's records are, in counts: what the money follows.

Every record belongs to exactly one share. A record in question in several conflicts is held by
the oldest; one that several resolutions move follows the latest of them.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from provenance.models import Conflict, DatasetVersion, Resolution


@dataclass(frozen=True)
class Share:
    """Records of a version that have the same claimants.

    `holders` are (party id, weight). With a `conflict_id` the share is held: its holders are the
    two owners in question, and nothing of it is anybody's yet. A `resolution_id` names what moved
    it away from its registrant.
    """

    holders: tuple[tuple[uuid.UUID, int], ...]
    conflict_id: uuid.UUID | None
    resolution_id: uuid.UUID | None
    record_count: int
    token_count: int


@dataclass(frozen=True)
class Standing:
    """One record of a version that is not simply its registrant's; see `Share`.

    `from_the_start` says of the resolution whether past revenue follows it.
    """

    record_id: int
    token_count: int
    # (dataset id, weight): whose they are follows from who owned these when.
    sides: tuple[tuple[uuid.UUID, int], ...]
    conflict_id: uuid.UUID
    resolution_id: uuid.UUID | None
    is_held: bool
    from_the_start: bool


# One row per contested record of the version: held by the oldest conflict that holds it, else
# moved by the latest resolution that moves it. A resolution in favour of a claimant who has still
# to open its sample holds the record instead.
_STANDING = """
WITH touched AS (
  SELECT x.record_id, r.token_count, c.id AS conflict_id, c.opened_at, s.id AS resolution_id,
         s.decided_at,
         CASE WHEN x.resolution_id IS NULL THEN x.held_since IS NOT NULL AND x.released_at IS NULL
              ELSE EXISTS (SELECT 1 FROM provenance_opening o
                             JOIN provenance_record d ON d.id = o.record_id
                            WHERE o.conflict_id = c.id AND o.opened_at IS NULL
                              AND d.dataset_id <> %(dataset)s)
         END AS is_held
    FROM provenance_contestedrecord x
    JOIN provenance_record r ON r.id = x.record_id
    JOIN provenance_conflict c ON c.id = x.conflict_id
    LEFT JOIN provenance_resolution s ON s.id = x.resolution_id
   WHERE r.dataset_id = %(dataset)s AND r.added_number <= %(number)s
     AND (r.withdrawn_number IS NULL OR r.withdrawn_number > %(number)s)
     AND (x.resolution_id IS NULL AND x.held_since IS NOT NULL AND x.released_at IS NULL
          OR (s.from_the_start OR s.decided_at <= %(at)s::timestamptz)
             AND (s.outcome = 'shared'
                  OR s.outcome = CASE WHEN c.later_id = %(dataset)s
                                      THEN 'to_earlier' ELSE 'to_later' END))
), standing AS (
  SELECT DISTINCT ON (record_id) record_id, token_count, conflict_id, resolution_id, is_held
    FROM touched
   ORDER BY record_id, is_held DESC,
            CASE WHEN is_held THEN opened_at END,
            CASE WHEN NOT is_held THEN decided_at END DESC,
            conflict_id, resolution_id
)
"""
_BY_CLAIMANTS = (
    _STANDING
    + """
SELECT conflict_id, CASE WHEN NOT is_held THEN resolution_id END, is_held,
       count(*), sum(token_count)::bigint
  FROM standing GROUP BY 1, 2, 3 ORDER BY 1, 2
"""
)
_BY_RECORD = (
    _STANDING
    + """
SELECT conflict_id, CASE WHEN NOT is_held THEN resolution_id END, is_held, record_id, token_count
  FROM standing ORDER BY record_id
"""
)


def claimant_shares(version: DatasetVersion, at: datetime | None = None) -> list[Share]:
    """The shares of a version, from what is known now; they add up to its records and tokens.

    `at` is the moment of the use whose money is shared (now, if left out): a resolution that does
    not hold from the start moves only what was used since it was made.
    """
    named: dict[str, Any] = {
        "dataset": version.dataset_id,
        "number": version.number,
        "at": at.isoformat() if at else "infinity",
    }
    with connection.cursor() as cursor:
        cursor.execute(_BY_CLAIMANTS, named)
        rows = cursor.fetchall()
    sides = Conflict.objects.select_related("later", "earlier").in_bulk([row[0] for row in rows])
    found = Resolution.objects.in_bulk([row[1] for row in rows if row[1]])
    shares = [
        Share(
            holders=_holders(sides[conflict_id], found.get(resolution_id)),
            conflict_id=conflict_id if is_held else None,
            resolution_id=resolution_id,
            record_count=records,
            token_count=tokens,
        )
        for conflict_id, resolution_id, is_held, records, tokens in rows
    ]
    own = Share(
        holders=((version.dataset.owner_id, 1),),
        conflict_id=None,
        resolution_id=None,
        record_count=version.record_count - sum(share.record_count for share in shares),
        token_count=version.token_count - sum(share.token_count for share in shares),
    )
    return [own, *shares] if own.record_count or not shares else shares


def standings(version: DatasetVersion) -> list[Standing]:
    """The records behind the shares that are not the registrant's own, from what is known now."""
    named: dict[str, Any] = {
        "dataset": version.dataset_id,
        "number": version.number,
        "at": "infinity",
    }
    with connection.cursor() as cursor:
        cursor.execute(_BY_RECORD, named)
        rows = cursor.fetchall()
    sides = Conflict.objects.select_related("later", "earlier").in_bulk({row[0] for row in rows})
    found = Resolution.objects.in_bulk({row[1] for row in rows if row[1]})
    return [
        Standing(
            record_id=record_id,
            token_count=tokens,
            sides=_sides(sides[conflict_id], found.get(resolution_id)),
            conflict_id=conflict_id,
            resolution_id=resolution_id,
            is_held=is_held,
            from_the_start=bool(resolution_id) and found[resolution_id].from_the_start,
        )
        for conflict_id, resolution_id, is_held, record_id, tokens in rows
    ]


def _holders(
    conflict: Conflict, resolution: Resolution | None
) -> tuple[tuple[uuid.UUID, int], ...]:
    """Who holds records that a resolution moves; both owners where there is none yet."""
    owners = {one.pk: one.owner_id for one in (conflict.earlier, conflict.later)}
    return tuple((owners[side], weight) for side, weight in _sides(conflict, resolution))


def _sides(conflict: Conflict, resolution: Resolution | None) -> tuple[tuple[uuid.UUID, int], ...]:
    """The datasets that such records belong to, with their weights."""
    earlier, later = conflict.earlier_id, conflict.later_id
    if resolution is None:
        return ((earlier, 1), (later, 1))
    if resolution.outcome == Resolution.Outcome.TO_EARLIER:
        return ((earlier, 1),)
    if resolution.outcome == Resolution.Outcome.TO_LATER:
        return ((later, 1),)
    parts = resolution.earlier_basis_points
    return ((earlier, parts), (later, 10_000 - parts))
