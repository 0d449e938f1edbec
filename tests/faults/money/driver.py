"""What happens in the world: runs, reports, payments, decisions; the model is told the same."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

from provenance import conflicts
from provenance.models import Conflict, User
from tests.faults.money import jobs
from tests.faults.money.model import Terms
from tests.faults.money.workers import Worker
from tests.faults.money.world import LICENSED, OPERATOR, START, UNKNOWN, World

HOUR = timedelta(hours=1)
STREAMS = ("rank0", "rank1")
# Reports are about the runs that began last, under way or ended.
RUNS_SPOKEN_OF = 12
OUTCOMES = ("to_earlier", "to_later", "shared")
SHARED_BASIS_POINTS = 2_500
ENOUGH = 10**12
# What is unknown, or licensed to nobody, is kept and costs nothing.
FREE = Terms()


class Driver:
    """Says what happens in the world, and tells the model the same."""

    def __init__(self, world: World, dice: random.Random) -> None:
        self.world, self.dice = world, dice
        self.model = world.model()
        self.now = START + HOUR
        self.told: list[jobs.Told] = []
        self.paid: list[jobs.Paid] = []
        self.runs: dict[str, str] = {}
        """Labs of the runs that are under way, and of those that ended, by run."""
        self.open_runs: list[str] = []
        self.sequences: Counter[tuple[str, str, str]] = Counter()
        self.counts: dict[tuple[str, str, str], tuple[int, int]] = {}
        self.undecided = [(one, record) for one in world.disputes for record in one["records"]]
        self.dice.shuffle(self.undecided)
        self._said: list[jobs.Told] = []
        self._booked: list[jobs.Paid] = []
        self._numbers = iter(range(1, 10**9))

    def new_facts(self) -> None:
        """Some hours pass, and what labs, banks and operators do in them."""
        self.now += HOUR * self.dice.randint(1, 9)
        for _ in range(self.dice.randint(1, 3)):
            self._begin_run()
        for _ in range(self.dice.randint(3, 9)):
            self._report()
        for _ in range(self.dice.randint(0, 3)):
            if self.open_runs:
                self._end(self.open_runs[0])
        if self.dice.random() < 0.6:
            self._pay_in(self.dice.randint(1, 2_000_000))
        if self.dice.random() < 0.4:
            self.decide()

    def decide(self) -> bool:
        """An operator decides on one more of the disputed records; whether one was left."""
        if not self.undecided:
            return False
        dispute, record = self.undecided.pop()
        outcome = self.dice.choice(OUTCOMES)
        conflicts.decide(
            conflict=Conflict.objects.get(pk=dispute["conflict"]),
            outcome=outcome,
            reasons="Dated.",
            filter={"record_ids": [record]},
            earlier_basis_points=SHARED_BASIS_POINTS,
            by=User.objects.get(email=OPERATOR),
            at=self.now,
        )
        versions = self.world.versions
        mine, theirs = versions[dispute["later"]], versions[dispute["earlier"]]["owner"]
        holders = {
            "to_earlier": {theirs: 1},
            "to_later": {mine["owner"]: 1},
            "shared": {theirs: SHARED_BASIS_POINTS, mine["owner"]: 10_000 - SHARED_BASIS_POINTS},
        }
        self.model.versions[mine["id"]].holders[record] = holders[outcome]
        return True

    def finish(self) -> None:
        """No run goes on, every dispute is decided, and all labs are rich."""
        self.end_runs()
        while self.decide():
            pass
        self.make_rich(*self.world.labs)

    def end_runs(self) -> None:
        """No run goes on."""
        for run in list(self.open_runs):
            self._end(run)

    def make_rich(self, *labs: str) -> None:
        """These labs pay in more than they will ever use."""
        for name in labs:
            for asset in self.world.assets.values():
                self._pay_in(ENOUGH, self.world.labs[name], asset)

    def _begin_run(self) -> None:
        run = str(uuid.UUID(int=self.dice.getrandbits(128), version=4))
        self.runs[run] = self.dice.choice(list(self.world.labs.values()))
        self.open_runs.append(run)

    def _report(self) -> None:
        """A report of a run on something: new, grown, late, out of its order, or with a gap."""
        run = self.dice.choice(list(self.runs)[-RUNS_SPOKEN_OF:])
        name = self.dice.choice([*self.world.versions, UNKNOWN])
        subject = self.world.versions[name]["id"] if name != UNKNOWN else UNKNOWN
        stream = self.dice.choice(STREAMS)
        key = (run, subject, stream)
        records, tokens = self.counts.get(key, (0, 0))
        records += self.dice.choice([0, 1, 2, 7, 50])
        tokens += self.dice.choice([0, 3, 1_000])
        number = self.sequences[key] + self.dice.choice([1, 1, 1, 2, 0, -1])
        number = max(number, 0)
        if number > self.sequences[key] or key not in self.counts:
            self.sequences[key], self.counts[key] = number, (records, tokens)
        numbers = (number, records, tokens)
        terms = self.world.terms(name) if name in LICENSED else FREE
        self.model.hear(run, subject, terms, stream, numbers)
        self._tell(run, subject=subject, stream=stream, counts=numbers)

    def _end(self, run: str) -> None:
        self.open_runs.remove(run)
        self._tell(run, is_end=True)

    def _tell(self, run: str, **what: Any) -> None:
        number = next(self._numbers)
        self.told.append(jobs.Told(number, self.runs[run], run, self.now, **what))

    def _pay_in(self, units: int, lab: str = "", asset: int = 0) -> None:
        number = next(self._numbers)
        lab = lab or self.dice.choice(list(self.world.labs.values()))
        asset = asset or self.dice.choice(list(self.world.assets.values()))
        one = jobs.Paid(number, lab, asset, units, f"wire {number}", self.now)
        self.model.deposits[one.reference] = (lab, str(asset), units)
        self.paid.append(one)

    def heard(self, worker: Worker) -> None:
        """What a worker acknowledged need not be said again."""
        done = {one for one in worker.said if isinstance(one, int)}
        self._said += [one for one in self.told if one.number in done]
        self.told = [one for one in self.told if one.number not in done]
        self._booked += [one for one in self.paid if one.number in done]
        self.paid = [one for one in self.paid if one.number not in done]
        self.model.arrived |= {one.reference for one in self._booked}

    def reports(self) -> list[jobs.Told]:
        """What waits to be said, after some of what was said before."""
        return [*self._again(self._said), *self.told]

    def payments(self) -> list[jobs.Paid]:
        """What waits to be booked, after some of what was booked before."""
        return [*self._again(self._booked), *self.paid]

    def _again(self, done: list[Any]) -> list[Any]:
        last = done[-40:]
        return self.dice.sample(last, min(2, len(last)))
