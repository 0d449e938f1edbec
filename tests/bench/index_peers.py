"""What the index is measured against: a plain btree table, and datasketch on Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg

Keys = np.ndarray
BATCH = Callable[[int], tuple[Keys, Keys]]
"""The signatures and keys of a batch of records, by its number."""

REDIS = {"host": "127.0.0.1", "port": 6379}
PROBE = """
SELECT probe.place, posting.record, count(*)
FROM unnest(%s::int[], %s::bigint[]) AS probe (place, key)
CROSS JOIN LATERAL (
    SELECT record FROM bench_btree WHERE bench_btree.key = probe.key ORDER BY record LIMIT 256
) AS posting GROUP BY 1, 2 ORDER BY 1, 2
"""
ROW = np.dtype([("fields", ">i2"), ("a", ">i4"), ("key", ">i8"), ("b", ">i4"), ("record", ">i8")])


class Btree:
    """The table one would begin with: (key, record), filled by binary COPY in key order."""

    def __init__(self, dsn: str) -> None:
        self.connection = psycopg.connect(dsn, autocommit=True)
        self.connection.execute(
            "CREATE TABLE bench_btree (key bigint, record bigint, PRIMARY KEY (key, record))"
        )

    def fill(self, batches: Iterator[Keys], seconds: float) -> tuple[int, float]:
        """Insert batches as long as `seconds` last; how many records, and seconds per record."""
        spent, count = 0.0, 0
        for keys in batches:
            ids = np.arange(count + 1, count + len(keys) + 1)
            began = time.perf_counter()
            self.insert(keys.ravel(), np.repeat(ids, keys.shape[1]))
            spent += time.perf_counter() - began
            count += len(keys)
            if spent > seconds:
                break
        return count, spent / count

    def insert(self, keys: Keys, records: Keys) -> None:
        order = np.argsort(keys, kind="stable")
        rows = np.empty(len(keys), ROW)
        rows["fields"], rows["a"], rows["b"] = 2, 8, 8
        rows["key"], rows["record"] = keys[order], records[order]
        statement = "COPY bench_btree FROM STDIN (FORMAT BINARY)"
        with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            copy.write(rows.tobytes())
            copy.write(b"\xff\xff")

    def probe(self, keys: Keys) -> Keys:
        places = np.repeat(np.arange(len(keys)), keys.shape[1])
        rows = self.connection.execute(PROBE, [places.tolist(), keys.ravel().tolist()]).fetchall()
        return np.array(rows, np.int64).reshape(-1, 3)

    def bytes(self) -> int:
        row = self.connection.execute("SELECT pg_total_relation_size('bench_btree')").fetchone()
        return int(row[0]) if row else 0

    def drop(self) -> None:
        self.connection.execute("DROP TABLE bench_btree")
        self.connection.close()


class Datasketch:
    """datasketch's MinHashLSH with the same bands, on the Redis of this machine."""

    def __init__(self) -> None:
        import redis
        from datasketch import MinHashLSH

        self.redis = redis.Redis(**REDIS)
        self.redis.ping()
        self.name = f"tallymark-bench-{uuid4().hex}".encode()
        storage = {"type": "redis", "basename": self.name, "redis": REDIS}
        self.index = MinHashLSH(params=(20, 6), num_perm=128, storage_config=storage)

    @classmethod
    def if_there(cls) -> Datasketch | None:
        """None where no Redis answers."""
        import redis

        try:
            return cls()
        except redis.ConnectionError:
            return None

    @staticmethod
    def objects(signatures: Keys) -> list[Any]:
        """The signatures as datasketch has them; making them is not measured."""
        from datasketch import MinHash

        from ingest.fingerprint import scheme

        return [
            MinHash(num_perm=128, seed=scheme.SEED, hashvalues=row, scheme=scheme.SCHEME)
            for row in signatures
        ]

    def fill(self, made: list[Any]) -> float:
        """Seconds a record, by its own insertion session."""
        began = time.perf_counter()
        with self.index.insertion_session() as session:
            for number, one in enumerate(made):
                session.insert(number, one)
        return (time.perf_counter() - began) / len(made)

    def probe(self, made: list[Any]) -> float:
        """Seconds a record, one query after another, which is what it has."""
        began = time.perf_counter()
        for one in made:
            self.index.query(one)
        return (time.perf_counter() - began) / len(made)

    def drop(self) -> None:
        for key in self.redis.scan_iter(match=self.name + b"*", count=10_000):
            self.redis.delete(key)
