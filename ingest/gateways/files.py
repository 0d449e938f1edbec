"""A whole candidate file: compared in slices by workers, reported, and deleted whatever happens.

A batch of rows, its matches and the place where the next one begins are committed together, so
that a killed worker costs time only. What is compared with does not move meanwhile: what was
registered up to the event at which the comparison began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import BinaryIO
from uuid import UUID, uuid4

import structlog
from django.db import transaction
from django.utils.translation import gettext_noop as _noop

from ingest import candidates, hints, leases, prints, reading, storage, verdict
from ingest.fingerprint.image import ImageRefused
from ingest.gateways import allowance, comparing, findings, reports, watching
from ingest.gateways.comparing import Stretch
from ingest.gateways.screenings import require_lab
from ingest.models import ScreenedBadRow, Screening
from ingest.prints import Prints
from ingest.readers import BadRow, RawRecord, ReaderError, Withdrawal, inspect, records
from ingest.reading import Row
from provenance.models import Dataset, Party, User

log = structlog.get_logger(__name__)

Clock = Callable[[], datetime]

SLICE = timedelta(seconds=30)
MOST_WATCHED_DAYS = 90
MOST_BAD_ROWS_KEPT = 1_000
KEPT_UNKNOWN = timedelta(hours=1)
"""A file that is being sent has no row yet; older ones are of requests that broke off."""


def begin_file(
    *,
    party: Party,
    purpose: str,
    file: BinaryIO,
    file_name: str,
    kind: str = "",
    text_column: str = "",
    watch_days: int = 0,
    by: User | None = None,
    at: datetime,
) -> Screening:
    """Take a candidate file; kind and text column are guessed where they are not given.

    With `watch_days` the fingerprints of its records are kept so long, to be compared with what is
    registered later. A file that cannot be read is answered with a screening in state `failed`.
    Raises LabsOnly, TooLarge, EmptyFile.
    """
    require_lab(party)
    pk, name = uuid4(), storage.safe_name(file_name)
    stored = storage.store(pk, name, file, part=storage.SCREENINGS)
    screening = Screening(
        id=pk,
        party=party,
        by=by,
        purpose=purpose,
        kind=kind,
        file_name=name,
        path=stored.path,
        sha256=stored.sha256,
        bytes_total=stored.byte_count,
        text_column=text_column,
        watch_days=watch_days,
        created_at=at,
        retry_at=at,
    )
    _begin(screening, at)
    return screening


def _begin(screening: Screening, at: datetime) -> None:
    """Keep the row, and let workers know of it unless its file cannot be read."""
    try:
        _look_into(screening)
    except ReaderError as error:
        screening.kind = screening.kind or Dataset.Kind.TEXT
        screening.save(force_insert=True)
        fail(screening, code=error.code, detail=str(error), hint=error.hint, at=at)
        return
    with transaction.atomic():
        screening.save(force_insert=True)
        hints.screen(screening.pk)


def _look_into(screening: Screening) -> None:
    """Find out format, kind and text column. Raises ReaderError."""
    found = inspect(
        storage.location(screening.path),
        kind=screening.kind or None,
        text_column=screening.text_column or None,
    )
    screening.kind = screening.kind or found.kind
    screening.file_format = found.format
    screening.text_column = screening.text_column or found.text_column or ""


def fail(screening: Screening, *, code: str, detail: str, hint: str, at: datetime) -> None:
    """End a screening with an error; nothing of its file and its findings stays."""
    with transaction.atomic():
        findings.forget(screening)
        Screening.objects.filter(pk=screening.pk).update(
            state=Screening.State.FAILED, stage="failed", path="", error_code=code,
            error_detail=detail, error_hint=hint, finished_at=at, lease=None, lease_until=None,
        )  # fmt: skip
    screening.refresh_from_db()
    storage.remove(screening.pk, storage.SCREENINGS)


def advance(screening_id: UUID, *, clock: Clock, time_limit: timedelta = SLICE) -> bool:
    """Work on a candidate file for about `time_limit`; True where it has more to do at once."""
    now = clock()
    screening = leases.take(
        Screening.objects.waiting(now).select_related("party"), screening_id, at=now
    )
    if screening is None:
        return False
    try:
        is_done = _compare(screening, clock=clock, until=now + time_limit)
    except leases.LeaseLost:
        return False
    except allowance.AskedTooMuch as refusal:
        stage = _noop("waiting: today's records are used up")
        leases.hold(screening, at=clock(), attempt_count=0, stage=stage)
        leases.release(screening, at=clock(), after=refusal.wait)
        return False
    except ReaderError as error:
        fail(screening, code=error.code, detail=str(error), hint=error.hint, at=clock())
        return False
    except Exception:
        _stumble(screening, at=clock())
        raise
    if is_done:
        storage.remove(screening.pk, storage.SCREENINGS)
    else:
        leases.release(screening, at=clock())
    return not is_done


def _stumble(screening: Screening, *, at: datetime) -> None:
    """Our own error: try again later, and give up after a few times. Its words may quote a row."""
    log.warning("screening stumbled", screening=str(screening.pk), attempt=screening.attempt_count)
    if screening.attempt_count >= leases.MOST_ATTEMPTS:
        fail(
            screening,
            code="internal_error",
            detail=_noop(
                "Screening this file failed again and again, through no fault of the file's."
            ),
            hint=_noop("Tell the operator the screening's id; the log has the error."),
            at=at,
        )
    else:
        leases.put_off(screening, at=at)


def _compare(screening: Screening, *, clock: Clock, until: datetime) -> bool:
    """True once everything is compared and reported."""
    if screening.detector != verdict.DETECTOR:
        _start(screening, at=clock())
    for batch in reading.batches(_rows(screening)):
        screen_batch(screening, batch, at=clock())
        if clock() >= until:
            return False
    reports.finish(screening, at=clock())
    return True


def _start(screening: Screening, *, at: datetime) -> None:
    """Begin, or begin anew where another detector has taken over since."""
    with transaction.atomic():
        findings.forget(screening)
        leases.hold(
            screening, at=at, state=Screening.State.SCREENING, stage="comparing", stage_at=at,
            detector=verdict.DETECTOR, corpus_sequence=Stretch.whole().upto,
            row_count=0, record_count=0, bad_count=0, short_count=0, bytes_done=0,
        )  # fmt: skip


def _rows(screening: Screening) -> Iterator[Row]:
    return records(
        storage.location(screening.path),
        kind=screening.kind,
        text_column=screening.text_column or None,
        skip=screening.row_count,
    )


@dataclass(frozen=True)
class Batch:
    """Rows that can be compared, by their number in the file from 1, and lines that cannot."""

    rows: list[int]
    prints: list[Prints]
    bad_lines: list[int]

    @classmethod
    def of(cls, rows: Sequence[Row], kind: str) -> Batch:
        """Fingerprint rows; an image that cannot be decoded is a bad row."""
        bad = [row.line for row in rows if isinstance(row, BadRow)]
        bad += [row.ordinal + 1 for row in rows if isinstance(row, Withdrawal)]
        raw = [row for row in rows if isinstance(row, RawRecord)]
        texts = [row for row in raw if row.image is None]
        made: dict[int, Prints] = {}
        own = prints.of_texts([row.text or "" for row in texts], [row.key for row in texts],
                              kind=kind) if texts else []  # fmt: skip
        made.update(zip((row.ordinal + 1 for row in texts), own, strict=True))
        for row in raw:
            if row.image is not None:
                try:
                    made[row.ordinal + 1] = prints.of_image(row.image)
                except ImageRefused:
                    bad.append(row.ordinal + 1)
        numbers = sorted(made)
        return cls(numbers, [made[number] for number in numbers], sorted(bad))


def screen_batch(screening: Screening, rows: Sequence[Row], *, at: datetime) -> None:
    """Compare a batch; its matches and the place of the next one are one commit."""
    batch = Batch.of(rows, screening.kind)
    assert screening.corpus_sequence is not None, "a screening is started before it compares"
    found = comparing.alike(batch.prints, Stretch(upto=screening.corpus_sequence))
    best = comparing.best(found, comparing.versions_of(found))
    with transaction.atomic():
        leases.hold(
            screening, at=at, attempt_count=0,
            row_count=rows[-1].ordinal + 1,
            record_count=screening.record_count + len(batch.rows),
            bad_count=screening.bad_count + len(batch.bad_lines),
            short_count=screening.short_count + sum(map(candidates.is_short, batch.prints)),
            bytes_done=rows[-1].bytes_read,
            stage="comparing",
        )  # fmt: skip
        allowance.count_file_records(screening.party, len(batch.rows), at=at)
        findings.keep(screening, batch.rows, best)
        room = max(MOST_BAD_ROWS_KEPT - screening.bad_rows.count(), 0)
        ScreenedBadRow.objects.bulk_create(
            ScreenedBadRow(screening=screening, line=line) for line in batch.bad_lines[:room]
        )
        if screening.watch_days:
            watching.remember(screening, batch.rows, batch.prints)


def sweep(*, at: datetime) -> int:
    """Delete the bytes that no living screening needs any more; how many folders there were.

    A crash may leave them: after a report, or before a row knew of them.
    """
    part = storage.folder_of(uuid4(), storage.SCREENINGS).parent
    living = set(Screening.objects.filter(state__in=Screening.WORKING).values_list("pk", flat=True))
    count = 0
    for folder in part.iterdir() if part.is_dir() else ():
        age = at - datetime.fromtimestamp(folder.stat().st_mtime, UTC)
        pk = UUID(folder.name)
        is_known = Screening.objects.filter(pk=pk).exists()
        if pk not in living and (is_known or age > KEPT_UNKNOWN):
            storage.remove(pk, storage.SCREENINGS)
            count += 1
    return count
