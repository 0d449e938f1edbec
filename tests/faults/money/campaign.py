"""Rounds of facts, workers and kills; after each, what is there is held against the model."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import Error

from tests.faults.money import checks, jobs, workers
from tests.faults.money.driver import Driver
from tests.faults.money.place import Place
from tests.faults.money.workers import CUT_OFF, Failpoint, Job, Worker
from tests.faults.money.world import World

DAY = timedelta(days=1)
JOBS = ("report", "bill", "bill", "restate", "mature", "pay", "deposit")
SERVER_DIES_EVERY, CHAIN_DIES_EVERY = 6, 10
CHAIN_CHECKED_EVERY = 25
# The part of the workers that are left alone; of the others, that which dies at a step at which
# none died yet; and of the rest, that which dies while a word is being answered.
LIVES, UNTRIED, DURING = 0.15, 0.5, 0.5
# Longer than most words take here, so that some deaths come after the answer.
LONGEST_SECONDS = 0.008
WORDS_AT_FIRST = 40
PATIENCE_ROUNDS = 60


@dataclass
class Tally:
    """What was done, and what was found."""

    rounds: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    """By job, and by how a server was stopped."""
    seen: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The steps that workers came to, by job."""
    died: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Those at which one died."""
    violations: list[str] = field(default_factory=list)

    @property
    def killed(self) -> int:
        """How many processes were killed, workers and servers."""
        return sum(self.kills.values())


class Campaign:
    """Workers that are killed at their work, round after round."""

    def __init__(self, place: Place, world: World, seed: int) -> None:
        self.place, self.seed = place, seed
        self.dice = random.Random(seed)
        self.driver = Driver(world, random.Random(seed + 1))
        self.tally = Tally()
        self._words: dict[str, int] = defaultdict(lambda: WORDS_AT_FIRST)

    def run(self, *, kills: int, rounds: int, say: Callable[[str], None]) -> Tally:
        """Until so many processes were killed, so many rounds are over, or something is wrong."""
        tally = self.tally
        while tally.killed < kills and tally.rounds < rounds and not tally.violations:
            began = time.monotonic()
            self._round()
            say(
                f"round {tally.rounds}: {tally.killed} killed, {len(self.driver.model.used)} usages"
                f" ({time.monotonic() - began:.1f} s)"
            )
        if not tally.violations:
            self._finish()
        return tally

    def _round(self) -> None:
        """Facts, workers that die, now and then a server that dies with them, and a look."""
        number = self.tally.rounds = self.tally.rounds + 1
        self.driver.new_facts()
        started = [self._start(name, self._failpoint(name)) for name in JOBS]
        server_dies = number % SERVER_DIES_EVERY == 0
        chain_dies = number % CHAIN_DIES_EVERY == 0
        if server_dies or chain_dies:
            time.sleep(self.dice.uniform(0.02, 0.25))
        if server_dies:
            self.tally.kills[self.place.stop_server(self.dice)] += 1
        if chain_dies:
            self.place.kill_chain()
            self.tally.kills["chain"] += 1
        for worker in started:
            self._note(worker.wait(), may_be_cut_off=server_dies)
        if server_dies:
            self.place.start_server()
        if chain_dies:
            self.place.start_chain()
        self._mine()
        self._look()

    def _finish(self) -> None:
        """All is decided, paid in and worked off by workers that live; then nothing may lack."""
        self.driver.finish()
        for _ in range(PATIENCE_ROUNDS):
            before = checks.progress()
            for name in dict.fromkeys(JOBS):
                self._note(self._start(name).wait())
            self._mine()
            self.driver.now += DAY
            if not self.driver.told and checks.progress() == before:
                break
        self._look(at_end=True)

    def _failpoint(self, name: str) -> Failpoint | None:
        if self.dice.random() < LIVES:
            return None
        untried = sorted(self.tally.seen[name] - self.tally.died[name])
        if untried and self.dice.random() < UNTRIED:
            return Failpoint(step=self.dice.choice(untried))
        is_during = self.dice.random() < DURING
        return Failpoint(
            number=self.dice.randint(1, self._words[name]),
            after_seconds=self.dice.uniform(0, LONGEST_SECONDS) if is_during else None,
        )

    def _start(self, name: str, failpoint: Failpoint | None = None) -> Worker:
        seed = self.dice.getrandbits(32)
        log = self.place.log
        return workers.start(name, self._job(name), seed=seed, log=log, failpoint=failpoint)

    def _job(self, name: str) -> Job:
        driver = self.driver
        # The clock of a worker may be a day off.
        at = driver.now + self.dice.choice([-DAY, DAY, *[timedelta()] * 4])
        match name:
            case "report":
                return jobs.report(driver.reports())
            case "deposit":
                return jobs.deposit(driver.payments())
            case "bill":
                return jobs.bill(at)
            case "restate":
                return jobs.restate(at)
            case "mature":
                return jobs.mature(at)
        return jobs.pay(at, driver.world.assets["dollar"])

    def _note(self, worker: Worker, *, may_be_cut_off: bool = False) -> None:
        """Count a death, believe what was acknowledged, and take a failure for what it is."""
        self.driver.heard(worker)
        name = worker.name
        self.tally.seen[name] |= worker.steps
        if worker.was_killed:
            self.tally.kills[name] += 1
            self.tally.died[name].add(worker.died_at)
        elif worker.exit_code == CUT_OFF and may_be_cut_off:
            return
        elif worker.exit_code:
            self._violations([f"{name} failed: {worker.failure}"])
        elif worker.words:
            self._words[name] = worker.words

    def _look(self, *, at_end: bool = False) -> None:
        """Hold what is there against the model, and against itself."""
        try:
            self._violations(list(self._found(at_end=at_end)))
        except Error as refused:
            self._violations([f"what is there cannot be read: {refused}"])

    def _found(self, *, at_end: bool) -> Iterator[str]:
        model = self.driver.model
        yield from checks.torn()
        yield from checks.broken_sums()
        with checks.snapshot():
            yield from checks.charged(model)
            yield from checks.paid_in(model)
        if at_end or self.tally.rounds % CHAIN_CHECKED_EVERY == 0:
            yield from checks.broken_chain()
            yield from checks.allowed()
        if at_end:
            yield from checks.uncharged(model)
            yield from checks.earned(model)
            yield from checks.unpaid()

    def _mine(self) -> None:
        """So many blocks that what is mined is final."""
        assert self.place.chain is not None
        self.place.chain.mine(3)

    def _violations(self, found: Sequence[str]) -> None:
        for one in found:
            self.tally.violations.append(f"seed {self.seed}, round {self.tally.rounds}: {one}")


def on_stderr(line: str) -> None:
    """Say how far it is."""
    print(line, file=sys.stderr, flush=True)
