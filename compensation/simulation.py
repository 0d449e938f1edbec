"""What past use would have brought at another rate: before an owner sets a price.

Reckoned with the functions that price quotes; nothing is kept, and nobody is charged.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from compensation import months, pricing
from compensation.pricing import Count
from provenance.models import Licence, Purpose, Rate, Usage

Key = tuple[uuid.UUID, str, str]
"""A lab, a month, a purpose."""


@dataclass(frozen=True)
class Row:
    """What one month's use for one purpose would have brought, in units of the rate's asset."""

    month: str
    purpose: str
    lab_count: int
    usage_count: int
    amount_units: int


@dataclass(frozen=True)
class Simulation:
    """What a rate would have brought from `since` to `until`."""

    rows: list[Row]
    since: datetime
    until: datetime

    @property
    def amount_units(self) -> int:
        """In all."""
        return sum(row.amount_units for row in self.rows)

    @property
    def usage_count(self) -> int:
        """Of how many uses."""
        return sum(row.usage_count for row in self.rows)


def simulate(*, licence: Licence, rate: Rate, since: datetime, until: datetime) -> Simulation:
    """Price what the dataset of `licence` was used for, within its purposes, at `rate`.

    A plan counts per lab and calendar month over all purposes, as billing does, its minimum
    included; what a month adds is shared out by purpose in the order of use. Other datasets at the
    same plan are not counted in.
    """
    schedule = pricing.schedule(rate)
    so_far: dict[tuple[uuid.UUID, str], int] = defaultdict(int)
    amounts: dict[Key, int] = defaultdict(int)
    counts: dict[Key, int] = defaultdict(int)
    for lab, month, purpose, count in _uses(licence, since, until):
        quantity = pricing.quantity(rate.basis, count)
        before = so_far[lab, month] if rate.plan is not None else 0
        amounts[lab, month, purpose] += schedule.price(before + quantity) - schedule.price(before)
        so_far[lab, month] += quantity
        counts[lab, month, purpose] += 1
    if rate.plan is not None:
        _top_up(amounts, rate.plan.minimum_units)
    return Simulation(_rows(amounts, counts), since, until)


def _uses(
    licence: Licence, since: datetime, until: datetime
) -> Iterator[tuple[uuid.UUID, str, str, Count]]:
    """Each use as it is priced: records as reported, tokens by the sealed count."""
    rows = (
        Usage.objects.told_to_owners(timezone.now())
        .filter(
            version__dataset=licence.dataset,
            purpose__in=licence.purposes,
            used_at__gte=since,
            used_at__lt=until,
        )
        .select_related("run", "version")
    )
    for row in rows.order_by("used_at", "pk").iterator(chunk_size=2_000):
        assert row.version is not None, "a use of this dataset has its version"
        count = Count(row.record_count, row.tokens_used, row.epoch_count, row.fetch_count)
        yield row.run.lab_id, months.name_of(row.used_at), row.purpose, count


def _top_up(amounts: dict[Key, int], minimum_units: int) -> None:
    """Add what a lab's month of use lacks of the minimum, to its first purpose."""
    sums: dict[tuple[uuid.UUID, str], int] = defaultdict(int)
    for (lab, month, _purpose), amount in amounts.items():
        sums[lab, month] += amount
    for (lab, month, purpose), _amount in list(amounts.items()):
        missing = max(minimum_units - sums.pop((lab, month), minimum_units), 0)
        amounts[lab, month, purpose] += missing


def _rows(amounts: dict[Key, int], counts: dict[Key, int]) -> list[Row]:
    """By month, the newest first, and by purpose."""
    labels = dict(Purpose.choices)
    groups: dict[tuple[str, str], list[Key]] = defaultdict(list)
    for key in amounts:
        groups[key[1], key[2]].append(key)
    return [
        Row(
            month=month,
            purpose=str(labels.get(purpose, purpose)),
            lab_count=len(keys),
            usage_count=sum(counts[key] for key in keys),
            amount_units=sum(amounts[key] for key in keys),
        )
        for (month, purpose), keys in sorted(groups.items(), reverse=True)
    ]
