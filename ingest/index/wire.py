"""How arrays travel to PostgreSQL and back: binary COPY, binary arrays, bytes as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
from django.db import connection
from numpy.typing import NDArray
from psycopg.adapt import Dumper
from psycopg.pq import Format

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
INT8, INT8_ARRAY = 20, 1016
"""Type numbers of bigint and bigint[], the same in every PostgreSQL."""
ELEMENT = np.dtype([("length", ">i4"), ("value", ">i8")])


class Int8ArrayDumper(Dumper):
    """A NumPy array of whole numbers as a bigint[], without a Python object for each."""

    format = Format.BINARY
    oid = INT8_ARRAY

    def dump(self, obj: NDArray[Any]) -> bytes:
        """The array as PostgreSQL takes it: dimensions, type, size, then each with its length."""
        elements = np.empty(len(obj), ELEMENT)
        elements["length"], elements["value"] = 8, obj
        head = [1, 0, INT8, len(obj), 1] if len(obj) else [0, 0, INT8]
        return np.array(head, ">i4").tobytes() + elements.tobytes()


@contextmanager
def cursor() -> Iterator[psycopg.Cursor[Any]]:
    """A cursor in Django's own transaction that sends arrays and gets bytes as they are."""
    connection.ensure_connection()
    assert connection.connection is not None, "Django has just connected"
    with psycopg.Cursor(connection.connection) as made:
        made.adapters.register_dumper(np.ndarray, Int8ArrayDumper)
        yield made


# Each row of postings its field count, then each field its length and bytes.
POSTING = np.dtype(
    [
        *(("fields", ">i2"), ("kind_length", ">i4"), ("kind", ">i2")),
        *(("key_length", ">i4"), ("key", ">i8"), ("record_length", ">i4"), ("record", ">i8")),
    ]
)


def copy_postings(kind: int, keys: NDArray[np.int64], record_ids: NDArray[np.int64]) -> None:
    """Add rows to the delta, in the order of the keys: the tree is filled page by page."""
    order = np.argsort(keys, kind="stable")
    rows = np.empty(len(keys), POSTING)
    rows["fields"], rows["kind_length"], rows["key_length"], rows["record_length"] = 3, 2, 8, 8
    rows["kind"], rows["key"], rows["record"] = kind, keys[order], record_ids[order]
    statement = "COPY ingest_posting (kind, key, record_id) FROM STDIN (FORMAT BINARY)"
    with cursor() as made, made.copy(statement) as copy:
        copy.write(HEADER)
        copy.write(rows.tobytes())
        copy.write(TRAILER)
