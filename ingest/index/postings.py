"""Who holds a key: the front door to packed segments, delta and tombstones.

What is inserted is found by every probe that begins after its commit, and what is forgotten by
none. A probe is as good as one snapshot: one statement reads the list of segments, the blocks
that no copy here stands for, and the delta; a second one reads the tombstones and proves that
none of the segments that answered had been replaced meanwhile. Where one was, all is read again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from ingest.index import cache, merging, packing, segments, tombstones, wire
from ingest.index.cache import Cache, Copy
from ingest.index.packing import Keys

Ids = NDArray[np.int64]

MOST_PER_KEY = 256
"""A key that more records share is boilerplate: only the first so many are candidates."""
MOST_WAITING = 50_000
"""Postings in the delta that a bulk probe reads whole rather than key by key."""
ATTEMPTS = 100
"""Merges that end within one probe are rare; so many in a row are a fault of ours."""

PROBE = """
SELECT place, segment, bits, base, body
FROM ingest_probe(%(kind)s::smallint, %(keys)s, %(mixed)s, %(copied)s, %(most)s::integer)
"""
# Both aggregates read the rows of one subquery in one order.
WHOLE = """
SELECT id, NULL::bytea, NULL::bytea FROM ingest_segment WHERE kind = %(kind)s
UNION ALL
SELECT 0, string_agg(int8send(key), ''::bytea), string_agg(int8send(record_id), ''::bytea)
FROM (
    SELECT key, record_id FROM ingest_posting WHERE kind = %(kind)s LIMIT %(limit)s
) AS waiting
"""
CONTINUED = """
SELECT segment.id, segment.base, continuation.key, continuation.records
FROM ingest_segment AS segment JOIN ingest_continuation AS continuation
  ON continuation.segment_id = segment.id AND continuation.key = ANY(%s)
WHERE segment.kind = %s
"""
WEIGHTS = """
SELECT continuation.key, sum(octet_length(records) / 4)::bigint
FROM ingest_segment AS segment JOIN ingest_continuation AS continuation
  ON continuation.segment_id = segment.id AND continuation.key = ANY(%s)
