"""The worker of a whole service is killed with SIGKILL while it ingests, bills and pays."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.journeys import service
from tests.journeys import walk as journey
from tests.journeys.walk import EPOCHS, OWN_COUNT, SHARED_COUNT, Walk, expect, until

KILLS = 2
PATIENCE_SECONDS = 300

pytestmark = [pytest.mark.faults, pytest.mark.service, pytest.mark.slow]


class Killer(threading.Thread):
    """Kills every process of the service's workers, a few times, at moments that dice choose.

    Between two kills they get the time to come back and to be in the middle of something.
    """

    def __init__(self, supervisor: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.supervisor, self.dice = psutil.Process(supervisor), random.Random(seed)
        self.killed = 0
        self.done = threading.Event()

    def run(self) -> None:
        self.done.wait(self.dice.uniform(0.2, 1.5))
        for _ in range(KILLS):
            self.killed += kill_workers(self.supervisor)
            if self.done.wait(self.dice.uniform(15.0, 25.0)):
                return


def kill_workers(supervisor: psutil.Process) -> int:
    """SIGKILL for the worker and its children; how many processes died of it."""
    killed = 0
    for process in supervisor.children(recursive=True):
        try:
            words = process.cmdline()
            if "celery" in " ".join(words) and "worker" in words:
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
        except (psutil.Error, ProcessLookupError):
            continue
    return killed


@contextmanager
def killing(supervisor: int, seed: int) -> Iterator[Killer]:
    """Within, workers die again and again; afterwards they are left in peace."""
    killer = Killer(supervisor, seed)
    killer.start()
    try:
        yield killer
    finally:
        killer.done.set()
        killer.join()


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Walk, int]]:
    """A whole service of our own, with a walk that has not begun."""
    base = tmp_path_factory.mktemp("service")
    for folder in (base, base.parent):
        folder.chmod(0o711)
    process = service.start(base / "data")
    try:
        place = service.wait_until_ready(process, base / "data")
        yield Walk(place, base), process.pid
    finally:
        service.stop(process)


def _wait_for_the_worker(walk: Walk) -> None:
    """Until the supervisor has brought the worker back and the sealer has caught up."""
    until(lambda: walk.operator.call("GET", "ledger/head"), "the ledger's head")
    time.sleep(2)


def test_killed_workers_neither_lose_nor_repeat_a_record_a_charge_or_a_payment(
    walk: tuple[Walk, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journey, "PATIENCE_SECONDS", PATIENCE_SECONDS)
    walker, supervisor = walk
    with killing(supervisor, 1) as killer:
        walker.register()
        walker.conflict()
    assert killer.killed > 0, "no worker was killed during ingest"
    walker.grant()
    walker.fund()
    with killing(supervisor, 2) as killer:
        walker.run_and_use()
        walker.charge()
        walker.resolve()
    assert killer.killed > 0, "no worker was killed during billing"
    with killing(supervisor, 3) as killer:
        walker.name_address()
        walker.payout()
    assert killer.killed > 0, "no worker was killed during the payout"
    _wait_for_the_worker(walker)
    walker.prove()
    count = (OWN_COUNT + SHARED_COUNT) * EPOCHS
    charges = list(walker.lab.charges(usage=walker.usage["id"]))
    expect(sum(one["amount_units"] for one in charges), count * walker.price // 1000, "charges")
    versions = list(walker.ben.pages(f"datasets/{walker.second['id']}/versions"))
    expect([one["record_count"] for one in versions], [OWN_COUNT + SHARED_COUNT], "records")


def test_the_journal_and_the_ledger_hold_after_all_that(walk: tuple[Walk, int]) -> None:
    walker, _ = walk
    data = walker.folder / "data"
    assert _manage(data, "verify_journal") == 0
    report = walker.operator.call("GET", "ledger/verify")
    assert report["holds"]


def _manage(data: Path, *words: str) -> int:
    run = [sys.executable, str(service.ROOT / "run"), "manage", "--data", str(data), *words]
    return subprocess.run(run, check=False, stdin=subprocess.DEVNULL).returncode
