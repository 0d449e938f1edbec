"""`./run faults [--kills N] [--seed S]`: kill the money's workers and servers, and count faults.

Figures are JSON lines on stdout; what is going on is told on stderr. The exit status is 1 where
anything was violated, or a mutant was not caught.
"""

from __future__ import annotations

import argparse
import gc

from tests.faults.money.place import Place, temporary

PARTS = ("kills", "queue", "mutants")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run faults")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=PARTS, action="append", help="leave the other parts out")
    parser.add_argument("--mutants", type=int, help="try only so many, the first")
    given = parser.parse_args()
    with temporary() as place:
        return run(place, given)


def run(place: Place, given: argparse.Namespace) -> int:
    """Kill, empty the queue, and try the mutants; the exit status."""
    from django.core.management import call_command

    from tests.faults.money import preparation
    from tests.faults.money.parts import Report

    call_command("migrate", database="owner", verbosity=0)
    world = preparation.prepare(place, given.seed)
    gc.freeze()
    report = Report(place, world, given.seed)
    parts = given.only or PARTS
    if "kills" in parts:
        report.kill(given.kills)
    if "queue" in parts:
        report.empty_the_queue()
    if "mutants" in parts:
        report.try_mutants(given.mutants)
    report.figures.table()
    return 1 if report.is_bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
