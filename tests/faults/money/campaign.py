"""Rounds of facts, workers and kills; after each, what is there is held against the model."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import Error

from compensation import invariants
from tests.faults.money import checks, jobs, workers
from tests.faults.money.driver import Driver
from tests.faults.money.place import Place
from tests.faults.money.workers import CUT_OFF, Failpoint, Job, Worker
from tests.faults.money.world import World

DAY = timedelta(days=1)
BILLING = ("report", "bill", "bill", "bill again", "restate", "mature", "deposit")
SERVER_DIES_EVERY, CHAIN_DIES_EVERY = 6, 10
CHAIN_CHECKED_EVERY = 25
# Of the workers that die, the part that dies at a step at which none died yet; of the others, that
# which dies while a word is being answered.
UNTRIED, DURING = 0.6, 0.5
# Longer than most words take here, so that some deaths come after the answer.
LONGEST_SECONDS = 0.008
WORDS_AT_FIRST = 40
MOST_WORDS = 60
PATIENCE_ROUNDS = 40

Steps = Mapping[str, set[str]]
NONE: Steps = {}


@dataclass(frozen=True)
class Manner:
    """How a campaign is led."""

    jobs: tuple[str, ...]
    """Of the workers of each round."""
    lives: float
    """The part of the workers that are left alone."""
    servers_die: bool
    peaceful_rounds: int = 0
    """First, in which nobody dies, so that there is something to get wrong."""
    pause: timedelta = timedelta()
    """Between two rounds."""


WHOLE = Manner((*BILLING, "pay"), lives=0.15, servers_die=True)
# Without a chain, and with more that gets done in a round.
BRIEF = Manner(
    (*BILLING, "propose"), lives=0.3, servers_die=False, peaceful_rounds=4, pause=timedelta(days=1)
)


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

    def __init__(
        self, place: Place, world: World, seed: int, manner: Manner = WHOLE, known: Steps = NONE
    ) -> None:
        self.place, self.seed, self.manner, self.known = place, seed, manner, known
        self.dice = random.Random(seed)
        self.driver = Driver(world, random.Random(seed + 1))
        self.driver.make_rich("Cobalt")
        self.tally = Tally()
        self._words: dict[str, int] = defaultdict(lambda: WORDS_AT_FIRST)

    def run(self, *, kills: int, rounds: int, say: Callable[[str], None]) -> Tally:
        """Until so many processes were killed, so many rounds are over, or something is wrong."""
        tally = self.tally
        for _ in range(self.manner.peaceful_rounds):
            self.driver.new_facts()
            self._live(BILLING)
        if self.known:
            self._sweep()
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
        self.driver.now += self.manner.pause
        started = [self._start(name, self._failpoint(name)) for name in self.manner.jobs]
        server_dies = self.manner.servers_die and number % SERVER_DIES_EVERY == 0
        chain_dies = self.manner.servers_die and number % CHAIN_DIES_EVERY == 0
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
            self._live(self.manner.jobs)
            is_at_rest = not self.driver.told and checks.progress() == before
            self._look(at_end=is_at_rest)
            if is_at_rest or self.tally.violations:
                return
        self._violations(["the work never ends"])

    def _live(self, names: Sequence[str]) -> None:
        """Each of these jobs once, one after the other, and a day passes."""
        for name in dict.fromkeys(names):
            self._note(self._start(name).wait())
        self._mine()
        self.driver.now += DAY

    def _sweep(self) -> None:
        """With work for all, let each job die before each word that is not of a known step."""
        self.driver.new_facts()
        self.driver.decide()
        for name in ("report", "deposit"):
            self._note(self._start(name).wait())
        self.driver.new_facts()
        self.driver.make_rich("Delta")
        for name in dict.fromkeys(self.manner.jobs):
            known = frozenset(self.known.get(name, ()))
            for number in range(1, MOST_WORDS):
                worker = self._start(name, Failpoint(number, known)).wait()
                self._note(worker)
                self._violations(list(checks.torn()))
                if not worker.was_killed or self.tally.violations:
                    break

    def _failpoint(self, name: str) -> Failpoint | None:
        if self.dice.random() < self.manner.lives:
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
            case "bill again":
                return jobs.bill_again(at)
            case "restate":
                return jobs.restate(at)
            case "mature":
                return jobs.mature(at)
            case "propose":
                return jobs.propose(at)
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
        with checks.snapshot():
            yield from checks.torn()
            yield from invariants.broken()
            yield from checks.charged(model)
            yield from checks.paid_in(model)
            if at_end or self.tally.rounds % CHAIN_CHECKED_EVERY == 0:
                yield from checks.broken_chain()
            if at_end:
                yield from checks.uncharged(model)
                yield from checks.earned(model)
            if at_end and "pay" in self.manner.jobs:
                yield from checks.unpaid()
        # What is forbidden is tried by another connection, which would wait for this one's locks.
        yield from checks.allowed()

    def _mine(self) -> None:
        """So many blocks that what is mined is final."""
        if self.place.chain is not None:
            self.place.chain.mine(3)

    def _violations(self, found: Sequence[str]) -> None:
        for one in found:
            self.tally.violations.append(f"seed {self.seed}, round {self.tally.rounds}: {one}")
