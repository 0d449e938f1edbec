"""Packed postings: how they lie, who finds them, and what becomes of those that are forgotten."""

from __future__ import annotations

import errno
import os
import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ingest import erasure
from ingest.index import cache, merging, packing, postings, segments, tombstones
from ingest.models import Posting
from provenance import registry
from tests import factories
from tests.cast import NOON
from tests.ingest.conftest import sealed, sentence
from tests.ingest.oracle import stored

BAND = Posting.Kind.BAND
KEYS = hnp.arrays(np.int64, st.integers(0, 300), elements=st.integers(0, 2**48 - 1))
NOW = timedelta(0)


def strange(count: int, seed: int = 1) -> np.ndarray:
    """Keys that chance does not make twice."""
    return np.random.default_rng(seed).integers(0, 2**48, count, dtype=np.int64)


def insert(keys: np.ndarray, first: int, each: int = 1) -> None:
    """Postings of records numbered from `first`, with `each` keys a record."""
    postings.insert(BAND, keys, np.repeat(np.arange(first, first + len(keys) // each), each))


def found(keys: np.ndarray) -> list[list[int]]:
    return postings.probe(BAND, keys, np.arange(len(keys))).tolist()


def count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ingest_{table}")
        return int(cursor.fetchone()[0])


# How postings lie


@given(KEYS)
def test_mixing_keeps_keys_apart_and_within_48_bits(keys: np.ndarray):
    mixed = packing.mixed(keys)
    assert len(np.unique(mixed)) == len(np.unique(keys))
    assert all(0 <= key < 2**48 for key in mixed.tolist())


def test_mixing_spreads_keys_that_lie_close_together():
    prefixes = packing.mixed(np.arange(2**16)) >> np.uint64(40)
    assert np.bincount(prefixes.astype(np.int64), minlength=256).min() > 150


def test_a_key_of_more_than_48_bits_is_a_fault_of_ours():
    with pytest.raises(AssertionError, match="48 bits"):
        packing.mixed(np.array([2**48]))


@given(KEYS, st.integers(0, 30), st.booleans())
def test_blocks_give_back_what_was_packed(keys: np.ndarray, bits: int, far: bool):
    from ingest.index import kernels

    records = np.arange(len(keys), dtype=np.uint32) * (2**24 if far else 3)
    run = packing.ordered(packing.mixed(keys), records)
    width = packing.suffix_width(bits)
    rows = kernels.encoded(*run, 7, bits, width).tobytes()
    buckets, bodies = [], []
    while rows:
        assert rows[:10] == b"\0\3\0\0\0\4\0\0\0\7"
        length = int.from_bytes(rows[18:22], "big")
        buckets.append(int.from_bytes(rows[14:18], "big"))
        bodies.append(rows[22 : 22 + length])
        rows = rows[22 + length :]
    assert buckets == sorted(set(buckets))
    lengths = np.array([len(body) for body in bodies], np.int64)
    again = kernels.decoded(
        np.array(buckets, np.int64), lengths, np.frombuffer(b"".join(bodies), np.uint8), bits, width
    )
    assert [part.tolist() for part in again] == [part.tolist() for part in run]
    for bucket, body in zip(buckets, bodies, strict=True):
        inside = run[0][run[0] >> np.uint64(48 - bits) == bucket]
        key = int(inside[0])
        assert packing.holders(body, key, bits).tolist() == run[1][run[0] == key].tolist()


@given(st.lists(KEYS, min_size=1, max_size=5))
def test_merging_runs_is_sorting_them(runs: list[np.ndarray]):
    from ingest.index import kernels

    first, parts = 0, []
    for keys in runs:
        records = np.arange(first, first + len(keys), dtype=np.uint32)
        parts.append(packing.ordered(keys.astype(np.uint64) & np.uint64(63), records))
        first += len(keys)
    keys, records = (np.concatenate(part) for part in zip(*parts, strict=True))
    places = np.cumsum([0, *(len(part[0]) for part in parts)])
    merged = kernels.merged(keys.copy(), records.copy(), places)
    assert [part.tolist() for part in merged] == [
        part.tolist() for part in packing.ordered(keys, records)
    ]


@given(st.integers(1, 2**12), st.integers(1, 2**21), st.integers(0, 30))
def test_ranges_cover_all_keys_once_in_whole_blocks(times: int, at_once: int, bits: int):
    parts = packing.ranges(times * at_once, at_once, bits)
    assert len(parts) <= 2 * times
    assert parts[0][0] == 0
    assert all(end == begin for (_, end), (begin, _) in pairwise(parts))
    assert all(low % (1 << 48 - bits) == 0 for low, _ in parts)
    assert parts[-1][1] == 2**48


def test_segments_of_one_size_are_merged_when_there_are_enough_of_them():
    def listed(*sizes: int) -> list[segments.Segment]:
        return [
            segments.Segment(n, BAND, uuid4(), 0, n * 10, n * 10 + 9, size, 0)
            for n, size in enumerate(sizes)
        ]

    large, small = 9 * [10**6], 10 * [10**4]
    assert merging.plan(listed(*large, *small[:9])) == []
    assert [one.pair_count for one in merging.plan(listed(*large, *small))] == small
    assert [one.pair_count for one in merging.plan(listed(*large, 10**6))] == 10 * [10**6]
    far = listed(*small)
    far[9] = segments.Segment(9, BAND, uuid4(), 0, 2**32, 2**32, 10**4, 0)
    assert merging.plan(far) == []


# Who finds them


def test_a_batch_becomes_a_segment_and_a_few_records_wait_in_the_delta(db):
    insert(strange(5_000), 1)
    insert(strange(100, seed=2), 10_000)
    assert (count("segment"), count("posting")) == (1, 100)
    keys = np.r_[strange(5_000)[[0, 4_999]], strange(100, seed=2)[[0, 99]], 5]
    assert found(keys) == [[0, 1, 1], [1, 5_000, 1], [2, 10_000, 1], [3, 10_099, 1]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "PACKED_AT", 100)
        merging.tend()
    assert (count("segment"), count("posting")) == (2, 0)
    assert found(keys) == [[0, 1, 1], [1, 5_000, 1], [2, 10_000, 1], [3, 10_099, 1]]


def test_records_numbered_far_apart_are_found(db):
    keys = strange(6_000)
    postings.insert(BAND, keys, np.where(np.arange(6_000) < 3_000, 1, 2**40) + np.arange(6_000))
    assert count("segment") == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "PACKED_AT", 1)
        merging.tend()
    assert (count("segment"), count("posting")) == (2, 0)
    assert found(keys[[0, 5_999]]) == [[0, 1, 1], [1, 2**40 + 5_999, 1]]


def test_boilerplate_is_bounded_counted_and_never_lost(db):
    insert(np.full(9_000, 77), 1)
    insert(np.full(5_000, 77), 20_001)
    key = np.array([77])
    assert [row[1] for row in found(key)] == list(range(1, 257))
    assert postings.weights(BAND, np.array([77, 78])).tolist() == [14_000, 0]
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(octet_length(body)) FROM ingest_block")
        assert cursor.fetchone()[0] <= 256 * 10
    postings.forget(range(1, 301))
    assert [row[1] for row in found(key)] == list(range(301, 557))
    postings.forget(range(301, 8_990))
    assert [row[1] for row in found(key)] == [*range(8_990, 9_001), *range(20_001, 20_246)]


@pytest.mark.parametrize("together", [True, False])
def test_of_mutual_copies_registered_at_once_one_finds_the_other(transactional_db, together):
    """Each commits, then probes: whatever the order, the later to commit sees the earlier."""
    keys, barrier = strange(5_000 if together else 50), threading.Barrier(2)
    seen: dict[int, list[int]] = {}

    def register(first: int) -> None:
        with transaction.atomic():
            insert(keys, first)
            barrier.wait(10)  # both have inserted, neither has committed
        seen[first] = [row[1] for row in found(keys[:1])]
        connection.close()

    threads = [threading.Thread(target=register, args=[first]) for first in (1, 100_001)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {1} <= set(seen[1])
    assert {100_001} <= set(seen[100_001])
    assert [1, 100_001] in (seen[1], seen[100_001])


@pytest.mark.parametrize("bulk", [True, False])
def test_merges_hide_nothing_from_a_probe_and_show_nothing_twice(transactional_db, bulk):
    keys, rounds, done = strange(2_000), 20, threading.Event()
    seen: list[list[list[int]]] = []

    def probe() -> None:
        while not done.is_set() or not seen:
            seen.append(found(keys[: 2_000 if bulk else 20]))
        connection.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "LEAST_PAIRS", 50)
        patch.setattr(merging, "FAN_OUT", 2)
        patch.setattr(merging, "PACKED_AT", 1)
        insert(keys, 1)
        thread = threading.Thread(target=probe)
        thread.start()
        for turn in range(rounds):
            insert(strange(60 if turn % 2 else 40, seed=turn + 9), 10_000 * (turn + 1))
            postings.forget([10_000 * turn])
            merging.tend(rest=NOW)
        done.set()
        thread.join()
    expected = [[at, at + 1, 1] for at in range(2_000 if bulk else 20)]
    assert len(seen) > 5
    assert all(answer == expected for answer in seen)


@pytest.mark.parametrize("bulk", [True, False])
def test_a_segment_replaced_in_the_midst_of_a_probe_is_read_again(db, monkeypatch, bulk):
    """The tombstone goes with the segment: who had read that one would see the forgotten."""
    keys, moments, hidden = strange(6_000), iter([True]), tombstones.hidden
    insert(keys, 1)
    postings.forget([5])

    def late(*given: Any) -> Any:
        if next(moments, False):
            merging.tend(rest=NOW)
            assert count("tombstone") == 0
        return hidden(*given)

    monkeypatch.setattr(tombstones, "hidden", late)
    rows = found(keys if bulk else keys[:20])
    assert [row[1] for row in rows] == [at for at in range(1, 6_001 if bulk else 21) if at != 5]


def test_two_workers_do_not_merge_the_same_segments(transactional_db):
    for turn in range(10):
        insert(strange(5_000, seed=turn), 10_000 * turn + 1)
    other: list[bool] = []
    with transaction.atomic():
        assert merging.merge(BAND)
        thread = threading.Thread(target=lambda: (other.append(merging.merge(BAND)),
                                                  connection.close()))  # fmt: skip
        thread.start()
        thread.join()
    assert other == [False]
    assert count("segment") == 1
    assert len(set(stored(BAND))) == len(stored(BAND)) == 50_000


def test_a_merge_holds_a_part_of_the_keys_at_a_time(db, monkeypatch):
    for turn in range(10):
        insert(strange(20_000, seed=turn), 100_000 * turn + 1)
    largest, add = [0], segments.Writer.add

    def watched(self: segments.Writer, keys: Any, records: Any) -> None:
        largest[0] = max(largest[0], len(keys))
        add(self, keys, records)

    monkeypatch.setattr(segments.Writer, "add", watched)
    monkeypatch.setattr(merging, "PAIRS_AT_ONCE", 10_000)
    assert merging.merge(BAND)
    assert 0 < largest[0] < 15_000
    assert len(set(stored(BAND))) == 200_000


# What becomes of the forgotten


def test_the_forgotten_are_hidden_at_once_and_leave_within_days(db, settings):
    keys = strange(6_000)
    insert(keys, 1)
    assert len(found(keys)) == 6_000
    copies = list(cache.folder().iterdir())
    postings.forget([5, 6])
    assert found(keys[3:7]) == [[0, 4, 1], [3, 7, 1]]
    merging.tend()
    assert {5, 6} <= {record for _, record in stored(BAND)}, "tombstones gather for a day"
    merging.tend(rest=NOW)
    assert not {5, 6} & {record for _, record in stored(BAND)}
    assert (len(stored(BAND)), count("tombstone"), count("segment")) == (5_998, 0, 1)
    assert copies
    assert not any(path.exists() for path in copies), "a copy goes with its segment"
    assert found(keys[3:7]) == [[0, 4, 1], [3, 7, 1]]


def test_a_round_that_was_cut_short_is_finished_by_the_next(db):
    for turn in range(3):
        insert(strange(5_000, seed=turn), 10_000 * turn + 1)
    postings.forget([7, 10_007, 20_007])
    turns = iter(range(4))
    merging.tend(rest=NOW, go_on=lambda: next(turns, None) is not None)
    assert count("tombstone") > 0
    assert found(np.array([strange(5_000, seed=turn)[6] for turn in range(3)])) == []
    merging.tend(rest=timedelta(days=1))
    assert count("tombstone") == 0
    assert len(stored(BAND)) == 14_997


def test_a_segment_of_nothing_but_forgotten_records_goes(db):
    insert(strange(5_000), 1)
    postings.forget(range(1, 5_001))
    merging.tend(rest=NOW)
    assert [count(table) for table in ("segment", "block", "tombstone")] == [0, 0, 0]


def test_erasure_reaches_delta_segments_and_copies(ada, monkeypatch):
    monkeypatch.setattr(merging, "LEAST_PAIRS", 30)
    essays = factories.dataset(ada)
    version = sealed(essays, [{"id": f"r{n}", "text": sentence(n)} for n in range(8)])
    ids = set(registry.records_of(version).values_list("pk", flat=True))
    kinds = [kind for kind in Posting.Kind if stored(kind)]
    assert {kind for kind in kinds if segments.listed([kind])}
    registry.erase_version(version=version, at=NOON)
    erasure.sweep_records()
    merging.tend(rest=NOW)
    assert BAND in kinds
    assert not ids & {record for kind in kinds for _, record in stored(kind)}


# Copies


@pytest.fixture
def copied(db, settings, tmp_path: Path) -> Callable[[], list[Path]]:
    """A segment that a bulk probe has copied; the files that lie there."""
    settings.DATA_FOLDER = tmp_path
    insert(strange(6_000), 1)
    assert len(found(strange(6_000))) == 6_000
    return lambda: list(cache.folder().iterdir())


def test_a_damaged_copy_is_made_anew(copied, monkeypatch):
    (path,) = copied()
    sound = path.read_bytes()
    for damage in (sound[:-4] + b"\1\2\3\4", sound[:-1], b"", b"x" * len(sound)):
        path.write_bytes(damage)
        monkeypatch.setattr(postings, "_caches", defaultdict(cache.Cache))
        assert len(found(strange(6_000))) == 6_000
        assert path.read_bytes() == sound


def test_a_copy_outlives_the_process_that_made_it(copied, monkeypatch):
    monkeypatch.setattr(postings, "_caches", defaultdict(cache.Cache))
    monkeypatch.setattr(cache, "_made", None)
    assert len(found(strange(6_000))) == 6_000


def test_where_there_is_no_room_the_database_answers(copied, settings, monkeypatch):
    merging.cache.evict([])
    assert copied() == []
    settings.INDEX_CACHE_BYTES = 1_000
    monkeypatch.setattr(postings, "_caches", defaultdict(cache.Cache))
    assert len(found(strange(6_000))) == 6_000
    assert copied() == []


def test_where_the_disk_is_full_the_database_answers(copied, monkeypatch):
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    merging.cache.evict([])
    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(postings, "_caches", defaultdict(cache.Cache))
    assert len(found(strange(6_000))) == 6_000
    assert copied() == []


def test_a_copy_that_was_never_finished_is_evicted_in_time(copied):
    half = cache.folder() / ".half"
    half.write_bytes(b"abc")
    merging.tend()
    assert half.exists()
    os.utime(half, (1, 1))
    merging.tend()
    assert not half.exists()
    assert len(copied()) == 1


def test_a_segment_is_copied_when_it_was_asked_for_often_enough(copied, monkeypatch):
    merging.cache.evict([])
    monkeypatch.setattr(postings, "_caches", defaultdict(cache.Cache))
    monkeypatch.setattr(cache, "PAIRS_PER_LOOKUP", 2)
    for files in (0, 0, 1):
        assert len(found(strange(1_001, seed=5))) == 0
        assert len(copied()) == files


def test_questions_of_another_kind_forget_no_copy_and_no_payment(copied, monkeypatch):
    merging.cache.evict([])
    monkeypatch.setattr(postings, "_caches", defaultdict(cache.Cache))
    monkeypatch.setattr(cache, "PAIRS_PER_LOOKUP", 2)
    places = np.arange(1_001)
    for files in (0, 0, 1):
        postings.probe(Posting.Kind.SAMPLE, strange(1_001, seed=6), places)
        assert len(found(strange(1_001, seed=5))) == 0
        assert len(copied()) == files
    monkeypatch.setattr(cache, "_opened", None)  # it stays mapped: no file is opened again
    postings.probe(Posting.Kind.SAMPLE, strange(1_001, seed=6), places)
    assert len(found(strange(1_001, seed=5))) == 0
