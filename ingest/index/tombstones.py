"""Records that are forgotten: hidden from every probe at once, out of the segments within days.

A round takes the tombstones that are there; then each segment that may hold one of them is
rewritten without them, a transaction each; then the round's tombstones go. Whatever is killed in
between, the next run goes on where it stopped: the rows say what is left to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from ingest.index import wire

REST = timedelta(days=1)
"""How long tombstones gather before segments are rewritten for them; 7 days are promised."""

ADD = """
INSERT INTO ingest_tombstone (record_id) SELECT DISTINCT unnest(%s) ON CONFLICT DO NOTHING
"""
# An old round's segments may hold a record that is forgotten again only by mistake; either way
# its tombstone stands.
HIDDEN = """
SELECT record_id FROM ingest_tombstone WHERE record_id = ANY(%s)
UNION ALL
SELECT -1 WHERE (SELECT count(*) FROM ingest_segment WHERE id = ANY(%s)) < %s
"""
WITHIN = """
SELECT string_agg(int8send(record_id), ''::bytea), coalesce(max(round), 0)
FROM ingest_tombstone WHERE record_id BETWEEN %s AND %s
"""
BEGIN = """
WITH newest AS (
    SELECT greatest(coalesce(max(round), 0), (SELECT max(clean_round) FROM ingest_segment)) AS round
    FROM ingest_tombstone
)
UPDATE ingest_tombstone AS tombstone SET round = newest.round + 1 FROM newest
WHERE tombstone.round IS NULL
  AND (SELECT min(forgotten_at) FROM ingest_tombstone WHERE round IS NULL) <= clock_timestamp() - %s
"""
END = """
DELETE FROM ingest_tombstone AS tombstone WHERE round IS NOT NULL AND NOT EXISTS (
    SELECT FROM ingest_segment AS segment WHERE segment.clean_round < tombstone.round
      AND tombstone.record_id BETWEEN segment.base AND segment.last
)
"""
DUE = """
SELECT id FROM ingest_segment AS segment WHERE kind = %s AND EXISTS (
    SELECT FROM ingest_tombstone AS tombstone WHERE tombstone.round > segment.clean_round
      AND tombstone.record_id BETWEEN segment.base AND segment.last
) ORDER BY id LIMIT 1
"""


@dataclass(frozen=True)
class Dead:
    """Forgotten records and the latest round among all that is forgotten, in one snapshot."""

    record_ids: NDArray[np.int64]
    round: int


def add(record_ids: Sequence[int]) -> None:
    """Hide these records from every probe that begins when the transaction has committed."""
    with wire.cursor() as cursor:
        cursor.execute(ADD, [np.array(record_ids, np.int64)])


def hidden(
    record_ids: NDArray[np.int64], segment_ids: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Which of the records are forgotten; None where one of the segments is there no more.

    As long as a segment is there, so are the tombstones of what it holds.
    """
    with wire.cursor() as cursor:
        cursor.execute(HIDDEN, [record_ids, segment_ids, len(segment_ids)])
        found = np.array(cursor.fetchall(), np.int64).ravel()
    return None if (found < 0).any() else found


def within(first: int, last: int) -> Dead:
    """The forgotten records from `first` to `last`."""
    with wire.cursor() as cursor:
        cursor.execute(WITHIN, [first, last], binary=True)
        row = cursor.fetchone()
        assert row is not None, "an aggregate has a row"
        return Dead(np.frombuffer(row[0] or b"", ">i8").astype(np.int64), row[1])


def begin_round(rest: timedelta = REST) -> None:
    """Give the tombstones without a round the next one, once the oldest has rested so long."""
    with wire.cursor() as cursor:
        cursor.execute(BEGIN, [rest])


def due(kind: int) -> int | None:
    """A segment of this kind that must be rewritten for a round, if there is one."""
    with wire.cursor() as cursor:
        cursor.execute(DUE, [kind])
        row = cursor.fetchone()
        return None if row is None else int(row[0])


def end_rounds() -> None:
    """Delete the tombstones that no segment needs any more."""
    with wire.cursor() as cursor:
        cursor.execute(END)
