"""Reports of use as facts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import QuerySet

from compensation import stakes
from compensation.policies.matters import USE, Matter, add_stakes, percent, whole
from provenance.models import Usage

AT_ONCE = 1_000


def uses(rows: QuerySet[Usage], *, names: Collection[str]) -> Iterator[Matter]:
    """The rows in their order, each as facts; what was charged only where it is named."""
    found = rows.select_related("run__lab", "version__dataset__owner")
    rest = found.iterator(AT_ONCE)
    while batch := list(islice(rest, AT_ONCE)):
        matters = [_use(row) for row in batch]
        if {"stake", "assets"} & set(names):
            add_stakes(matters, stakes.of_usages([row.pk for row in batch]))
        yield from matters


def _use(row: Usage) -> Matter:
    dataset = row.version.dataset if row.version is not None else None
    lab = row.run.lab.namespace
    owner = dataset.owner.namespace if dataset is not None else ""
    facts = {
        "purpose": row.purpose,
        "parties": sorted({lab, owner} - {""}),
        "lab": lab,
        "owner": owner,
        "dataset": dataset.name if dataset is not None else row.subject,
        "kind": dataset.kind if dataset is not None else "",
        "meter": row.meter,
        "records": row.record_count,
        "tokens": row.token_count,
        "epochs": row.epoch_count,
        "fetches": row.fetch_count,
        "share": percent(row.record_count, row.version.record_count if row.version else 0),
        "is_granted": not row.is_ungranted and not row.is_unknown,
        "is_signed": row.is_signed,
        "is_withdrawn": row.is_of_withdrawn,
        "days_late": whole(max(row.reported_at - row.used_at, timedelta(0)).days),
        "stake": 0,
        "assets": [],
    }
    return Matter(USE, str(row.pk), row.reported_at, None, row.pk, facts)


def reported(*, since: datetime, until: datetime) -> QuerySet[Usage]:
    """What was reported in a stretch of time, the oldest first."""
    rows = Usage.objects.filter(reported_at__gt=since, reported_at__lte=until)
    return rows.order_by("reported_at", "pk")
