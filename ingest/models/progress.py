"""How far an upload is and how fast it goes, reckoned from the places that batches left behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MOST_MARKS = 12
MARK_EVERY_SECONDS = 1.0
STALE = timedelta(seconds=45)
"""Whoever has not moved for so long is waiting, and how fast it went says nothing any more."""

Mark = list[float]
"""A moment in seconds since 1970, and how many records were done then."""


@dataclass(frozen=True)
class Progress:
    """How far an upload is: what a door shows while somebody waits."""

    stage: str
    record_count: int
    bad_count: int
    bytes_done: int
    bytes_total: int | None
    screened_count: int
    remaining_seconds: int | None
    records_per_second: float | None
    record_estimate: int | None
    """While the file is read, how many records it may hold, by its bytes so far."""
    to_compare_count: int | None
    against_records: int | None
    against_owners: int | None
    last_moved_at: datetime | None


def begun(at: datetime, count: int = 0) -> list[Mark]:
    """The first mark of a stage."""
    return [[at.timestamp(), float(count)]]


def marked(marks: Sequence[Mark], at: datetime, count: int) -> list[Mark]:
    """The marks with one more; they begin anew where the work had stopped for long."""
    now = at.timestamp()
    if not marks or now - marks[-1][0] > STALE.total_seconds():
        return begun(at, count)
    kept = [*marks]
    if len(kept) > 1 and now - kept[-2][0] < MARK_EVERY_SECONDS:
        kept.pop()
    return [*kept, [now, float(count)]][-MOST_MARKS:]


def speed(marks: Sequence[Mark], at: datetime) -> float | None:
    """Records a second over the last marks; None where there are too few or it has stopped."""
    if len(marks) < 2 or at.timestamp() - marks[-1][0] > STALE.total_seconds():
        return None
    seconds, records = marks[-1][0] - marks[0][0], marks[-1][1] - marks[0][1]
    return records / seconds if seconds > 0 and records > 0 else None
