"""What was found of a candidate file: matches by row number, and nothing of the rows themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, F

from ingest import verdict
from ingest.gateways.answers import OF_STANDING, SEVERITY, Answer
from ingest.gateways.comparing import Alike
from ingest.gateways.terms import Standing, Terms
from ingest.models import ScreenedMatch, Screening
from ingest.screening import short_records
from provenance.models import DatasetVersion

# Of each row the worst answer, and how many rows have it.
ANSWERS = """
SELECT severity, count(*) FROM (
    SELECT max(CASE WHEN found.holds THEN known.severity ELSE %(possible)s END) AS severity
    FROM ingest_screenedmatch AS found
    JOIN provenance_datasetversion AS version ON version.id = found.version_id
    JOIN unnest(%(datasets)s::uuid[], %(severities)s::int[]) AS known (dataset, severity)
      ON known.dataset = version.dataset_id
    WHERE found.screening_id = %(screening)s AND NOT found.is_later AND NOT found.is_short
    GROUP BY found.row
) AS answered GROUP BY severity
"""


def keep(
    screening: Screening, numbers: Sequence[int], found: Sequence[Alike], *, is_later: bool = False
) -> None:
    """Store matches of rows, named by their numbers; safe to repeat."""
    ScreenedMatch.objects.bulk_create(
        (
            ScreenedMatch(
                screening=screening,
                row=numbers[row.place],
                version_id=row.earlier.version_id,
                record_id=row.earlier.record_id,
                kind=row.verdict.kind.value,
                jaccard=row.verdict.jaccard,
                containment=row.verdict.containment,
                score=row.verdict.score,
                holds=row.verdict.holds,
                is_short=row.is_short,
                is_later=is_later,
            )
            for row in found
        ),
        ignore_conflicts=True,
        batch_size=500,
    )


def forget(screening: Screening) -> None:
    """Delete what was found so far."""
    for kept in (screening.matches, screening.bad_rows, screening.prints, screening.datasets):
        kept.all().delete()


def count_short_copies(screening: Screening) -> None:
    """Let exact copies of short texts count where a version has too many for chance."""
    short = screening.matches.filter(is_short=True)
    counts = short.values("version").annotate(distinct=Count("record__digest", distinct=True))
    for row in counts:
        version = DatasetVersion.objects.get(pk=row["version"])
        theirs = short_records(version).count()
        if verdict.short_copies_count(row["distinct"], screening.short_count, theirs):
            short.filter(version=version).update(is_short=False)


def by_dataset(screening: Screening, *, is_later: bool = False) -> dict[UUID, dict[str, int]]:
    """Rows of each dataset by the kind of their match; `possible` are those that do not hold."""
    rows = (
        screening.matches.filter(is_short=False, is_later=is_later)
        .values("kind", "holds", dataset=F("version__dataset"))
        .annotate(count=Count("row", distinct=True))
    )
    found: dict[UUID, dict[str, int]] = {}
    for row in rows:
        counts = found.setdefault(
            row["dataset"], {"exact": 0, "near": 0, "contained": 0, "possible": 0}
        )
        counts[row["kind"] if row["holds"] else "possible"] += row["count"]
    return found


def by_answer(screening: Screening, known: dict[UUID, Terms]) -> dict[str, int]:
    """How many rows have which answer, each row the worst of its matches'."""
    severities = [
        SEVERITY.index(OF_STANDING[Standing(terms["standing"])]) for terms in known.values()
    ]
    given: dict[str, Any] = {
        "possible": SEVERITY.index(Answer.POSSIBLE),
        "datasets": list(known),
        "severities": severities,
        "screening": screening.pk,
    }
    with connection.cursor() as cursor:
        cursor.execute(ANSWERS, given)
        counted = {SEVERITY[severity]: count for severity, count in cursor.fetchall()}
    counted[Answer.NOTHING_FOUND] = screening.record_count - sum(counted.values())
    return {said.value: counted.get(said, 0) for said in SEVERITY[:-1]}
