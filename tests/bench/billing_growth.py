"""How charging a usage costs as charges pile up: batches of 50,000 until so many are made.

By the clock, and by the CPU time of the server's process, which other work on the machine changes
less.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

import psutil

from tests.bench import lines
from tests.bench.figures import Figures

BATCH = 50_000
EARLY = 100_000
AT_ONCE = 20_000
# Medians are of so many batches: a machine's speed wanders within minutes by more than the growth.
AROUND = 20

Points = list[tuple[int, float]]


def measure(figures: Figures, usages: int, owners: int, plot_to: Path | None) -> None:
    """Bill `usages` among `owners`; how much longer one takes at the end than at 100,000."""
    from tests.bench import billing
    from tests.bench.billing_world import World

    world = World(owners)
    _open_weights(world)
    billing.warm(world, [BATCH], among=owners)
    clock, server = Points(), Points()
    process = psutil.Process(_backend())
    for done in range(0, usages, BATCH):
        before = process.cpu_times()
        spent, _ = billing.bill(world, BATCH, among=owners)
        after = process.cpu_times()
        clock.append((done + BATCH, spent / BATCH * 1e6))
        worked = after.user - before.user + after.system - before.system
        server.append((done + BATCH, worked / BATCH * 1e6))
        if done % 1_000_000 == 0:
            print(f"{done + BATCH} usages, {clock[-1][1]:.1f} us each", file=sys.stderr)
    name = f"{usages:,} usages, {owners:,} owners"
    _compare(figures, name, clock, "", "by the clock")
    _compare(figures, name, server, "_server_cpu", "CPU time of the server's process")
    if plot_to:
        curves = {"microseconds a usage": clock, "of CPU in the server": server}
        drawn = {
            label: [(done / 1e6, cost) for done, cost in curve] for label, curve in curves.items()
        }
        lines.draw(plot_to, drawn, "millions of usages charged before")


def _compare(figures: Figures, name: str, points: Points, suffix: str, note: str) -> None:
    """The medians of the first batches after 100,000 usages and of the last, and their ratio."""
    early = statistics.median([cost for done, cost in points if done > EARLY][:AROUND])
    late = statistics.median([cost for _, cost in points][-AROUND:])
    for figure, cost in (("early_us_per_usage", early), ("late_us_per_usage", late)):
        figures.add(set=name, figure=f"{figure}{suffix}", value=cost, unit="us", note=note)
    figures.add(
        set=name, figure=f"growth_10m_x_100k{suffix}", value=late / early, unit="x", note=note
    )


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
