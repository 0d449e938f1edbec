"""The worker and the PostgreSQL server die by SIGKILL while they work on the index.

What was acknowledged is found afterwards, once; what was not is there whole or not at all; what
was forgotten stays forgotten.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from types import SimpleNamespace
from typing import IO, Any

import numpy as np
import pytest
from django.core.management import call_command
from django.db import connections

from deploy.embedded import postgres
from ingest.index import kernels, merging, packing, postings
from tests.conftest import Cluster
from tests.faults.failpoints import before_words, die
from tests.ingest.oracle import Oracle, stored

BAND, EACH, RECORDS = 1, 20, 300
KILLS = 20
LAST_STEP = 400
# Batches on both sides of what becomes a segment; tiers so small that there is always a merge.
SMALL = {"FAN_OUT": 2, "LEAST_PAIRS": 3_000, "PACKED_AT": 500, "PAIRS_AT_ONCE": 4_000}

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def batch(number: int) -> tuple[np.ndarray, np.ndarray]:
    """The postings of a batch: some keys of its own, and one that all records share."""
    size = RECORDS if number % 2 else 40
    keys = np.random.default_rng(number).integers(1, 2**48, (size, EACH), dtype=np.int64)
    keys[:, 0] = 7
    return keys.ravel(), np.repeat(np.arange(size) + number * 1_000 + 1, EACH)


def gone(number: int) -> list[int]:
    """The records of a batch that are forgotten later."""
    return sorted({int(record) for record in batch(number)[1]})[::3]


@pytest.fixture
def durable(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: Any
) -> Iterator[SimpleNamespace]:
    """A server of our own that writes to disk, migrated, and Django pointed at it."""
    base = tmp_path_factory.mktemp("durable")
    for folder in (base, base.parent):
        folder.chmod(0o711)
    held = {alias: dict(connections[alias].settings_dict) for alias in ("default", "owner")}
    server = postgres.start(base / "data")
    place = SimpleNamespace(data=base / "data", server=server)
    try:
        with django_db_blocker.unblock():
            use(server)
            call_command("migrate", database="owner", verbosity=0)
            yield place
    finally:
        for alias, settings in held.items():
            connections[alias].close()
            connections[alias].settings_dict.update(settings)
        place.server.stop()


def use(server: postgres.Server) -> None:
    roles = ("superuser", "owner", "app")
    Cluster(*(server.dsn(role) for role in roles)).use("tallymark")  # type: ignore[arg-type]


def work(first: int, say: IO[str]) -> None:
    """Insert batches from `first` on, tend the index, forget a few; say what is committed."""
    for number in range(first, first + 1_000):
        postings.insert(BAND, *batch(number))
        say.write(f"inserted {number}\n")
        say.flush()
        merging.tend(rest=timedelta(0))
        if number % 3 == 2:
            postings.forget(gone(number - 1))
            say.write(f"forgot {number - 1}\n")
            say.flush()


def die_at(step: int, victims: list[int]) -> None:
    """From now on, count each word to the database; at that of `step`, kill the `victims`."""
    left = count(step, -1)

    def hear(_: str) -> None:
        if next(left) == 0:
            die(*victims)

    before_words(hear)


def killed_at_work(place: SimpleNamespace, first: int, step: int, *, server_too: bool) -> list[str]:
    """A worker that is killed at some step, with the server or without; what it had said."""
    connections.close_all()
    said = place.data / "said"
    child = os.fork()
    if not child:
        # Whatever happens in here, the copy of the test runner that we are must not go on.
        try:
            server = [place.server.process.pid] if server_too else []
            die_at(step, server)
            with said.open("w") as say:
                work(first, say)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    if server_too:
        place.server.process.wait()
        place.server.stop()
        place.server = postgres.start(place.data)
        use(place.server)
    return said.read_text().splitlines()


def test_kills_at_any_step_lose_no_posting_and_repeat_none(durable, monkeypatch):
    for name, value in SMALL.items():
        monkeypatch.setattr(merging, name, value)
    kernels.warm()
    dice, oracle, first = random.Random(3), Oracle(), 0
    forgotten: set[int] = set()
    for kill in range(KILLS):
        step = dice.randrange(1, LAST_STEP)
        said = killed_at_work(durable, first, step, server_too=kill % 5 == 4)
        acknowledged = {int(line.split()[1]) for line in said if line.startswith("inserted ")}
        forgotten |= {int(line.split()[1]) for line in said if line.startswith("forgot ")}
        there = {(record - 1) // 1_000 for _, record in stored(BAND)}
        assert acknowledged <= there, "an acknowledged batch is lost"
        # The batch that nobody could acknowledge any more is there as a whole, or not at all.
        first = max([first - 1, *there]) + 1
    for number in {(record - 1) // 1_000 for _, record in stored(BAND)}:
        oracle.insert(BAND, zip(*(part.tolist() for part in batch(number)), strict=True))
    assert first > 10, "the workers hardly began"
    check(oracle, forgotten, first)


def check(oracle: Oracle, forgotten: set[int], first: int) -> None:
    """What is stored and what probes answer, against the oracle."""
    everything = stored(BAND)
    assert len(everything) == len(set(everything)), "a posting is there twice"
    assert set(everything) <= set(oracle.pairs(BAND))
    # Whether the last forgetting was committed before it could be said is read from what is found.
    maybe = {number - 1 for number in range(2, first, 3)} - forgotten
    dead = {record for number in forgotten for record in gone(number)}
    for number in maybe:
        keys, ids = (part[1::EACH] for part in batch(number))
        seen = {row[1] for row in postings.probe(BAND, keys, ids).tolist()}
        if not seen & set(gone(number)):
            dead |= set(gone(number))
    oracle.forget(dead)
    assert set(oracle.pairs(BAND)) <= set(everything), "a posting is lost"
    for number in range(first):
        keys, ids = (part[: 20 * EACH] for part in batch(number))
        found = postings.probe(BAND, keys, ids)
        assert found.tolist() == oracle.probe(BAND, keys.tolist(), ids.tolist(), 1, 256)
    assert oracle.weight(BAND, 7) > packing.HELD_PER_KEY
