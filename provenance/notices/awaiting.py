"""Which deadlines that parties were told of still run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from provenance.models import Notice
from provenance.notices.kinds import kind_of

RECALL = "deadline.near"


def awaited(rows: Sequence[Notice], at: datetime) -> set[UUID]:
    """Those of some notices, with their parties loaded, whose party is still awaited at `at`.

    A recall is asked as what it recalls; a kind that cannot be asked awaits until its deadline.
    """
    recalled = [row.about for row in rows if row.kind == RECALL]
    firsts = Notice.objects.select_related("party").in_bulk(recalled) if recalled else {}
    of: dict[UUID, Notice] = {}
    for row in rows:
        first = firsts.get(UUID(row.about)) if row.kind == RECALL else row
        if first is not None and first.deadline_at is not None:
            of[row.pk] = first
    groups = defaultdict(list)
    for first in {one.pk: one for one in of.values()}.values():
        groups[kind_of(first.kind).awaited or _still_runs].append(first)
    found = {pk for ask, some in groups.items() for pk in ask(some, at)}
    return {pk for pk, first in of.items() if first.pk in found}


def _still_runs(rows: Sequence[Notice], at: datetime) -> set[UUID]:
    return {row.pk for row in rows if row.deadline_at is not None and row.deadline_at > at}
