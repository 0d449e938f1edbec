"""`./run faults --chain [--steps N] [--seed S]`: let everything go wrong between books and chain.

Figures are JSON lines on stdout; what is going on is told on stderr. The exit status is 1 where
anything was paid twice, lost or stuck, or a mutant was not caught.
"""

from __future__ import annotations

import argparse
import gc
import logging
import random
import sys
import time
from collections import Counter
from importlib import import_module
from typing import TYPE_CHECKING

from tests.anvil import Anvil, AnvilMissing, anvil
from tests.bench.figures import Figures
from tests.faults.money.place import Place, temporary

if TYPE_CHECKING:
    from tests.faults.chain.chapter import Tally

DATABASE = "chain"
CHAPTER_STEPS = 250
SLOW_TO_LOAD = ("web3", "eth_account", "numpy")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="./run faults --chain")
    parser.add_argument("--chain", action="store_true", help="this harness")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutants", type=int, help="try only so many, the first")
    given = parser.parse_args(arguments)
    for module in SLOW_TO_LOAD:
        import_module(module)
    try:
        with temporary() as place:
            return Campaign(place, given.seed).run(given.steps, given.mutants)
    except AnvilMissing as missing:
        raise SystemExit(f"./run faults --chain needs anvil: {missing}") from missing


class Campaign:
    """Chapters, each on a fresh copy of the world and its chain, and then the mutants."""

    def __init__(self, place: Place, seed: int) -> None:
        from django.core.management import call_command

        from tests.faults.chain import world

        self.place, self.seed = place, seed
        self.lost_messages: Counter[str] = Counter()
        self.figures = Figures("faults")
        # Lost replies and reverted transactions are what this is about: nobody needs to be told.
        logging.disable(logging.ERROR)
        call_command("migrate", database="owner", verbosity=0)
        with anvil() as chain:
            _use(chain)
            self.world = world.build(chain)
            self.chain_state = chain.rpc("anvil_dumpState", True)
        place.make_fast()
        gc.freeze()

    def run(self, steps: int, at_most: int | None) -> int:
        """The chapters, then the mutants; the exit status."""
        is_bad = self._try_steps(steps)
        is_bad = self._try_mutants(at_most) or is_bad
        self.figures.table()
        return 1 if is_bad else 0

    def _try_steps(self, steps: int) -> bool:
        from tests.faults.chain.chapter import Tally

        began, whole = time.monotonic(), Tally()
        while whole.steps < steps and not whole.outcome.failed:
            number = whole.steps // CHAPTER_STEPS
            wanted = min(CHAPTER_STEPS, steps - whole.steps)
            tally = self.chapter(self.seed * 1_000 + number, wanted)
            whole.add(tally)
            for fault in tally.outcome.faults:
                tell(f"FAULT (seed {self.seed}, chapter {number}): {fault}")
            tell(f"{whole.steps} steps, {whole.kills} kills ({time.monotonic() - began:.0f} s)")
        outcome, add = whole.outcome, self.figures.add
        how = ", ".join(f"{count} {name}" for name, count in sorted(whole.troubles.items()))
        add(set="chain", figure="steps", value=whole.steps, note=how)
        add(set="chain", figure="kills", value=whole.kills, note="of workers")
        lost = ", ".join(f"{count} {name}" for name, count in sorted(self.lost_messages.items()))
        add(set="chain", figure="messages_lost", value=self.lost_messages.total(), note=lost)
        for name in ("overpaid", "lost", "stuck", "failed"):
            add(set="chain", figure=name, value=len(getattr(outcome, name)))
        add(set="chain", figure="seconds", value=time.monotonic() - began, unit="s")
        return bool(outcome.faults)

    def _try_mutants(self, at_most: int | None) -> bool:
        from tests.faults.chain import mutants

        began, missed = time.monotonic(), []
        names = list(mutants.MUTANTS)[:at_most]
        if names and (words := mutants.unchanged(self)):
            tell(f"FAULT (seed {self.seed}, without a mutant): {words}")
            return True
        for name in names:
            words = mutants.caught(name, self)
            last = words.splitlines()[-1] if words else "NOT CAUGHT"
            tell(f"mutant ({time.monotonic() - began:.0f} s): {name}: {last}")
            if not words:
                missed.append(name)
        caught, add = len(names) - len(missed), self.figures.add
        add(set="chain", figure="mutants_caught", value=caught, note="; ".join(missed))
        add(set="chain", figure="mutants_total", value=len(names))
        add(set="chain", figure="mutant_seconds", value=time.monotonic() - began, unit="s")
        return bool(missed)

    def chapter(self, seed: int, steps: int, *, is_busy: bool = False) -> Tally:
        """One chapter on a fresh copy of the world and of its chain."""
        from tests.faults.chain.chapter import BUSY, BUSY_MANNERS, Chapter
        from tests.faults.chain.proxy import Proxy

        with self.place.copy(DATABASE, with_chain=False), anvil() as chain:
            chain.rpc("anvil_loadState", self.chain_state)
            _use(chain)
            proxy = Proxy(chain.port, random.Random(seed))
            try:
                chapter = Chapter(self.place, self.world, chain, proxy, seed)
                if is_busy:
                    chapter.troubles, chapter.manners = BUSY, BUSY_MANNERS
                return chapter.run(steps)
            finally:
                proxy.stop()
                self.lost_messages += proxy.lost


def _use(chain: Anvil) -> None:
    from django.conf import settings

    from tests.faults.chain.world import CONFIRMATIONS

    settings.CHAIN_RPC_URL, settings.CHAIN_CONFIRMATIONS = chain.url, CONFIRMATIONS


def tell(line: str) -> None:
    """Say how far it is."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
