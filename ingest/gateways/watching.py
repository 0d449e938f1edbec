"""Labs that opted in to be told: their files' fingerprints against what is registered since.

Fingerprints, never content, are kept for the days that the lab chose, beside the index and not in
it: nobody else's registration is ever compared with them the other way round. A look takes the
ledger's new stretch, goes through the fingerprints in slices, and raises one notice a dataset.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from ingest import leases
from ingest.gateways import comparing, findings, notices
from ingest.gateways.comparing import Stretch
from ingest.models import Screening, ScreeningQuerySet, WatchedPrint
from ingest.prints import Prints
from provenance.models import DatasetVersion

Clock = Callable[[], datetime]

BATCH = 1_000
SLICE = timedelta(seconds=30)
EVERY = timedelta(minutes=1)
"""A lab is told of what is registered at once by one look, not by one for each version."""


def remember(screening: Screening, rows: Sequence[int], prints: Sequence[Prints]) -> None:
    """Keep the fingerprints of these rows, in the caller's transaction."""
    WatchedPrint.objects.bulk_create(
        (
            WatchedPrint(
                screening=screening,
                row=row,
                digest=own.digest,
                token_count=own.token_count,
                parts={name: b64encode(part).decode() for name, part in own.parts.items()},
            )
            for row, own in zip(rows, prints, strict=True)
        ),
        ignore_conflicts=True,
    )


def due(at: datetime) -> ScreeningQuerySet:
    """Screenings that nobody looks after at `at` and since which something was registered."""
    fresh = DatasetVersion.objects.filter(
        state=DatasetVersion.State.SEALED, sealed_sequence__gt=OuterRef("watched_to")
    )
    return Screening.objects.watching(at).free(at).filter(Exists(fresh))


def look(screening_id: UUID, *, clock: Clock, time_limit: timedelta = SLICE) -> bool:
    """Compare with what is new for about `time_limit`; True where there is more to do at once."""
    now = clock()
    screening = leases.take(due(now).select_related("party"), screening_id, at=now)
    if screening is None:
        return False
    try:
        is_done = _look(screening, clock=clock, until=now + time_limit)
    except leases.LeaseLost:
        return False
    except Exception:
        leases.put_off(screening, at=clock())
        raise
    leases.release(screening, at=clock(), after=EVERY if is_done else timedelta(0))
    return not is_done


def _look(screening: Screening, *, clock: Clock, until: datetime) -> bool:
    if screening.watching_to is None:
        upto = Stretch.whole().upto
        leases.hold(screening, at=clock(), watching_to=upto, watched_row=0)
    assert screening.watching_to is not None, "a look has an end"
    stretch = Stretch(after=screening.watched_to or 0, upto=screening.watching_to)
    while rows := _next(screening):
        _compare(screening, rows, stretch, at=clock())
        if clock() >= until:
            return False
    with transaction.atomic():
        notices.of_registrations(screening, after=stretch.after, at=clock())
        leases.hold(
            screening, at=clock(), attempt_count=0, watched_to=stretch.upto, watching_to=None
        )
    return True


def _next(screening: Screening) -> list[WatchedPrint]:
    return list(screening.prints.filter(row__gt=screening.watched_row).order_by("row")[:BATCH])


def _compare(
    screening: Screening, rows: Sequence[WatchedPrint], stretch: Stretch, *, at: datetime
) -> None:
    found = comparing.alike([_prints(row) for row in rows], stretch)
    found = [row for row in found if not row.is_short]
    best = comparing.best(found, comparing.versions_of(found))
    with transaction.atomic():
        leases.hold(screening, at=at, attempt_count=0, watched_row=rows[-1].row)
        findings.keep(screening, [row.row for row in rows], best, is_later=True)


def _prints(row: WatchedPrint) -> Prints:
    parts = {name: b64decode(part) for name, part in row.parts.items()}
    return Prints(bytes(row.digest), row.token_count, parts)


def forget_old(at: datetime) -> int:
    """Delete the fingerprints whose time is over; how many there were."""
    over = WatchedPrint.objects.filter(screening__watched_until__lte=at)
    count, _ = over.delete()
    return count
