"""`./run faults [--kills N] [--seed S]`: kill the money's workers and servers, and count faults.

Figures are JSON lines on stdout; what is going on is told on stderr. The exit status is 1 where
anything was violated, or a mutant was not caught.
"""

from __future__ import annotations

import argparse
import gc
import sys

from tests.bench.figures import Figures
from tests.faults.money.place import Place, temporary


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run faults")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with temporary() as place:
        return run(place, given.kills, given.seed)


def run(place: Place, kills: int, seed: int) -> int:
    """Kill, then try the mutants; the exit status."""
    from django.core.management import call_command

    from tests.faults.money import preparation
    from tests.faults.money.campaign import Campaign, on_stderr

    figures = Figures("faults")
    call_command("migrate", database="owner", verbosity=0)
    world = preparation.prepare(place, seed)
    gc.freeze()
    with place.copy("money"):
        campaign = Campaign(place, world, seed)
        tally = campaign.run(kills=kills, rounds=sys.maxsize, say=on_stderr)
    for line in tally.violations:
        on_stderr(line)
    figures.add(set="money", figure="kills", value=tally.killed)
    figures.add(set="money", figure="restarts", value=place.restarts)
    figures.add(set="money", figure="usages", value=len(campaign.driver.model.used))
    figures.add(set="money", figure="violations", value=len(tally.violations))
    print(
        tally.kills,
        {k: (len(tally.died[k] & v), len(v)) for k, v in tally.seen.items()},
        file=sys.stderr,
    )
    figures.table()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
