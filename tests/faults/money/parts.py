"""The three parts of the harness, and the figures that each of them makes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

from tests.bench.figures import Figures
from tests.faults.money import broker, mutants
from tests.faults.money.campaign import Campaign, Tally
from tests.faults.money.place import Place
from tests.faults.money.world import World

DATABASE = "money"


class Report:
    """What was done so far and found, as figures."""

    def __init__(self, place: Place, world: World, seed: int) -> None:
        self.place, self.world, self.seed = place, world, seed
        self.figures = Figures("faults")
        self.is_bad = False

    def kill(self, kills: int) -> None:
        """Kill so many workers and servers at their work, and look after each round."""
        began = time.monotonic()
        with self.place.copy(DATABASE):
            campaign = Campaign(self.place, self.world, self.seed)
            tally = campaign.run(kills=kills, rounds=sys.maxsize, say=_tell)
        how = ", ".join(f"{count} {name}" for name, count in sorted(tally.kills.items()))
        add, money = self.figures.add, "money"
        add(set=money, figure="kills", value=tally.killed, note=how)
        add(set=money, figure="restarts", value=self.place.restarts, note="of servers")
        add(set=money, figure="usages", value=len(campaign.driver.model.used))
        add(set=money, figure="steps", value=sum(map(len, tally.seen.values())))
        add(set=money, figure="steps_died_at", value=_died(tally))
        add(set=money, figure="seconds", value=time.monotonic() - began, unit="s")
        self._violations(money, tally.violations)

    def empty_the_queue(self) -> None:
        """Throw hints away, kill Celery's workers, and move their clocks a day."""
        done = broker.empty(self.place, self.world, self.seed, _tell)
        add, queue = self.figures.add, "queue"
        add(set=queue, figure="hints_thrown_away", value=done.hints)
        add(set=queue, figure="kills", value=done.kills)
        add(set=queue, figure="usages", value=done.usages)
        self._violations(queue, done.violations)

    def try_mutants(self, at_most: int | None) -> None:
        """See that each way to get money wrong is noticed."""
        began, missed = time.monotonic(), []
        self.place.make_fast()
        sound = mutants.attempt(mutants.SLOW, self.place, self.world, self.seed, known={})
        self._violations("mutants", sound.violations)
        names = list(mutants.MUTANTS)[:at_most]
        for name in names:
            words = mutants.caught(name, self.place, self.world, self.seed, sound.seen)
            last = words.strip().splitlines()[-1] if words else "NOT CAUGHT"
            _tell(f"mutant ({time.monotonic() - began:.0f} s): {name}: {last}")
            if not words:
                missed.append(name)
        add, all_of_them = self.figures.add, "mutants"
        caught = len(names) - len(missed)
        add(set=all_of_them, figure="mutants_caught", value=caught, note="; ".join(missed))
        add(set=all_of_them, figure="mutants_total", value=len(names))
        add(set=all_of_them, figure="seconds", value=time.monotonic() - began, unit="s")
        self.is_bad = self.is_bad or bool(missed)

    def _violations(self, part: str, found: Iterable[str]) -> None:
        violations = list(found)
        for one in violations:
            _tell(f"VIOLATION: {one}")
        self.figures.add(set=part, figure="violations", value=len(violations))
        self.is_bad = self.is_bad or bool(violations)


def _died(tally: Tally) -> int:
    return sum(len(tally.died[job] & steps) for job, steps in tally.seen.items())


def _tell(line: str) -> None:
    """Say how far it is."""
    print(line, file=sys.stderr, flush=True)
