"""How charging a usage costs as charges pile up: batches of 50,000 until so many are made.

By the clock, and by the CPU time of the server's process. What a machine gives wanders within
minutes by more than charges cost: so a copy of the ledger as it was after 100,000 usages is billed
in turns with the one that has them all, and neighbours in time are compared.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.bench import lines
from tests.bench.figures import Figures

BATCH = 50_000
# The ledger as `billing.warm` leaves it, kept to be copied; and the copy of it that is billed.
YOUNG, COPY = "bench_young", "bench_young_copy"
AT_ONCE = 20_000
PAIRS = 20
# A database is copied when nobody is connected; autovacuum is, now and then.
PATIENCE_SECONDS = 60.0

Points = list[tuple[int, float]]
# A batch: microseconds a usage by the clock, and of the server's CPU.
Cost = tuple[float, float]


def measure(figures: Figures, server: Any, usages: int, owners: int, plot_to: Path | None) -> None:
    """Bill `usages` among `owners`; how much longer one takes at the end than after 100,000."""
    from tests.bench import billing
    from tests.bench.billing_world import World

    world = World(owners)
    _open_weights(world)
    billing.warm(world, [BATCH], among=owners)
    main = _use(None)
    _copy(server, YOUNG, main)
    clock, cpu = Points(), Points()
    for done in range(0, usages, BATCH):
        spent, worked = _bill(world, owners)
        clock.append((done + BATCH, spent))
        cpu.append((done + BATCH, worked))
        if done % 1_000_000 == 0:
            print(f"{done + BATCH} usages, {spent:.1f} us each", file=sys.stderr)
    pairs = [_pair(world, server, main, owners) for _ in range(PAIRS)]
    name = f"{usages:,} usages, {owners:,} owners"
    _compare(figures, name, [(young[0], old[0]) for young, old in pairs], "", "by the clock")
    worked_pairs = [(young[1], old[1]) for young, old in pairs]
    _compare(figures, name, worked_pairs, "_server_cpu", "CPU time of the server's process")
    if plot_to:
        curves = {"microseconds a usage": clock, "of CPU in the server": cpu}
        drawn = {
            label: [(done / 1e6, cost) for done, cost in curve] for label, curve in curves.items()
        }
        lines.draw(plot_to, drawn, "millions of usages charged before")


def _pair(world: Any, server: Any, main: str, owners: int) -> tuple[Cost, Cost]:
    """A batch on a new copy of the young ledger and one on the old, each after one to warm up."""
    _copy(server, COPY, YOUNG)
    costs = []
    for name in (COPY, main):
        _use(name)
        _bill(world, owners)
        costs.append(_bill(world, owners))
    server.drop_database(COPY)
    return costs[0], costs[1]


def _bill(world: Any, owners: int) -> Cost:
    from tests.bench import billing

    process = psutil.Process(_backend())
    before = process.cpu_times()
    spent, _ = billing.bill(world, BATCH, among=owners)
    after = process.cpu_times()
    worked = after.user - before.user + after.system - before.system
    return spent / BATCH * 1e6, worked / BATCH * 1e6


def _use(name: str | None) -> str:
    """Let billing go to the database `name` from now on; without one, leave. Where it was."""
    from django.db import connections

    for one in connections.all():
        one.close()
    billing = connections["default"]
    before = str(billing.settings_dict["NAME"])
    billing.settings_dict["NAME"] = name or before
    return before


def _copy(server: Any, name: str, of: str) -> None:
    """Make the database `name` as a copy."""
    _use(of)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            server.create_database(name, template=of)
        except psycopg.errors.ObjectInUse:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def _compare(
    figures: Figures, name: str, pairs: list[tuple[float, float]], suffix: str, note: str
) -> None:
    """The medians of both sides, and of what the old takes for each that the young takes."""
    early = statistics.median(young for young, _ in pairs)
    late = statistics.median(old for _, old in pairs)
    for figure, cost in (("early_us_per_usage", early), ("late_us_per_usage", late)):
        figures.add(set=name, figure=f"{figure}{suffix}", value=cost, unit="us", note=note)
    growth = statistics.median(old / young for young, old in pairs)
    figures.add(set=name, figure=f"growth_10m_x_100k{suffix}", value=growth, unit="x", note=note)


def _backend() -> int:
    """The process of the server that answers this connection."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _open_weights(world: Any) -> None:
    """Open the weights of all that is for sale, so that early batches do not pay for it."""
    from compensation import weights
    from provenance.models import DatasetVersion
    from tests.bench.billing_world import AT

    for first in range(0, len(world.versions), AT_ONCE):
        some = world.versions[first : first + AT_ONCE]
        versions = DatasetVersion.objects.select_related("dataset__owner").in_bulk(some)
        revenues = [weights.Revenue(one, world.asset, "records") for one in versions.values()]
        weights.ensure(revenues, at=AT)
