"""The index in the background: the delta is packed, segments are merged, the forgotten leave.

Each step is one transaction under the lock of its kind, so that nothing is merged twice at once;
readers and ingest take no lock and are never waited for. Segments are merged by tiers: as soon as
FAN_OUT are of about one size, one takes their place, so a posting is rewritten once a tier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import numpy as np
from django.db import transaction

from ingest.index import cache, packing, segments, tombstones, wire
from ingest.index.packing import Keys, Locals
from ingest.index.segments import Segment, Writer
from ingest.models import Posting

FAN_OUT = 10
MOST_INPUTS = 40
"""Where merges lag behind, so many small segments are merged at once."""
LEAST_PAIRS = 4_096
"""Fewer postings are no segment: they wait in the delta. The lowest tier begins here."""
MOST_PAIRS = 2**31
PACKED_AT = 20_000
MOST_PACKED = 2_000_000
PAIRS_AT_ONCE = 2**20
LOCK = 7_304_221
"""The first half of this module's advisory locks; the second is the kind."""
ROUNDS = 0

TAKE = """
WITH oldest AS (
    SELECT ctid FROM ingest_posting WHERE kind = %s ORDER BY record_id LIMIT %s
    FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM ingest_posting WHERE ctid IN (SELECT ctid FROM oldest) RETURNING key, record_id
)
SELECT string_agg(int8send(key), ''::bytea), string_agg(int8send(record_id), ''::bytea) FROM taken
"""
WAITING = """
SELECT count(*) FROM (SELECT FROM ingest_posting WHERE kind = %s LIMIT %s) AS waiting
"""


def tend(*, go_on: Callable[[], bool] = lambda: True, rest: timedelta = tombstones.REST) -> None:
    """Do what there is to do, a transaction each, as long as `go_on()`.

    `rest` is how long tombstones gather before segments are rewritten for them.
    """
    _round(rest)
    for kind in Posting.Kind:
        for step in (pack, merge, clean):
            while go_on() and step(kind):
                pass
    _end_rounds()
    cache.evict(segment.token for segment in segments.listed(Posting.Kind))


@transaction.atomic
def pack(kind: int, least: int | None = None) -> bool:
    """Pack the delta of a kind into a segment if it has grown to `least`; whether it was done."""
    least = PACKED_AT if least is None else least
    if not _locked([kind]) or _waiting(kind, least) < least:
        return False
    with wire.cursor() as cursor:
        cursor.execute(TAKE, [kind, MOST_PACKED], binary=True)
        row = cursor.fetchone()
    if row is None or row[0] is None:
        return False
    keys, ids = (np.frombuffer(part, ">i8").astype(np.int64) for part in row)
    base = int(ids.min())
    if int(ids.max()) - base >= packing.WIDEST_SPAN:
        # Numbers this far apart are not of one time: what is near the oldest comes first.
        far = ids - base >= packing.WIDEST_SPAN
        wire.copy_postings(kind, keys[far], ids[far])
        keys, ids = keys[~far], ids[~far]
    dead = tombstones.within(base, int(ids.max()))
    alive = ~np.isin(ids, dead.record_ids)
    if alive.any():
        segments.add(kind, packing.mixed(keys[alive]), ids[alive], clean_round=dead.round)
    return True


@transaction.atomic
def merge(kind: int) -> bool:
    """Merge one tier of a kind if it is full; whether it was done."""
    if not _locked([kind]):
        return False
    chosen = plan(segments.listed([kind]))
    if not chosen:
        return False
    _rewrite(chosen)
    return True


@transaction.atomic
def clean(kind: int) -> bool:
    """Rewrite one segment that a round of tombstones is waiting for; whether there was one."""
    if not _locked([kind]):
        return False
    due = tombstones.due(kind)
    if due is None:
        return False
    _rewrite([segment for segment in segments.listed([kind]) if segment.id == due])
    return True


@transaction.atomic
def _round(rest: timedelta) -> None:
    if _locked([ROUNDS]):
        tombstones.begin_round(rest)


@transaction.atomic
def _end_rounds() -> None:
    # What is being packed while we look may hold what was forgotten meanwhile.
    if _locked([ROUNDS, *Posting.Kind]):
        tombstones.end_rounds()


def plan(listed: Sequence[Segment]) -> list[Segment]:
    """The segments to merge now: the lowest full tier's, of records near each other, or none."""
    tiers: dict[int, list[Segment]] = {}
    for segment in listed:
        tiers.setdefault(tier(segment.pair_count), []).append(segment)
    for _, members in sorted(tiers.items()):
        near = [one for one in members if one.last - members[0].base < packing.WIDEST_SPAN]
        chosen, total = [], 0
        for segment in near[:MOST_INPUTS]:
            total += segment.pair_count
            if total >= MOST_PAIRS:
                break
            chosen.append(segment)
        if len(chosen) >= FAN_OUT:
            return chosen
    return []


def tier(pair_count: int) -> int:
    """How many times a segment was worth merging: 0 below FAN_OUT * LEAST_PAIRS, and so on."""
    found = 0
    while pair_count >= FAN_OUT * LEAST_PAIRS:
        pair_count, found = pair_count // FAN_OUT, found + 1
    return found


def _rewrite(chosen: Sequence[Segment]) -> None:
    """Put one segment without the dead in place of the `chosen`, range by range of the keys."""
    base, last = min(one.base for one in chosen), max(one.last for one in chosen)
    dead = tombstones.within(base, last)
    total = sum(one.pair_count for one in chosen)
    round_ = max(dead.round, min(one.clean_round for one in chosen))
    writer = Writer(chosen[0].kind, expected=total, base=base, last=last, clean_round=round_)
    for low, high in packing.ranges(total, PAIRS_AT_ONCE, min(one.bits for one in chosen)):
        writer.add(*_merged(chosen, base, dead.record_ids - base, low, high))
    writer.finish()
    segments.delete([one.id for one in chosen])


def _merged(
    chosen: Sequence[Segment], base: int, dead: Iterable[int], low: int, high: int
) -> tuple[Keys, Locals]:
    """The living pairs of some segments in [low, high), as one run."""
    from ingest.index import kernels

    runs = []
    for segment in chosen:
        for keys, records in (
            segments.run(segment, low, high),
            segments.continued(segment, low, high),
        ):
            if len(keys):
                runs.append((keys, records + np.uint32(segment.base - base)))
    if not runs:
        return np.empty(0, np.uint64), np.empty(0, np.uint32)
    places = np.cumsum([0, *(len(keys) for keys, _ in runs)])
    keys = np.concatenate([keys for keys, _ in runs])
    records = np.concatenate([records for _, records in runs])
    keys, records = kernels.merged(keys, records, places)
    alive = ~np.isin(records, np.asarray(dead, np.int64))
    return (keys, records) if alive.all() else (keys[alive], records[alive])


def _locked(kinds: Iterable[int]) -> bool:
    """Hold the locks of these kinds until the transaction ends; False where another does."""
    with wire.cursor() as cursor:
        for kind in kinds:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [LOCK, int(kind)])
            row = cursor.fetchone()
            if row is None or not row[0]:
                return False
    return True


def _waiting(kind: int, most: int) -> int:
    with wire.cursor() as cursor:
        cursor.execute(WAITING, [kind, most])
        row = cursor.fetchone()
        assert row is not None, "an aggregate has a row"
        return int(row[0])
