"""Segments in the database: written once by COPY, read by ranges of keys, deleted whole.

Everything here happens in the caller's transaction: a segment is there with all its blocks or not
at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray

from ingest.index import packing, wire
from ingest.index.packing import KEY_BITS, Keys, Locals

RECORDS_PER_PART = 1_900
"""So many record numbers of a continued key fit in a row without being stored aside."""

COLUMNS = "id, kind, token, bits, base, last, pair_count, clean_round"
NEXT = "SELECT nextval(pg_get_serial_sequence('ingest_segment', 'id'))"
INSERT = f"INSERT INTO ingest_segment ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608
LIST = f"SELECT {COLUMNS} FROM ingest_segment WHERE kind = ANY(%s) ORDER BY base, id"  # noqa: S608
BLOCKS = """
SELECT string_agg(int4send(bucket), ''::bytea), string_agg(int4send(octet_length(body)), ''::bytea),
       string_agg(body, ''::bytea)
FROM (
    SELECT bucket, body FROM ingest_block
    WHERE segment_id = %s AND bucket >= %s AND bucket < %s ORDER BY bucket
) AS ordered
"""
CONTINUED = """
SELECT key, records FROM ingest_continuation
WHERE segment_id = %s AND key >= %s AND key < %s ORDER BY key, part
"""


@dataclass(frozen=True)
class Segment:
    """What is known of a segment without reading it."""

    id: int
    kind: int
    token: UUID
    bits: int
    base: int
    last: int
    pair_count: int
    clean_round: int


class Writer:
    """A new segment, filled with runs of ascending key ranges that each hold whole blocks."""

    def __init__(self, kind: int, *, expected: int, base: int, last: int, clean_round: int) -> None:
        assert last - base < packing.WIDEST_SPAN, "record numbers of a segment fit in 32 bits"
        self.kind, self.base, self.last, self.clean_round = kind, base, last, clean_round
        self.bits = packing.block_bits(expected)
        self.pair_count = 0
        with wire.cursor() as cursor:
            cursor.execute(NEXT)
            (row,) = cursor.fetchall()
            self.id: int = row[0]

    def add(self, keys: Keys, records: Locals) -> None:
        """Store a run: ordered pairs of mixed keys and record numbers from `base`."""
        from ingest.index import kernels

        if not len(keys):
            return
        surplus = kernels.surplus(keys, packing.HELD_PER_KEY)
        if surplus.any():
            self._continue(keys[surplus], records[surplus])
            keys, records = keys[~surplus], records[~surplus]
        width = packing.suffix_width(self.bits)
        rows = kernels.encoded(keys, records, self.id, self.bits, width)
        statement = "COPY ingest_block (segment_id, bucket, body) FROM STDIN (FORMAT BINARY)"
        with wire.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(wire.HEADER)
            for start in range(0, len(rows), 2**20):
                copy.write(rows[start : start + 2**20].data)
            copy.write(wire.TRAILER)
        self.pair_count += len(keys)

    def finish(self) -> None:
        """Make it count, unless there is nothing in it."""
        if self.pair_count:
            row = [self.id, self.kind, uuid4(), self.bits, self.base, self.last]
            with wire.cursor() as cursor:
                cursor.execute(INSERT, [*row, self.pair_count, self.clean_round])

    def _continue(self, keys: Keys, records: Locals) -> None:
        starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
        statement = "COPY ingest_continuation (segment_id, key, part, records) FROM STDIN"
        with wire.cursor() as cursor, cursor.copy(statement) as copy:
            for start, end in zip(starts, [*starts[1:], len(keys)], strict=True):
                for part, at in enumerate(range(start, end, RECORDS_PER_PART)):
                    some = records[at : min(at + RECORDS_PER_PART, end)]
                    body = some.astype("<u4").tobytes()
                    copy.write_row((self.id, int(keys[start]), part, body))


def listed(kinds: Iterable[int]) -> list[Segment]:
    """The segments of these kinds, those of the oldest records first."""
    with wire.cursor() as cursor:
        cursor.execute(LIST, [list(kinds)])
        return [Segment(*row) for row in cursor.fetchall()]


def run(segment: Segment, low: int, high: int) -> tuple[Keys, Locals]:
    """The pairs in blocks of a segment whose mixed keys are in [low, high), whole blocks."""
    from ingest.index import kernels

    shift = KEY_BITS - segment.bits
    with wire.cursor() as cursor:
        cursor.execute(BLOCKS, [segment.id, low >> shift, high >> shift], binary=True)
        row = cursor.fetchone()
    if row is None or row[0] is None:
        return np.empty(0, np.uint64), np.empty(0, np.uint32)
    buckets, lengths = (np.frombuffer(part, ">i4").astype(np.int64) for part in row[:2])
    bodies = np.frombuffer(row[2], np.uint8)
    return kernels.decoded(
        buckets, lengths, bodies, segment.bits, packing.suffix_width(segment.bits)
    )


def continued(segment: Segment, low: int, high: int) -> tuple[Keys, Locals]:
    """The pairs of a segment in [low, high) that its blocks do not hold, ordered."""
    with wire.cursor() as cursor:
        cursor.execute(CONTINUED, [segment.id, low, high], binary=True)
        rows = cursor.fetchall()
    records = [np.frombuffer(body, "<u4") for _, body in rows]
    keys = np.array([key for key, _ in rows], np.uint64)
    return (
        np.repeat(keys, [len(some) for some in records]),
        np.concatenate([np.empty(0, np.uint32), *records]),
    )


def delete(ids: Sequence[int]) -> None:
    """Delete segments and all their rows."""
    with wire.cursor() as cursor:
        for table, column in (
            ("ingest_block", "segment_id"),
            ("ingest_continuation", "segment_id"),
            ("ingest_segment", "id"),
        ):
            cursor.execute(f"DELETE FROM {table} WHERE {column} = ANY(%s)", [list(ids)])  # noqa: S608


def add(kind: int, keys: Keys, record_ids: NDArray[np.int64], *, clean_round: int = 0) -> None:
    """Pack mixed keys [n] of record ids [n] into a segment of their own."""
    base, last = int(record_ids.min()), int(record_ids.max())
    writer = Writer(kind, expected=len(keys), base=base, last=last, clean_round=clean_round)
    writer.add(*packing.ordered(keys, (record_ids - base).astype(np.uint32)))
    writer.finish()
