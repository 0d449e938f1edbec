"""The native meter: reports that our own client, or anything that speaks our API, sends.

A batch is taken as a whole: either every counter in it is recorded, or none and it is sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from provenance.models import Party, Run, Usage
from provenance.refusals import Refused
from provenance.usage import Count, report_usage


class RunUnknown(Refused):
    """There is no such run of yours."""

    code = "run_unknown"
    status = 404
    hint = "Start it with POST /api/v1/runs, naming its `run_id`, then send the report again."


@dataclass(frozen=True)
class Report:
    """One stream's word on one subject: cumulative counters, numbered within the stream."""

    run_id: UUID
    subject: str
    purpose: str
    stream: str
    sequence: int
    count: Count
    used_at: datetime


@transaction.atomic
def accept(*, lab: Party, reports: Sequence[Report], received_at: datetime) -> list[Usage]:
    """Record each report, in order; raises RunUnknown before anything is recorded."""
    wanted = {report.run_id for report in reports}
    runs = {run.pk: run for run in Run.objects.filter(lab=lab, pk__in=wanted)}
    if missing := wanted - runs.keys():
        raise RunUnknown(f"There is no such run of yours: {', '.join(map(str, sorted(missing)))}.")
    return [
        report_usage(
            run=runs[report.run_id],
            subject=report.subject,
            purpose=report.purpose or runs[report.run_id].purpose,
            stream=report.stream,
            sequence=report.sequence,
            count=report.count,
            used_at=report.used_at,
            received_at=received_at,
            meter="native",
        )
        for report in reports
    ]
