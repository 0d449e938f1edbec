"""Whatever happens to the index in whatever order, it answers as a plain table would."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from unittest.mock import patch

import numpy as np
import pytest
from django.db import connection
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from ingest.index import cache, merging, packing, postings
from ingest.models import Posting
from tests.ingest.oracle import Oracle, stored

TABLES = ("posting", "segment", "block", "continuation", "tombstone")
SMALL = {
    packing: {"PAIRS_PER_BLOCK": 4, "HELD_PER_KEY": 4},
    merging: {"LEAST_PAIRS": 6, "PACKED_AT": 5, "FAN_OUT": 3, "PAIRS_AT_ONCE": 8},
    cache: {"PAIRS_PER_LOOKUP": 4},
}
KINDS = st.sampled_from([Posting.Kind.BAND, Posting.Kind.SAMPLE])
# Few keys, so that many records share one; some at the ends of what a key may be.
KEYS = st.one_of(st.integers(0, 3), st.sampled_from([2**48 - 1, 2**47, 2**32, 2**20]))
NOW = timedelta(0)


def arrays(pairs: list[tuple[int, int]]) -> list[np.ndarray]:
    return [np.array(column, np.int64) for column in zip(*pairs, strict=True)]


class Index(RuleBasedStateMachine):
    """The index beside its oracle."""

    @initialize()
    def begin(self) -> None:
        self.oracle, self.numbers, self.known = Oracle(), count(2**40, 3), [1]
        with connection.cursor() as cursor:
            for table in TABLES:
                cursor.execute(f"DELETE FROM ingest_{table}")

    @rule(kind=KINDS, sets=st.lists(st.sets(KEYS, min_size=1, max_size=6), min_size=1, max_size=9))
    def insert(self, kind: int, sets: list[set[int]]) -> None:
        records = [next(self.numbers) for _ in sets]
        pairs = [(key, record) for record, keys in zip(records, sets, strict=True) for key in keys]
        postings.insert(kind, *arrays(pairs))
        self.oracle.insert(kind, pairs)
        self.known += records

    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        records = data.draw(st.lists(st.sampled_from(self.known), max_size=4))
        postings.forget(records)
        self.oracle.forget(records)

    @rule(kind=KINDS)
    def pack(self, kind: int) -> None:
        merging.pack(kind)

    @rule(kind=KINDS)
    def merge(self, kind: int) -> None:
        merging.merge(kind)

    @rule()
    def tend(self) -> None:
        merging.tend(rest=NOW)

    @rule(times=st.integers(0, 5))
    def tend_a_little(self, times: int) -> None:
        left = iter(range(times))
        merging.tend(rest=NOW, go_on=lambda: next(left, None) is not None)

    @rule(
        kind=KINDS,
        asked=st.lists(st.tuples(KEYS, st.integers(0, 2)), max_size=12, unique=True),
        least=st.integers(1, 3),
        most=st.integers(1, 4),
        bulk=st.booleans(),
    )
    def probe(
        self, kind: int, asked: list[tuple[int, int]], least: int, most: int, bulk: bool
    ) -> None:
        keys, places = arrays(asked) if asked else [np.empty(0, np.int64)] * 2
        with patch.object(cache, "BULK_KEYS", 1 if bulk else 100):
            found = postings.probe(kind, keys, places, least=least, most_per_key=most)
            weights = postings.weights(kind, keys).tolist()
        assert found.tolist() == self.oracle.probe(
            kind, keys.tolist(), places.tolist(), least, most
        )
        for key, weight in zip(keys.tolist(), weights, strict=True):
            held = self.oracle.weight(kind, key)
            assert weight == held or weight > held >= packing.HELD_PER_KEY - 4

    @rule()
    def all_of_it_is_there_once(self) -> None:
        for kind in (Posting.Kind.BAND, Posting.Kind.SAMPLE):
            found = stored(kind)
            assert len(set(found)) == len(found)
            assert set(self.oracle.pairs(kind)) <= set(found)


@pytest.fixture
def small() -> Iterator[None]:
    """Sizes at which a handful of postings goes through everything."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for module, sizes in SMALL.items():
            for name, value in sizes.items():
                monkeypatch.setattr(module, name, value)
        yield


def test_the_index_answers_as_a_plain_table(db, small):
    run_state_machine_as_test(
        Index, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )
