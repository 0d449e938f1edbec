"""The native meter: reports that our own client, or anything that speaks our API, sends.

A batch is taken as a whole: either every counter in it is recorded, or none and it is sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import transaction
from tallymark.receipts import Receipt, micros

from provenance import receipts
from provenance.models import Party, Run, Usage
from provenance.refusals import Refused
from provenance.streams import Count
from provenance.usage import report_usage


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
    # By a reporting key of the lab, over all of this (`tallymark.receipts`); empty if unsigned.
    signature: str = ""


def accept(*, lab: Party, reports: Sequence[Report], received_at: datetime) -> list[Usage]:
    """Record each report, in order, or none of them.

    Raises RunUnknown, and for signatures SignatureMissing, SignatureNotOurs or SignedOtherwise.
    """
    wanted = {report.run_id for report in reports}
    runs = {run.pk: run for run in Run.objects.filter(lab=lab, pk__in=wanted)}
    if missing := wanted - runs.keys():
        raise RunUnknown(f"There is no such run of yours: {', '.join(map(str, sorted(missing)))}.")
    reports = [named(report, runs[report.run_id].purpose) for report in reports]
    # Before anything is locked: signatures take their time.
    signed = [checked(lab, report) for report in reports]
    with transaction.atomic():
        return [
            report_usage(
                run=runs[report.run_id],
                subject=report.subject,
                purpose=report.purpose,
                stream=report.stream,
                sequence=report.sequence,
                count=report.count,
                used_at=report.used_at,
                received_at=received_at,
                signed=receipt,
            )
            for report, receipt in zip(reports, signed, strict=True)
        ]


def named(report: Report, purpose: str) -> Report:
    """The report for its own purpose, else for the run's."""
    return replace(report, purpose=report.purpose or purpose)


def checked(lab: Party, report: Report) -> receipts.Signed | None:
    """The report as its signature says it; None where it has none and needs none.

    Raises SignatureMissing or SignatureNotOurs.
    """
    if not report.signature:
        if lab.requires_signed_reports:
            raise receipts.SignatureMissing
        return None
    said = Receipt(
        tenant=str(lab.pk),
        run=str(report.run_id),
        version=report.subject,
        purpose=report.purpose,
        stream=report.stream,
        sequence=report.sequence,
        records=report.count.records,
        tokens=report.count.tokens,
        epochs=report.count.epochs,
        fetches=report.count.fetches,
        used_at=micros(report.used_at),
    )
    return receipts.checked(lab=lab, receipt=said, signature=report.signature)
