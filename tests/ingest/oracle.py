"""What the index must answer: the plain table of postings that it stands for, in memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from django.db import connection

from ingest.index import packing, segments


class Oracle:
    """Postings by kind and key; a probe of it needs no cleverness."""

    def __init__(self) -> None:
        self.holders: dict[tuple[int, int], set[int]] = defaultdict(set)

    def insert(self, kind: int, pairs: Iterable[tuple[int, int]]) -> None:
        for key, record in pairs:
            self.holders[kind, key].add(record)

    def forget(self, records: Iterable[int]) -> None:
        gone = set(records)
        for holders in self.holders.values():
            holders -= gone

    def probe(
        self, kind: int, keys: Sequence[int], places: Sequence[int], least: int, most: int
    ) -> list[list[int]]:
        shared = Counter(
            (place, record)
            for key, place in zip(keys, places, strict=True)
            for record in sorted(self.holders[kind, key])[:most]
        )
        return [[*pair, count] for pair, count in sorted(shared.items()) if count >= least]

    def weight(self, kind: int, key: int) -> int:
        return len(self.holders[kind, key])

    def pairs(self, kind: int) -> list[tuple[int, int]]:
        """All of them with mixed keys, sorted."""
        found = [(key, record) for (of, key), records in self.holders.items() if of == kind
                 for record in records]  # fmt: skip
        keys = packing.mixed(np.array([key for key, _ in found], np.int64)).tolist()
        return sorted(zip(keys, (record for _, record in found), strict=True))


def stored(kind: int) -> list[tuple[int, int]]:
    """Every posting that the database holds, with mixed keys, sorted: the forgotten too."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT key, record_id FROM ingest_posting WHERE kind = %s", [kind])
        rows = cursor.fetchall()
    keys = packing.mixed(np.array([key for key, _ in rows], np.int64)).tolist()
    found = list(zip(keys, (record for _, record in rows), strict=True))
    for segment in segments.listed([kind]):
        for read in (segments.run, segments.continued):
            run, records = read(segment, 0, 2**packing.KEY_BITS)
            found += zip(run.tolist(), (records.astype(np.int64) + segment.base).tolist(),
                         strict=True)  # fmt: skip
    return sorted(found)
