"""What an owner earned, by dataset, lab, purpose and month: the same shares that statements show.

Set-based: a year of a hundred thousand usages is one statement of the database.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from django.db import connection
from django.db.models import Sum

from compensation.models import Account, Asset, Entry, Line
from provenance.models import Party, Purpose

GROUPINGS = ("month", "dataset", "lab", "purpose")

# The growth of the account's lifetime credit with each charge, as pricing.credit has it: exact,
# so that the sums are those of the statements' lines.
_EARNED = """
SELECT e.period_id, d.title, lab.name, coalesce(u.purpose, ''), count(*),
       sum(div(c.running_units * w.weight::numeric, v.weight_sum::numeric)
         - div((c.running_units - c.amount_units) * w.weight::numeric, v.weight_sum::numeric))
  FROM compensation_account a
  JOIN compensation_weight w ON w.account_id = a.id
  JOIN compensation_weightversion v ON v.id = w.weight_version_id
  JOIN compensation_charge c ON c.weight_version_id = v.id AND c.running_units IS NOT NULL
  JOIN compensation_entry e ON e.id = c.entry_id
  JOIN compensation_account payer ON payer.id = c.account_id
  JOIN provenance_party lab ON lab.id = payer.party_id
  JOIN provenance_datasetversion n ON n.id = v.version_id
  JOIN provenance_dataset d ON d.id = n.dataset_id
  LEFT JOIN provenance_usage u ON u.id = c.usage_id
 WHERE a.party_id = %(party)s AND a.asset_id = %(asset)s AND a.kind = %(kind)s
   AND e.period_id BETWEEN %(first)s AND %(last)s
 GROUP BY 1, 2, 3, 4
 ORDER BY 1 DESC, 2, 3, 4
"""


@dataclass(frozen=True)
class Earned:
    """What one dataset earned in a month from one lab for one purpose, in units of the asset."""

    month: str
    dataset: str
    lab: str
    purpose: str
    charge_count: int
    amount_units: int


@dataclass(frozen=True)
class Group:
    """A sum of `Earned` under one name."""

    name: str
    charge_count: int
    amount_units: int


def earned(*, party: Party, asset: Asset, first: str, last: str) -> list[Earned]:
    """What use earned `party` in the months `first` to `last` (`2026-03`), newest first."""
    named: dict[str, Any] = {
        "party": party.pk,
        "asset": asset.pk,
        "kind": Account.Kind.OWNER_PENDING,
        "first": first,
        "last": last,
    }
    with connection.cursor() as cursor:
        cursor.execute(_EARNED, named)
        rows = cursor.fetchall()
    labels = dict(Purpose.choices)
    return [
        Earned(month, dataset, lab, str(labels.get(purpose, purpose)), int(count), int(units))
        for month, dataset, lab, purpose, count, units in rows
    ]


def grouped(rows: list[Earned], by: str) -> list[Group]:
    """The rows summed by one of GROUPINGS: months newest first, others by what they earned."""
    assert by in GROUPINGS, by
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        total = sums[getattr(row, by)]
        total[0] += row.charge_count
        total[1] += row.amount_units
    found = [Group(name, count, units) for name, (count, units) in sums.items()]
    if by == "month":
        return sorted(found, key=attrgetter("name"), reverse=True)
    return sorted(found, key=lambda one: (-one.amount_units, one.name))


def moved_by_decisions(*, party: Party, asset: Asset, first: str, last: str) -> int:
    """What decisions in conflicts moved to the party in these months, or, negative, away."""
    lines = Line.objects.filter(
        account__party=party,
        account__asset=asset,
        account__kind=Account.Kind.OWNER_PENDING,
        entry__kind__in=(Entry.Kind.RESTATEMENT, Entry.Kind.RECOVERY),
        entry__period__gte=first,
        entry__period__lte=last,
    )
    return int(lines.aggregate(total=Sum("amount_units"))["total"] or 0)
