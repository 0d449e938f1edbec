"""What test runs would have cost: by the rules of billing, and counted among test runs alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from compensation import months, pricing
from compensation.models import TrialUsage
from compensation.pricing import Count
from provenance import plans
from provenance.models import Party, Rate


@dataclass(frozen=True)
class Cost:
    """What would have been charged, in whole units of an asset."""

    asset: str
    amount_units: int


def costs_of(rows: Iterable[TrialUsage]) -> dict[UUID, Cost]:
    """What each of a lab's usages would have cost; those that have no price are left out.

    Tiers, quotas and caps of a plan count the month's test runs in the order of their use.
    """
    wanted = {row.pk: row for row in rows if row.rate_id is not None}
    found: dict[UUID, Cost] = {}
    planned: set[tuple[UUID, int]] = set()
    for row in _ready(wanted):
        assert row.rate is not None
        if row.rate.plan_id is not None:
            planned.add((row.lab_id, row.rate.plan_id))
            continue
        units = pricing.schedule(row.rate).price(quantity_of(row, row.rate))
        found[row.pk] = Cost(row.rate.asset, units)
    for lab_id, plan_id in sorted(planned):
        of_plan = _of_plan(lab_id, plan_id)
        found |= {key: cost for key, cost in of_plan.items() if key in wanted}
    return found


def total_of(rows: Iterable[TrialUsage]) -> list[Cost]:
    """What they come to, asset by asset."""
    sums: dict[str, int] = defaultdict(int)
    for cost in costs_of(rows).values():
        sums[cost.asset] += cost.amount_units
    return [Cost(asset, units) for asset, units in sorted(sums.items())]


def quantity_of(row: TrialUsage, rate: Rate) -> int:
    """What `rate` counts of a use, as billing does: tokens by the sealed count."""
    version = row.version
    tokens = plans.tokens_used(
        record_count=row.record_count,
        reported_tokens=row.token_count,
        version_records=version.record_count if version else 0,
        version_tokens=version.token_count if version else 0,
    )
    return pricing.quantity(
        rate.basis, Count(row.record_count, tokens, row.epoch_count, row.fetch_count)
    )


def used_before(lab: Party, rate: Rate, period: str) -> int:
    """How much of the plan of `rate` was used in a month by test runs."""
    rows = TrialUsage.objects.filter(
        lab=lab,
        rate__plan=rate.plan_id,
        rate__asset=rate.asset,
        used_at__gte=months.start(period),
        used_at__lt=months.end(period),
    ).select_related("rate", "version")
    return sum(quantity_of(row, row.rate) for row in rows if row.rate is not None)


def _of_plan(lab_id: UUID, plan_id: int) -> dict[UUID, Cost]:
    """The growth of a plan's price with each use, month by month and asset by asset."""
    so_far: dict[tuple[str, str], int] = defaultdict(int)
    found: dict[UUID, Cost] = {}
    rows = TrialUsage.objects.filter(lab=lab_id, rate__plan=plan_id)
    for row in rows.select_related("rate__plan", "version").order_by("used_at", "pk"):
        assert row.rate is not None
        schedule, quantity = pricing.schedule(row.rate), quantity_of(row, row.rate)
        key = (months.name_of(row.used_at), row.rate.asset)
        before = so_far[key]
        so_far[key] += quantity
        growth = schedule.price(before + quantity) - schedule.price(before)
        found[row.pk] = Cost(row.rate.asset, growth)
    return found


def _ready(wanted: dict[UUID, TrialUsage]) -> Iterable[TrialUsage]:
    """The rows with what prices them."""
    rows = TrialUsage.objects.filter(pk__in=list(wanted))
    return rows.select_related("rate__plan", "version")
