"""Postings in a btree: (kind, key, record). Inserted by COPY, probed and deleted in sets.

It is the plain index that packed segments must agree with; nothing here knows what a key means.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

MOST_PER_KEY = 256
"""A key that more records share is boilerplate: only the first so many are candidates."""

# PostgreSQL's binary COPY: each row its field count, then each field its length and bytes.
ROW = np.dtype(
    [
        *(("fields", ">i2"), ("kind_length", ">i4"), ("kind", ">i2")),
        *(("key_length", ">i4"), ("key", ">i8"), ("record_length", ">i4"), ("record", ">i8")),
    ]
)
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

PROBE = """
SELECT probe.place, posting.record_id, count(*)
FROM unnest(%s::int[], %s::bigint[]) AS probe (place, key)
CROSS JOIN LATERAL (
    SELECT record_id FROM ingest_posting
    WHERE kind = %s AND ingest_posting.key = probe.key
    ORDER BY record_id LIMIT %s
) AS posting
GROUP BY 1, 2 HAVING count(*) >= %s
ORDER BY 1, 2
"""
# The range is what the block range index understands.
FORGET = "DELETE FROM ingest_posting WHERE record_id BETWEEN %s AND %s AND record_id = ANY(%s)"


def insert(kind: int, keys: NDArray[np.int64], record_ids: NDArray[np.int64]) -> None:
    """Add one posting for each of `keys` [n] and `record_ids` [n]."""
    order = np.argsort(keys, kind="stable")  # the tree is filled page by page
    keys, record_ids = keys[order], record_ids[order]
    rows = np.empty(len(keys), ROW)
    rows["fields"], rows["kind_length"], rows["key_length"], rows["record_length"] = 3, 2, 8, 8
    rows["kind"], rows["key"], rows["record"] = kind, keys, record_ids
    with connection.cursor() as cursor:
        statement = "COPY ingest_posting (kind, key, record_id) FROM STDIN (FORMAT BINARY)"
        with _driver(cursor).copy(statement) as copy:
            copy.write(HEADER)
            copy.write(rows.tobytes())
            copy.write(TRAILER)


def probe(
    kind: int,
    keys: NDArray[np.int64],
    places: NDArray[np.int64],
    *,
    least: int = 1,
    most_per_key: int = MOST_PER_KEY,
) -> NDArray[np.int64]:
    """Which records hold `keys` [n] of the probing `places` [n]: int64 [m, 3].

    Each row is a place, a record that shares at least `least` of the place's keys, and how many.
    """
    if not len(keys):
        return np.empty((0, 3), np.int64)
    with connection.cursor() as cursor:
        cursor.execute(PROBE, [places.tolist(), keys.tolist(), kind, most_per_key, least])
        return np.array(cursor.fetchall(), np.int64).reshape(-1, 3)


def forget(record_ids: Sequence[int]) -> None:
    """Delete every posting of these records."""
    if record_ids:
        with connection.cursor() as cursor:
            cursor.execute(FORGET, [min(record_ids), max(record_ids), list(record_ids)])


def _driver(cursor: Any) -> Any:
    """psycopg's own cursor, which has `copy`, below Django's wrappers."""
    return cursor.cursor
