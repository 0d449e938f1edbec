"""The shipped Celery workers lose their queue, their lives and their sense of time.

Hints are thrown away as they come, workers are killed with what they had taken, and started again
with clocks a day off. What was reported is charged all the same: truth is a row that still lacks
its result.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from django.conf import settings
from django.utils import timezone

from compensation import invariants
from deploy.embedded import parts
from deploy.embedded.processes import dies_with_parent, wait_until
from tests.faults.money import checks, jobs, workers
from tests.faults.money.driver import Driver
from tests.faults.money.place import Place
from tests.faults.money.world import World

DATABASE = "broker"
DAY_SECONDS = 86_400
SHIFTS = (0, DAY_SECONDS, -DAY_SECONDS)
READY_SECONDS, CHARGED_SECONDS = 60, 90
ROUNDS_OF_FACTS = 3
LAST_WORDS = 400


@dataclass
class Emptied:
    """What was done to the queue, and what came of it."""

    hints: int = 0
    kills: int = 0
    usages: int = 0
    violations: list[str] = field(default_factory=list)


def empty(place: Place, world: World, seed: int, say: Callable[[str], None]) -> Emptied:
    """Empty the queue and kill its workers while usages are reported; then wait for the charges."""
    done = Emptied()
    with place.copy(DATABASE):
        driver = Driver(world, random.Random(seed))
        driver.now = timezone.now()
        driver.make_rich(*world.labs)
        clock = _Part(place, parts.beat(place.folder / "beat-schedule").command[1:])
        try:
            for shift in SHIFTS:
                _live_and_die(place, driver, shift, done)
                say(f"queue: {done.hints} hints thrown away, {done.kills} workers killed")
            _work_off(place, driver, done)
        finally:
            clock.kill()
        done.usages = len(driver.model.used)
        done.violations += _found(driver)
    return done


def _live_and_die(place: Place, driver: Driver, shift: int, done: Emptied) -> None:
    """A worker with a clock that is so many seconds off, its queue emptied, and its death."""
    worker = _celery(place, shift)
    try:
        for _ in range(ROUNDS_OF_FACTS):
            driver.new_facts()
            _say_all(place, driver, done)
            done.hints += _purge(place)
            time.sleep(driver.dice.uniform(0.2, 1.5))
    finally:
        worker.kill()
    done.kills += 1


def _work_off(place: Place, driver: Driver, done: Emptied) -> None:
    """The last reports, their hints lost, and a worker that has only the clock to go by."""
    driver.end_runs()
    _say_all(place, driver, done)
    done.hints += _purge(place)
    worker = _celery(place, 0)
    try:
        wait_until(
            lambda: not list(checks.uncharged(driver.model)), timeout_seconds=CHARGED_SECONDS
        )
    finally:
        worker.kill()


def _say_all(place: Place, driver: Driver, done: Emptied) -> None:
    for name, job in (
        ("report", jobs.report(driver.reports())),
        ("deposit", jobs.deposit(driver.payments())),
    ):
        worker = workers.start(name, job, seed=0, log=place.log).wait()
        driver.heard(worker)
        if worker.exit_code:
            done.violations.append(f"{name} failed: {worker.failure}")


def _found(driver: Driver) -> Iterator[str]:
    yield from checks.torn()
    yield from invariants.broken()
    for check in (checks.charged, checks.uncharged, checks.paid_in):
        yield from check(driver.model)


def _purge(place: Place) -> int:
    """Throw away every hint that waits; how many they were."""
    with psycopg.connect(place.server.dsn("broker", DATABASE), autocommit=True) as broker:
        purged = broker.execute(
            "SELECT coalesce(sum(pgmq.purge_queue(queue_name)), 0) FROM pgmq.list_queues()"
        ).fetchone()
    assert purged is not None
    return int(purged[0])


def _celery(place: Place, shift: int) -> _Part:
    """A worker of the shipped queue, ready."""
    command = parts.worker("worker", "celery", 1, prefetch=16).command
    words = command[command.index("celery") + 1 :]
    worker = _Part(place, ("-m", "tests.faults.money.shifted", str(shift), *words))
    if not wait_until(lambda: " ready." in worker.said(), timeout_seconds=READY_SECONDS):
        worker.kill()
        raise SystemExit(f"the Celery worker did not start: {worker.said()[-LAST_WORDS:]}")
    return worker


class _Part:
    """A program of the shipped service, at the copied database."""

    def __init__(self, place: Place, words: tuple[str, ...]) -> None:
        self.log = place.folder / f"part-{time.monotonic_ns()}.log"
        urls = {
            "DATABASE_URL": place.server.url("app", DATABASE),
            "DATABASE_OWNER_URL": place.server.url("owner", DATABASE),
            "DATABASE_BROKER_URL": place.server.url("broker", DATABASE),
            "CHAIN_RPC_URL": settings.CHAIN_RPC_URL,
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *words],
                cwd=Path(settings.BASE_FOLDER),
                env={**os.environ, **urls, "TALLYMARK_LOG_LEVEL": "INFO"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGKILL),
            )

    def said(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL for it and all its children."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
