"""Reports of test use: read, checked and added up as real ones are, and kept apart from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime
from uuid import UUID

from django.db import transaction

from compensation import quotes
from compensation.models import TrialRun, TrialUsage
from compensation.trials import terms
from compensation.trials.runs import add_edge, heartbeat
from provenance import receipts
from provenance.meters import native
from provenance.meters.native import Report
from provenance.models import DatasetVersion, Party, Rate, RunEdge
from provenance.streams import BadReport
from provenance.usage import find_version

SEALED = DatasetVersion.State.SEALED
Sums = tuple[int, int, int, int]


def report_usages(
    *, lab: Party, reports: Sequence[Report], received_at: datetime
) -> list[TrialUsage]:
    """Take each report, in order, or none of them. Raises what the native meter does."""
    wanted = {report.run_id for report in reports}
    runs = TrialRun.objects.filter(lab=lab, pk__in=wanted).select_related("root__quote", "quote")
    found = {run.pk: run for run in runs}
    if missing := wanted - found.keys():
        raise native.RunUnknown(f"No such test run of yours: {', '.join(map(str, missing))}.")
    named = [native.named(report, found[report.run_id].purpose) for report in reports]
    signed = [native.checked(lab, report) is not None for report in named]
    with transaction.atomic():
        return [
            _take(found[report.run_id], report, received_at, is_signed=is_signed)
            for report, is_signed in zip(named, signed, strict=True)
        ]


def _take(run: TrialRun, report: Report, received_at: datetime, *, is_signed: bool) -> TrialUsage:
    if not report.stream:
        raise BadReport("A report needs the name of its stream, and its number in it.")
    root, version = run.top, find_version(report.subject)
    heartbeat(run=run, at=received_at)
    usage, is_new = TrialUsage.objects.select_for_update(of=("self",)).get_or_create(
        run=root,
        subject=str(version.pk) if version else report.subject[:300],
        purpose=report.purpose,
        defaults={
            "lab": run.lab,
            "made_at": received_at,
            "version": version,
            "meter": receipts.METER if is_signed else "native",
            "is_signed": is_signed,
            "used_at": report.used_at,
            "reported_at": received_at,
        },
    )
    if not _add_up(usage, report) and not is_new:
        return usage
    usage.revision += 1
    usage.is_signed = usage.is_signed and is_signed
    usage.used_at, usage.reported_at = max(usage.used_at, report.used_at), received_at
    _judge(usage, root, version, report.used_at)
    usage.save()
    if version is not None:
        consumed = RunEdge.Direction.CONSUMED
        add_edge(run=run, direction=consumed, version=version, at=report.used_at)
    return usage


def _add_up(usage: TrialUsage, report: Report) -> bool:
    """Keep the stream's last word and add streams up; whether that says more."""
    last = usage.streams.get(report.stream, [-1, 0, 0, 0, 0])
    if report.sequence <= last[0]:
        return False
    counts = [max(pair) for pair in zip(last[1:], astuple(report.count), strict=True)]
    usage.streams[report.stream] = [report.sequence, *counts]
    before, streams = _counters(usage), usage.streams.values()
    usage.record_count = sum(one[1] for one in streams)
    usage.token_count = sum(one[2] for one in streams)
    # Each rank of a job counts the same epochs.
    usage.epoch_count = max(one[3] for one in streams)
    usage.fetch_count = sum(one[4] for one in streams)
    usage.save(update_fields=["streams"])
    return before != _counters(usage)


def _counters(usage: TrialUsage) -> Sums:
    return (usage.record_count, usage.token_count, usage.epoch_count, usage.fetch_count)


def _judge(
    usage: TrialUsage, root: TrialRun, version: DatasetVersion | None, used_at: datetime
) -> None:
    """Find the test grant and the price, and flag what real use would be flagged for."""
    usage.is_unknown = version is None
    if version is None:
        return
    licence, quoted = _quoted(root, version, usage.purpose)
    if usage.grant is None:
        usage.grant = terms.covering(
            lab=root.lab, version=version, purpose=usage.purpose, at=used_at, licence=licence
        )
        usage.rate = _rate(usage, root, version, licence, quoted)
    is_own = version.dataset.owner_id == root.lab_id
    usage.is_ungranted = usage.grant is None and not is_own
    since = version.withdrawn_at or version.erased_at
    if version.state != SEALED and since is not None and used_at >= since:
        usage.is_of_withdrawn = True


def _quoted(
    root: TrialRun, version: DatasetVersion, purpose: str
) -> tuple[UUID | None, Rate | None]:
    """The licence and the rate that the run's quote promised for this version, if it has one."""
    if root.quote is None or root.quote.purpose != purpose:
        return None, None
    items = [one for one in root.quote.items if one["version"]["id"] == str(version.pk)]
    if not items:
        return None, None
    rate = items[0]["rate"]
    return UUID(items[0]["licence"]), Rate.objects.get(pk=rate["id"]) if rate else None


def _rate(
    usage: TrialUsage,
    root: TrialRun,
    version: DatasetVersion,
    licence: UUID | None,
    quoted: Rate | None,
) -> Rate | None:
    """The quote's rate, else the grant's; without a grant, what is asked of anybody."""
    if usage.grant is not None:
        return quoted if usage.grant.licence_id == licence else usage.grant.rate
    if version.dataset.owner_id == root.lab_id:
        return None
    try:
        return quotes.on_offer(version, usage.purpose, None, root.started_at).rate
    except (quotes.NotOnOffer, quotes.SeveralLicences):
        return None
