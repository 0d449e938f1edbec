"""What the streams of a usage said: cumulative counters, numbered so that a gap shows.

Streams of one meter add up; a repeat changes nothing, and counters never go back.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from provenance import receipts, sequences
from provenance.models import Purpose, Usage, UsageReport
from provenance.refusals import Refused

Words = str | Promise
# One meter is authoritative for a usage, the highest here that reported; others are evidence.
METERS = {receipts.METER: 5, "framework": 4, "native": 4, "mlflow": 3, "openlineage": 3, "hub": 2}
# Who counted, by meter, in words.
WORDS: dict[str, Words] = {
    receipts.METER: _("the Tallymark client, in signed receipts"),
    "framework": _("the training framework"),
    "native": _("the Tallymark client"),
    "mlflow": "MLflow",
    "openlineage": "OpenLineage",
    "hub": _("the place that the data were fetched from"),
}
LEAST_METER = 1
LARGEST_COUNT = 2**53 - 1


class BadReport(Refused):
    """That report cannot be."""

    code = "bad_report"
    status = 400
    hint = "Send whole, cumulative counters that are not negative, and number the reports from 1."


@dataclass(frozen=True)
class Count:
    """How much was used so far: whole numbers that only grow."""

    records: int = 0
    tokens: int = 0
    epochs: int = 0
    fetches: int = 0


def require_sound(purpose: str, stream: str, sequence: int, count: Count) -> None:
    if purpose not in Purpose.values:
        raise BadReport(f"'{purpose}' is no purpose.", hint=f"One of: {', '.join(Purpose.values)}.")
    if not stream or len(stream) > 100 or sequence < 0:
        raise BadReport("A report needs the name of its stream, and its number in it.")
    for counter in astuple(count):
        if not 0 <= counter <= LARGEST_COUNT:
            raise BadReport(f"{counter} is no count.")


def note(
    usage: Usage,
    meter: str,
    stream: str,
    sequence: int,
    count: Count,
    received_at: datetime,
    signed: receipts.Signed | None,
) -> bool:
    """Keep the stream's last word; whether it said anything new. Counters never go back."""
    report, _is_new = UsageReport.objects.get_or_create(
        usage=usage,
        meter=meter,
        stream=stream,
        defaults={"sequence": -1, "received_at": received_at},
    )
    if sequence <= report.sequence:
        _miss(report, sequence, received_at)
        return False
    _miss(report, sequence, received_at)
    report.sequence, report.received_at = sequence, received_at
    report.mark = signed.mark if signed else None
    report.record_count = max(report.record_count, count.records)
    report.token_count = max(report.token_count, count.tokens)
    report.epoch_count = max(report.epoch_count, count.epochs)
    report.fetch_count = max(report.fetch_count, count.fetches)
    report.save()
    return True


def _miss(report: UsageReport, sequence: int, received_at: datetime) -> None:
    """Keep which numbers of the stream are missing; one that comes late fills its gap."""
    missing = sequences.heard(report.missing, max(report.sequence, 0), sequence)
    if missing == report.missing:
        return
    report.missing, report.has_gap = missing, bool(missing)
    report.gap_since = (report.gap_since or received_at) if missing else None
    report.save(update_fields=["missing", "has_gap", "gap_since"])


def add_up(usage: Usage, meter: str) -> bool:
    """Set the counters from the streams of the most trusted meter; whether they say more.

    What was unsigned and is signed now says more, also where the counters are the same.
    """
    is_first_signed = meter == receipts.METER != usage.meter
    if METERS.get(meter, LEAST_METER) > METERS.get(usage.meter, LEAST_METER):
        usage.meter = meter
        usage.save(update_fields=["meter"])
    before = _counters(usage)
    reports = list(usage.reports.filter(meter=usage.meter))
    # Each rank of a job counts the same epochs, but its own records, tokens and fetches.
    usage.record_count = max(usage.record_count, sum(each.record_count for each in reports))
    usage.token_count = max(usage.token_count, sum(each.token_count for each in reports))
    usage.fetch_count = max(usage.fetch_count, sum(each.fetch_count for each in reports))
    usage.epoch_count = max(usage.epoch_count, *(each.epoch_count for each in reports), 0)
    return is_first_signed or before != _counters(usage)


def _counters(usage: Usage) -> tuple[int, ...]:
    return (usage.record_count, usage.token_count, usage.epoch_count, usage.fetch_count)
