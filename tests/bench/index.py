"""How fast, small and right the index is: `./run bench index [--records N]`.

The keys are of real signatures: about 10,000 texts of this machine, a quarter of them edited
copies of others, are signed by the shipped kernel; every further 10,000 records are the same
signatures under another bijection of the 32-bit numbers (odd * value + shift), which keeps what is
alike alike within a batch and makes batches strangers. The truth is found by brute force over all
keys. Each store has a PostgreSQL of this bench's own; datasketch uses the Redis on 127.0.0.1:6379.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from tests.bench import corpus
from tests.bench.figures import Figures
from tests.bench.index_pairs import measure_pairs
from tests.bench.index_peers import Btree, Datasketch

BATCH = 10_000
PROBES = 10_000
HITS = 0.1
"""This part of the probes are edited copies of stored records; the others are strangers."""
SINGLES = 1_000
ROUNDS = 5
VACUUM_EVERY = 10
"""Batches after which room is made for new ones: in service autovacuum has done it long before."""


@dataclass
class Made:
    """Signatures without end, all from those of some texts."""

    base: np.ndarray
    kept: dict[int, int] = field(default_factory=dict)

    def signatures(self, batch: int) -> np.ndarray:
        """Those of a batch: uint32 [n, 128]; batch 0 is the texts' own."""
        dice = np.random.default_rng(batch)
        odd, shift = dice.integers(0, 2**31, 2, dtype=np.uint32)
        return self.base if not batch else self.base * (odd << 1 | 1) + shift

    def keys(self, batch: int, count: int | None = None) -> np.ndarray:
        """The band keys of a batch: int64 [n, 20]."""
        from ingest.fingerprint import bands

        return bands.band_keys(self.signatures(batch)[:count]).view(np.int64)

    def probes(self, count: int, stored: int) -> np.ndarray:
        """Signatures to look up [count, 128]: edited copies of `stored` records, then strangers."""
        dice, size = np.random.default_rng(99), len(self.base)
        copied = max(1, int(count * HITS))
        batches = dice.integers(0, max(1, stored // size), 20)
        originals = np.concatenate(
            [
                self.signatures(int(batch))[dice.integers(0, size, copied // 20 + 1)]
                for batch in batches
            ]
        )[:copied]
        changed = dice.random(originals.shape) < dice.uniform(0, 0.25, (copied, 1))
        other = dice.integers(0, 2**32, originals.shape, dtype=np.uint32)
        strangers = np.concatenate(
            [self.signatures(10**6 + number) for number in range(count // size + 1)]
        )[: count - copied]
        return np.concatenate([np.where(changed, other, originals), strangers])


class Truth:
    """Who holds which probing key, by brute force, a batch of stored keys at a time."""

    def __init__(self, probes: np.ndarray) -> None:
        flat = probes.ravel()
        order = np.argsort(flat, kind="stable")
        self.keys, self.places = flat[order], order // probes.shape[1]
        self.pairs: list[np.ndarray] = []

    def see(self, keys: np.ndarray, first: int) -> None:
        """Note the matches of stored `keys` [n, 20] whose records are numbered from `first`."""
        flat = keys.ravel()
        low = np.searchsorted(self.keys, flat)
        high = np.searchsorted(self.keys, flat, side="right")
        hits = np.flatnonzero(high > low)
        for hit in hits:
            places = self.places[low[hit] : high[hit]]
            records = np.full(len(places), first + hit // keys.shape[1])
            self.pairs.append(np.stack([places, records], axis=1))

    def rows(self) -> np.ndarray:
        """(place, record, shared keys), sorted."""
        pairs = np.concatenate([np.empty((0, 2), np.int64), *self.pairs])
        pairs, shared = np.unique(pairs, axis=0, return_counts=True)
        return np.column_stack([pairs, shared])


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def packed(
    made: Made, total: int, truth: Truth, figures: Figures, vacuum: Callable[[], None]
) -> float:
    """Fill our index, merges and VACUUM included; seconds a record."""
    from ingest.index import kernels, merging, postings
    from ingest.models import Posting

    kernels.warm()
    spent, merging_seconds, vacuuming, count, worst = 0.0, 0.0, 0.0, 0, 0.0

    def merge() -> None:
        while merging.merge(Posting.Kind.BAND):
            pass

    for batch in range(total):
        keys = made.keys(batch)
        truth.see(keys, count + 1)
        ids = np.repeat(np.arange(count + 1, count + len(keys) + 1), keys.shape[1])
        own = timed(lambda: postings.insert(Posting.Kind.BAND, keys.ravel(), ids))  # noqa: B023
        merged = timed(merge)
        cleaned = timed(vacuum) if batch % VACUUM_EVERY == VACUUM_EVERY - 1 else 0.0
        worst, merging_seconds = max(worst, own), merging_seconds + merged
        vacuuming, count = vacuuming + cleaned, count + len(keys)
        spent += own + merged + cleaned
    shares = f"merges take {merging_seconds / spent:.0%}, VACUUM {vacuuming / spent:.0%}"
    note = f"{len(keys):,} a batch; {shares}"
    figures.add(set=f"{count:,}", figure="ingest", value=count / spent, unit="records/s", note=note)
    figures.add(set=f"{count:,}", figure="slowest_batch_s", value=worst, unit="s")
    return spent / count


def sizes(count: int, figures: Figures, vacuum: Callable[[], None]) -> None:
    from django.db import connection

    def total() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_total_relation_size('ingest_block')"
                " + pg_total_relation_size('ingest_continuation')"
                " + pg_total_relation_size('ingest_segment')"
            )
            return int(cursor.fetchone()[0])

    before = total()
    vacuum()
    name = f"{count:,}"
    figures.add(
        set=name,
        figure="bytes_per_record",
        value=total() / count,
        unit="B",
        note="20 bands, indexes and free space included, after VACUUM",
    )
    figures.add(set=name, figure="bytes_per_record_before_vacuum", value=before / count, unit="B")
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(octet_length(body)) FROM ingest_block")
        figures.add(
            set=name,
            figure="live_bytes_per_record",
            value=cursor.fetchone()[0] / count,
            unit="B",
            note="the bodies of the blocks alone",
        )


def singles(probes: np.ndarray, figures: Figures, name: str) -> None:
    """One record's keys at a time, by SQL, as the screening API asks."""
    from ingest.index import postings
    from ingest.models import Posting

    places = np.zeros(probes.shape[1], np.int64)
    dice = np.random.default_rng(3)
    seconds = [
        timed(lambda: postings.probe(Posting.Kind.BAND, probes[at], places))  # noqa: B023
        for at in dice.integers(0, len(probes), SINGLES + 100)
    ][100:]
    for figure, part in (("single_probe_p50_ms", 50), ("single_probe_p99_ms", 99)):
        figures.add(
            set=name,
            figure=figure,
            value=float(np.percentile(seconds, part)) * 1e3,
            unit="ms",
            note=f"{SINGLES} records, a tenth with hits, no copy",
        )


def bulk(probes: np.ndarray, truth: Truth, figures: Figures, name: str) -> float:
    """Many records' keys at once, from the worker's copies; seconds a record."""
    from ingest.index import cache, postings
    from ingest.models import Posting

    keys, places = probes.ravel(), np.repeat(np.arange(len(probes)), probes.shape[1])

    def probe() -> np.ndarray:
        return postings.probe(Posting.Kind.BAND, keys, places)

    cache.PAIRS_PER_LOOKUP, usual = 0, cache.PAIRS_PER_LOOKUP
    uncached = timed(probe)
    cache.PAIRS_PER_LOOKUP = 2**40
    filled = timed(probe)
    cache.PAIRS_PER_LOOKUP = usual
    seconds = statistics.median(timed(probe) for _ in range(ROUNDS))
    figures.add(set=name, figure="sql_probe", value=len(probes) / uncached, unit="records/s")
    figures.add(set=name, figure="cache_fill_s", value=filled, unit="s")
    figures.add(
        set=name,
        figure="cached_probe",
        value=len(probes) / seconds,
        unit="records/s",
        note=f"{len(probes):,} at once, median of {ROUNDS}",
    )
    found, true = probe(), truth.rows()
    common = len(set(map(tuple, found.tolist())) & set(map(tuple, true.tolist())))
    figures.add(
        set=name,
        figure="recall_vs_oracle",
        value=common / max(1, len(true)),
        note=f"{len(true):,} true rows, {len(found) - common} others found",
    )
    return seconds / len(probes)


def retraction(count: int, figures: Figures) -> None:
    from ingest.index import merging, postings

    gone = list(range(1, min(BATCH, count // 10) + 1))
    name = f"{count:,}"
    figures.add(
        set=name,
        figure="retraction_s",
        value=timed(lambda: postings.forget(gone)),
        unit="s",
        note=f"{len(gone):,} records; from then on no probe finds them",
    )
    seconds = timed(lambda: merging.tend(rest=timedelta(0)))
    figures.add(
        set=name,
        figure="rewrite_s",
        value=seconds,
        unit="s",
        note="the segments that held them, without them",
    )


def btree(
    dsn: str,
    made: Made,
    total: int,
    probes: np.ndarray,
    seconds: float,
    ours: float,
    figures: Figures,
) -> None:
    peer = Btree(dsn)
    batches: Iterator[np.ndarray] = (made.keys(batch) for batch in range(total))
    count, each = peer.fill(batches, seconds)
    name = f"{count:,}"
    figures.add(
        set=name,
        figure="btree_ingest",
        value=1 / each,
        unit="records/s",
        peer="btree",
        note=f"stopped after {seconds:.0f} s or at the end",
    )
    figures.add(
        set=name,
        figure="ingest_x_btree",
        value=each / ours,
        peer="btree",
        note="a btree slows as it grows: where it has fewer records, it is flattered",
    )
    figures.add(
        set=name,
        figure="btree_bytes_per_record",
        value=peer.bytes() / count,
        unit="B",
        peer="btree",
    )
    spent = timed(lambda: peer.probe(probes))
    figures.add(
        set=name, figure="btree_probe", value=len(probes) / spent, unit="records/s", peer="btree"
    )
    peer.drop()


def datasketch(made: Made, count: int, ingest: float, probe: float, figures: Figures) -> None:
    peer = Datasketch.if_there()
    if peer is None:
        figures.add(
            set="0",
            figure="ingest_x_datasketch_redis",
            value=None,
            peer="datasketch",
            note="no Redis answers on 127.0.0.1:6379",
        )
        return
    try:
        batches = range(-(-count // len(made.base)))
        signatures = np.concatenate([made.signatures(batch) for batch in batches])[:count]
        each = peer.fill(peer.objects(signatures))
        asked = peer.probe(peer.objects(made.probes(count // 10, count)))
    finally:
        peer.drop()
    name, peer_name = f"{count:,}", "datasketch+Redis"
    for figure, value, unit in (
        ("datasketch_redis_ingest", 1 / each, "records/s"),
        ("ingest_x_datasketch_redis", each / ingest, ""),
        ("datasketch_redis_probe", 1 / asked, "records/s"),
        ("cached_probe_x_datasketch_redis", asked / probe, ""),
    ):
        figures.add(set=name, figure=figure, value=value, unit=unit, peer=peer_name)


def beside(made: Any, figures: Figures, name: str, posting_bytes: float) -> None:
    """What else a record costs: the sample of its shingles, its set of them, its vector."""
    from ingest.fingerprint import bands

    sets = made.shingle_sets()
    sample = statistics.fmean(len(bands.sampled(one)) for one in sets)
    shingles = statistics.fmean(len(one) for one in sets)
    for figure, value, note in (
        ("sample_bytes_per_record", sample * posting_bytes, f"{sample:.1f} postings, as bands"),
        ("shingle_bytes_per_record", 4 * shingles, f"{shingles:.0f} shingles to verify with"),
        ("vector_bytes_per_record", 2 * 384 + 8, "one chunk of 384 halves, index not counted"),
    ):
        figures.add(set=name, figure=figure, value=value, unit="B", note=note)


def vacuum_by_hand(server: Any) -> None:
    """Leave cleaning to the bench, which counts it: hours of service pass here in seconds."""
    with psycopg.connect(server.dsn("superuser"), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")


def measure(given: argparse.Namespace, server: Any) -> None:
    from django.db import connections

    from ingest.fingerprint import bands, minhash

    figures = Figures("index")
    texts = corpus.made(BATCH)
    prints = minhash.prints([item.text for item in texts])
    made = Made(prints.signatures)
    total = max(1, round(given.records / len(made.base)))
    count = total * len(made.base)
    probes = bands.band_keys(made.probes(PROBES, count)).view(np.int64)
    truth = Truth(probes)

    def vacuum() -> None:
        with connections["owner"].cursor() as cursor:
            for table in ("ingest_block", "ingest_continuation", "ingest_segment"):
                cursor.execute(f"VACUUM ANALYZE {table}")

    ours = packed(made, total, truth, figures, vacuum)
    sizes(count, figures, vacuum)
    singles(probes, figures, f"{count:,}")
    probe = bulk(probes, truth, figures, f"{count:,}")
    datasketch(made, given.peer_records, ours, probe, figures)
    retraction(count, figures)
    beside(prints, figures, "texts", posting_bytes=8.5)
    measure_pairs(texts, prints, figures)
    btree(server.dsn("owner"), made, total, probes, given.btree_seconds, ours, figures)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures.add(set=f"{count:,}", figure="peak_mb", value=peak, unit="MB", note="this process")
    figures.table()


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench index", description=__doc__)
    parser.add_argument("--records", type=int, default=200_000, help="how many are stored")
    parser.add_argument("--peer-records", type=int, default=10_000, help="of them in datasketch")
    parser.add_argument("--btree-seconds", type=float, default=240.0, help="how long it may fill")
    given = parser.parse_args()
    from deploy.embedded import postgres

    with tempfile.TemporaryDirectory() as folder, postgres.start(Path(folder) / "pg") as server:
        os.environ["DATABASE_URL"] = server.url("app")
        os.environ["DATABASE_OWNER_URL"] = server.url("owner")
        os.environ["TALLYMARK_DATA"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "deploy.settings"
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", database="owner", verbosity=0)
        vacuum_by_hand(server)
        measure(given, server)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