WHERE segment.kind = %s GROUP BY 1
"""
FORGET = "DELETE FROM ingest_posting WHERE record_id BETWEEN %s AND %s AND record_id = ANY(%s)"

# Of each kind its own: a cache drops what is not among the segments it is asked about.
_caches: defaultdict[int, Cache] = defaultdict(Cache)


@dataclass(frozen=True)
class Hits:
    """Probing places [n], the records that hold the key there, and the segments that said so.

    The segment is 0 where the delta did.
    """

    places: Ids
    records: Ids
    segments: Ids

    @classmethod
    def all(cls, parts: Sequence[Hits]) -> Hits:
        """The hits of several parts, of at least one."""
        return cls(
            np.concatenate([part.places for part in parts]),
            np.concatenate([part.records for part in parts]),
            np.concatenate([part.segments for part in parts]),
        )

    def only(self, chosen: NDArray[np.bool_] | Ids) -> Hits:
        """Some of the hits, or all in another order."""
        return Hits(self.places[chosen], self.records[chosen], self.segments[chosen])


def insert(kind: int, keys: Ids, record_ids: Ids) -> None:
    """Add one posting for each of `keys` [n] and `record_ids` [n], no pair twice.

    Keys have at most 48 bits. A record comes once: after `forget` it must not come again.
    """
    span = int(record_ids.max()) - int(record_ids.min()) if len(record_ids) else 0
    if len(keys) >= merging.LEAST_PAIRS and span < packing.WIDEST_SPAN:
        with transaction.atomic():
            segments.add(kind, packing.mixed(keys), record_ids)
    elif len(keys):
        wire.copy_postings(kind, keys, record_ids)


def probe(
    kind: int, keys: Ids, places: Ids, *, least: int = 1, most_per_key: int = MOST_PER_KEY
) -> Ids:
    """Which records hold `keys` [n] of the probing `places` [n]: int64 [m, 3].

    Each row is a place, a record that shares at least `least` of the place's keys, and how many,
    in this order. Of the records that hold a key, the first `most_per_key` by number count.
    """
    assert 0 < most_per_key <= packing.HELD_PER_KEY, (
        f"a block holds {packing.HELD_PER_KEY} records of a key"
    )
    if not len(keys):
        return np.empty((0, 3), np.int64)
    hits = _living(kind, keys, most_per_key)
    if not len(hits.places):
        return np.empty((0, 3), np.int64)
    pairs = np.stack([places[hits.places], hits.records], axis=1)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    first = np.flatnonzero(_is_new(pairs))
    shared = np.diff(first, append=len(pairs))
    found = np.column_stack([pairs[first], shared])
    return found[shared >= least]


def weights(kind: int, keys: Ids) -> Ids:
    """How many records hold each of `keys` [n]: what very many share says little.

    Exact where few do; beyond `MOST_PER_KEY` what was forgotten lately may still be counted.
    """
    hits = _living(kind, keys, packing.HELD_PER_KEY, per_segment=True)
    found = np.bincount(hits.places, minlength=len(keys))
    mixed = packing.mixed(keys)
    with wire.cursor() as cursor:
        cursor.execute(WEIGHTS, [mixed, kind])
        more = dict(cursor.fetchall())
    return found + np.array([more.get(key, 0) for key in mixed.tolist()], np.int64)


def forget(record_ids: Sequence[int]) -> None:
    """Hide every posting of these records at once; merges delete them for good within days."""
    if record_ids:
        with transaction.atomic(), wire.cursor() as cursor:
            tombstones.add(record_ids)
            ids = np.array(record_ids, np.int64)
            cursor.execute(FORGET, [int(ids.min()), int(ids.max()), ids])


def _living(kind: int, keys: Ids, most: int, *, per_segment: bool = False) -> Hits:
    """The first `most` living records that hold each key; of each segment, if `per_segment`."""
    mixed = packing.mixed(keys)
    for _ in range(ATTEMPTS):
        hits = _gathered(kind, keys, mixed, most)
        if not len(hits.places):  # as most that is asked one record at a time
            return hits
        alive = _alive(hits)
        if alive is not None and not per_segment:
            more = _continued(kind, mixed, hits, alive)
            alive = _alive(Hits.all([alive, more])) if len(more.places) else alive
        if alive is not None:
            return alive if per_segment else _first(alive, most)
    raise RuntimeError("segments were replaced under every attempt to read them")


def _gathered(kind: int, keys: Ids, mixed: Keys, most: int) -> Hits:
    """What blocks, copies and delta hold in one snapshot, the forgotten included."""
    copies: dict[int, Copy] = {}
    if len(keys) >= cache.BULK_KEYS:
        copies = _caches[kind].of(segments.listed([kind]), len(keys))
        if (whole := _whole(kind, copies, keys)) is not None:
            there, waiting = whole
            return Hits.all([_copied(copies, there, mixed), waiting])
    copied = np.array([*copies], np.int64)
    asked = {"keys": keys, "mixed": mixed, "kind": kind, "most": most, "copied": copied}
    with wire.cursor() as cursor:
        cursor.execute(PROBE, asked, binary=True)
        rows = cursor.fetchall()
    there = {id_ for place, id_, *_ in rows if place < 0}
    found = [_in_row(row, mixed) for row in rows if row[0] >= 0]
    return Hits.all([_copied(copies, there, mixed), *found])


def _whole(kind: int, copies: Mapping[int, Copy], keys: Ids) -> tuple[Collection[int], Hits] | None:
    """The segments of a kind and what waits in the delta, in one snapshot.

    None where copies do not stand for all of them, or too much waits to be read whole.
    """
    with wire.cursor() as cursor:
        cursor.execute(WHOLE, {"kind": kind, "limit": MOST_WAITING + 1}, binary=True)
        rows = cursor.fetchall()
    ids = {id_ for id_, *_ in rows if id_}
    ((waiting, records),) = [(own or b"", held or b"") for id_, own, held in rows if not id_]
    if not ids <= copies.keys() or len(records) // 8 > MOST_WAITING:
        return None
    return ids, _waiting(np.frombuffer(waiting, ">i8"), np.frombuffer(records, ">i8"), keys)


def _waiting(waiting: Ids, records: Ids, keys: Ids) -> Hits:
    """The hits of `keys` among postings that wait: their keys [n] and records [n]."""
    order = np.argsort(waiting, kind="stable")
    low = np.searchsorted(waiting[order], keys)
    counts = np.searchsorted(waiting[order], keys, side="right") - low
    places = np.repeat(np.arange(len(keys)), counts)
    within = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    found = records[order][np.repeat(low, counts) + within].astype(np.int64)
    return Hits(places, found, np.zeros(len(places), np.int64))


def _in_row(row: tuple[int, int, int, int, bytes | None], mixed: Keys) -> Hits:
    """The hits in a row of PROBE: a record of the delta, or those that a block holds."""
    place, segment, bits, base, body = row
    if body is None:
        return Hits(*(np.array([value]) for value in (place, base, 0)))
    records = packing.holders(body, int(mixed[place]), bits).astype(np.int64) + base
    return Hits(np.full(len(records), place), records, np.full(len(records), segment))


def _copied(copies: Mapping[int, Copy], there: Collection[int], mixed: Keys) -> Hits:
    """What the copies of the segments hold that are still there."""
    empty = np.empty(0, np.int64)
    found = [Hits(empty, empty, empty)]
    for id_, copy in copies.items():
        if id_ in there:
            places, records = copy.holders(mixed)
            found.append(Hits(places, records, np.full(len(places), id_)))
    return Hits.all(found)


def _alive(hits: Hits) -> Hits | None:
    """The hits that are not forgotten; None where a segment among them has been replaced."""
    said = np.unique(hits.segments)
    hidden = tombstones.hidden(np.unique(hits.records), said[said > 0])
    return None if hidden is None else hits.only(~np.isin(hits.records, hidden))


def _continued(kind: int, mixed: Keys, hits: Hits, alive: Hits) -> Hits:
    """More holders of the keys of which a full block holds some that are not alive."""
    found = [hits.only(np.empty(0, np.int64))]
    short = _short(hits, alive) if len(alive.places) < len(hits.places) else set()
    if not short:
        return found[0]
    places = np.unique([place for place, _ in short])
    with wire.cursor() as cursor:
        cursor.execute(CONTINUED, [mixed[places], kind], binary=True)
        rows = cursor.fetchall()
    for segment, base, key, body in rows:
        records = np.frombuffer(body, "<u4").astype(np.int64) + base
        for place in places[mixed[places] == key]:
            if (place, segment) in short:
                same = np.ones_like(records)
                found.append(Hits(same * place, records, same * segment))
    return Hits.all(found)


def _short(hits: Hits, alive: Hits) -> set[tuple[int, int]]:
    """The (place, segment) whose blocks hold as many as a block may, some of them not alive."""
    held = Counter(zip(hits.places.tolist(), hits.segments.tolist(), strict=True))
    living = Counter(zip(alive.places.tolist(), alive.segments.tolist(), strict=True))
    return {
        (place, segment)
        for (place, segment), count in held.items()
        if segment and count >= packing.HELD_PER_KEY > living[place, segment]
    }


def _first(hits: Hits, most: int) -> Hits:
    """The first `most` records of each place."""
    hits = hits.only(np.lexsort((hits.records, hits.places)))
    starts = np.flatnonzero(np.diff(hits.places, prepend=-1))
    sizes = np.diff(starts, append=len(hits.places))
    rank = np.arange(len(hits.places)) - np.repeat(starts, sizes)
    return hits.only(rank < most)


def _is_new(pairs: Ids) -> NDArray[np.bool_]:
    """Which of sorted pairs [n, 2] differ from the one before: bool [n]."""
    new = np.ones(len(pairs), np.bool_)
    new[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    return new
