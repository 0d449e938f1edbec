"""How charging a usage costs as charges pile up: batches of 50,000 until so many are made."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

from tests.bench import lines
from tests.bench.figures import Figures

BATCH = 50_000
EARLY = 100_000
AT_ONCE = 20_000
# Medians are of so many batches.
AROUND = 5


def measure(figures: Figures, usages: int, owners: int, plot_to: Path | None) -> None:
    """Bill `usages` among `owners`; how much longer one takes at the end than at 100,000."""
    from tests.bench import billing
    from tests.bench.billing_world import World

    world = World(owners)
    _open_weights(world)
    billing.warm(world, [BATCH], among=owners)
    points = []
    for done in range(0, usages, BATCH):
        points.append((done + BATCH, billing.bill(world, BATCH, among=owners)[0] / BATCH))
        if done % 1_000_000 == 0:
            print(f"{done + BATCH} usages, {points[-1][1] * 1e6:.1f} us each", file=sys.stderr)
    early = [cost for done, cost in points if done > EARLY][:AROUND]
    late = [cost for _, cost in points][-AROUND:]
    name = f"{usages:,} usages, {owners:,} owners"
    for figure, costs in (("early_us_per_usage", early), ("late_us_per_usage", late)):
        figures.add(set=name, figure=figure, value=statistics.median(costs) * 1e6, unit="us")
    grown = statistics.median(late) / statistics.median(early)
    figures.add(set=name, figure="growth_10m_x_100k", value=grown, unit="x", note="late by early")
    if plot_to:
        drawn = [(done / 1e6, cost * 1e6) for done, cost in points]
        lines.draw(plot_to, {"microseconds a usage": drawn}, "millions of usages charged before")


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
