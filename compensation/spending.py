"""What labs have spent, by month and project: added up from charges as entries come.

Billing tells nobody: like it, this pulls. Entries are numbered in the order in which they were
committed, so a mark of the last one seen misses none and takes none twice.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, Sum

from compensation.models import Account, Asset, JournalHead, Spending, SpendingMark
from provenance.models import Party, Project, Run

# What one step adds up at most.
ENTRIES = 50

_ADD = """
INSERT INTO compensation_spending AS s (account_id, project_id, month, spent_units)
SELECT c.account_id, r.project_id, to_char(c.charged_at AT TIME ZONE %(zone)s, 'YYYY-MM'),
       sum(c.amount_units)::bigint
  FROM compensation_charge c
  LEFT JOIN provenance_usage u ON u.id = c.usage_id
  LEFT JOIN provenance_run r ON r.id = u.run_id
 WHERE c.entry_id > %(after)s AND c.entry_id <= %(upto)s AND c.amount_units <> 0
 GROUP BY 1, 2, 3
    ON CONFLICT (account_id, project_id, month)
    DO UPDATE SET spent_units = s.spent_units + excluded.spent_units
RETURNING s.account_id
"""
_CAPPED = """
SELECT DISTINCT r.id
  FROM compensation_charge c
  JOIN provenance_usage u ON u.id = c.usage_id
  JOIN provenance_run r ON r.id = u.run_id AND r.cap_units IS NOT NULL
 WHERE c.entry_id > %(after)s AND c.entry_id <= %(upto)s AND c.amount_units <> 0
"""


class Touched:
    """Whose spending grew: accounts and capped runs, by their ids."""

    def __init__(self) -> None:
        self.accounts: set[int] = set()
        self.runs: set[UUID] = set()
        self.entry_count = 0


@transaction.atomic
def add_up() -> Touched:
    """Add up the charges of the next entries; whose spending that touched."""
    touched = Touched()
    mark = SpendingMark.objects.select_for_update().get()
    head = JournalHead.objects.get().number
    upto = min(head, mark.number + ENTRIES)
    if upto <= mark.number:
        return touched
    given: dict[str, int | str] = {"after": mark.number, "upto": upto, "zone": settings.PERIOD_ZONE}
    with connection.cursor() as cursor:
        cursor.execute(_ADD, given)
        touched.accounts = {row[0] for row in cursor.fetchall()}
        cursor.execute(_CAPPED, given)
        touched.runs = {row[0] for row in cursor.fetchall()}
    touched.entry_count = upto - mark.number
    mark.number = upto
    mark.save(update_fields=["number"])
    return touched


def month_of(moment: datetime) -> str:
    """The month that a moment falls in, in the zone of the service."""
    return f"{moment.astimezone(ZoneInfo(settings.PERIOD_ZONE)):%Y-%m}"


def spent(*, lab: Party, asset: Asset, project: Project | None, months: tuple[str, str]) -> int:
    """What a lab was charged from one month to another (both included); in `project` if named."""
    rows = Spending.objects.filter(
        account__party=lab,
        account__asset=asset,
        account__kind=Account.Kind.LAB,
        month__gte=months[0],
        month__lte=months[1],
    )
    if project is not None:
        rows = rows.filter(project=project)
    return int(rows.aggregate(total=Sum("spent_units"))["total"] or 0)


def charged(run: Run, asset: Asset) -> int:
    """What a root run was charged so far; the rule by which billing keeps its cap."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT compensation_run_charged(%s, %s)", [run.pk, asset.pk])
        return int(cursor.fetchone()[0])


def open_caps(*, lab: Party, asset: Asset, project: Project | None) -> int:
    """What runs under way may still be charged before they reach their caps."""
    runs = Run.objects.filter(
        Q(project=project) if project else Q(),
        lab=lab,
        state=Run.State.RUNNING,
        cap_asset=asset.code,
    )
    return sum(max(0, (run.cap_units or 0) - charged(run, asset)) for run in runs)
