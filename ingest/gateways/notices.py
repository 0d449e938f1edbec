"""What changes a report's answer afterwards: a lab finds it among its notices, and in the ledger.

Terms are looked at again for every report, whoever watches or not: licences, prices, grants that
begin, end or lapse, and withdrawals. Later registrations only concern those who opted in, for
nothing of the others' files is left to compare.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q
from django.utils.translation import gettext as _

from ingest.gateways.terms import Standing, Terms, terms_of, words
from ingest.models import ScreenedDataset, Screening, ScreeningNotice
from provenance import ledger

Cause = ScreeningNotice.Cause

CHECKED_EVERY = timedelta(minutes=1)
TOLD_FOR = timedelta(days=365)
"""So long after a report its lab is told of what changes it."""
BATCH = 500


def check_terms(*, at: datetime, most: int = 20 * BATCH) -> int:
    """Look at the terms of reported datasets again; how many notices that raised."""
    raised, done = 0, 0
    while done < most and (rows := _unchecked(at)):
        raised += sum(_check(some, at=at) for some in _by_question(rows).values())
        done += len(rows)
    return raised


def _unchecked(at: datetime) -> list[ScreenedDataset]:
    """Those that were not looked at for a while, the longest first."""
    return list(
        ScreenedDataset.objects.filter(
            checked_at__lte=at - CHECKED_EVERY, screening__finished_at__gt=at - TOLD_FOR
        )
        .select_related("screening__party", "dataset")
        .order_by("checked_at", "pk")[:BATCH]
    )


def _by_question(rows: Sequence[ScreenedDataset]) -> dict[tuple[UUID, str], list[ScreenedDataset]]:
    """The rows of each lab and purpose, which have the same answer."""
    found = defaultdict(list)
    for row in rows:
        found[row.screening.party_id, row.screening.purpose].append(row)
    return found


@transaction.atomic
def _check(rows: Sequence[ScreenedDataset], *, at: datetime) -> int:
    """Raise a notice for each row whose terms differ from what its lab was last told."""
    first = rows[0].screening
    datasets = {row.dataset_id for row in rows}
    now = terms_of(party=first.party, purpose=first.purpose, datasets=datasets, at=at)
    held = ScreenedDataset.objects.select_for_update(of=("self",)).in_bulk([r.pk for r in rows])
    raised = 0
    for row in rows:
        before, after = held[row.pk].terms, now[row.dataset_id]
        if before != after:
            is_gone = after["standing"] == Standing.WITHDRAWN
            cause = Cause.WITHDRAWN if is_gone else Cause.TERMS
            _raise(row.screening, row.dataset_id, cause, before, after, at=at)
            ScreenedDataset.objects.filter(pk=row.pk).update(terms=after)
            raised += 1
    ScreenedDataset.objects.filter(pk__in=held).update(checked_at=at)
    return raised


def of_registrations(screening: Screening, *, after: int, at: datetime) -> None:
    """Raise a notice for each dataset registered since that a watched file is like."""
    later = screening.matches.filter(is_later=True, version__sealed_sequence__gt=after)
    counted = later.values("version__dataset").annotate(
        rows=Count("row", filter=Q(holds=True), distinct=True),
        possible=Count("row", filter=Q(holds=False), distinct=True),
    )
    counts = {row["version__dataset"]: row for row in counted}
    known = terms_of(party=screening.party, purpose=screening.purpose, datasets=list(counts), at=at)
    for pk, row in counts.items():
        found = {"rows": row["rows"], "possible": row["possible"], "terms": known[pk]}
        _raise(screening, pk, Cause.REGISTERED, {"rows": 0, "possible": 0}, found, at=at)
        ScreenedDataset.objects.get_or_create(
            screening=screening, dataset_id=pk, defaults={"terms": known[pk], "checked_at": at}
        )


def _raise(
    screening: Screening,
    dataset_id: UUID,
    cause: Cause,
    before: Terms,
    after: Terms,
    *,
    at: datetime,
) -> None:
    ScreeningNotice.objects.create(
        screening=screening, dataset_id=dataset_id, cause=cause, before=before, after=after,
        made_at=at,
    )  # fmt: skip
    ledger.record(
        "screening.changed",
        at=at,
        subject_kind="screening",
        subject_id=screening.pk,
        party=screening.party,
        body={"dataset": dataset_id, "cause": cause.value},
    )


def sentence(notice: ScreeningNotice) -> str:
    """The notice in words, for the lab."""
    after: dict[str, Any] = notice.after
    if notice.cause == Cause.REGISTERED:
        return _(
            "%(rows)s rows of your file are like what was registered since, %(possible)s more "
            "may be. %(terms)s"
        ) % {
            "rows": f"{after['rows']:,}",
            "possible": f"{after['possible']:,}",
            "terms": words(after["terms"]),
        }
    return _("Before: %(before)s Now: %(now)s") % {
        "before": words(notice.before),
        "now": words(after),
    }


@transaction.atomic
def mark_seen(screening: Screening, *, at: datetime) -> int:
    """The lab has read its notices; how many were new."""
    return screening.notices.filter(seen_at__isnull=True).update(seen_at=at)
