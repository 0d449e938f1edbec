"""Reading an upload batch by batch: rows become records, with where to go on, in one commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import structlog
from django.db import transaction
from django.utils.translation import gettext_noop as _noop

from ingest import bring as prints_file
from ingest import columns, entries, fetch, leases, readers, storage
from ingest.entries import Entry
from ingest.models import BadRow, Upload
from ingest.models.progress import begun, marked
from ingest.readers import RawRecord, ReaderError
from ingest.readers.refusals import EmptySource, NoSuchColumn
from ingest.readers.rows import Withdrawal
from provenance import contributors, registry
from provenance.models import Dataset, DatasetVersion

log = structlog.get_logger(__name__)

Clock = Callable[[], datetime]
Row = RawRecord | readers.BadRow | Entry | Withdrawal

BATCH_ROWS = 1_000
BATCH_BYTES = 8 * 2**20
MOST_BAD_ROWS = 100_000
SEALING_LEASE = timedelta(minutes=30)
"""Sealing is one transaction over all records, which cannot renew its lease on the way."""
TOLD_EVERY = timedelta(seconds=5)


class TooManyBadRows(ReaderError):
    """So many rows are bad that the file cannot be what was meant."""

    code = "too_many_bad_rows"
    hint = "Look at the reasons of the first bad rows, mend the file and send it again."


class NeedsKey(ReaderError):
    """A delta says by key which records it changes, and this file has no key."""

    code = "delta_needs_key"
    hint = "Name the key column, or register a full version."


def content_of(version: DatasetVersion) -> str:
    """What an upload to `version` holds: files, or fingerprints made at home."""
    is_prints = version.dataset.is_fingerprint_only
    return Upload.Content.PRINTS if is_prints else Upload.Content.FILE


def look_into(upload: Upload, *, may_choose: bool = False) -> None:
    """Find out format and columns, and save them. Raises ReaderError.

    With `may_choose`, a file whose text column is not to be guessed waits for its owner's choice.
    """
    path = storage.location(upload.path)
    if upload.content == Upload.Content.PRINTS:
        prints_file.check_header(path)
        upload.file_format = prints_file.FORMAT
    else:
        try:
            found = readers.inspect(path, **choice_of(upload))
        except NoSuchColumn:
            if not may_choose:
                raise
            upload.text_column = upload.key_column = upload.contributor_column = ""
            found = readers.inspect(path)
        upload.file_format, upload.columns = found.format, list(found.columns)
        before = _columns_before(upload, found.columns)
        upload.text_column = upload.text_column or before[0] or found.text_column or ""
        upload.key_column = upload.key_column or before[1] or found.key_column or ""
        if not may_choose:
            check_columns(upload)
    upload.save(
        update_fields=["file_format", "columns", "text_column", "key_column", "contributor_column"]
    )


def _columns_before(upload: Upload, columns: Sequence[str]) -> tuple[str, str]:
    """The text and key column of the dataset's last upload, where this file has them too."""
    done = Upload.objects.filter(
        version__dataset=upload.version.dataset_id, state=Upload.State.SEALED
    )
    last = done.order_by("-created_at").first()
    if last is None:
        return "", ""
    text, key = last.text_column, last.key_column
    return (text if text in columns else ""), (key if key in columns else "")


def check_columns(upload: Upload) -> None:
    """Raise NoSuchColumn or NeedsKey where the chosen columns cannot be read."""
    for name in (upload.text_column, upload.key_column, upload.contributor_column):
        if name and upload.columns and name not in upload.columns:
            raise NoSuchColumn(
                _noop("There is no column '%(name)s': %(names)s.")
                % {"name": name, "names": ", ".join(upload.columns[:20])}
            )
    is_delta = upload.version.mode == DatasetVersion.Mode.DELTA
    if is_delta and upload.columns and not upload.key_column:
        raise NeedsKey(_noop("A delta needs a key column."))


def choice_of(upload: Upload) -> dict[str, Any]:
    """What the readers are told: the kind of rows, and the columns that were chosen or guessed."""
    kind = upload.version.dataset.kind
    return {
        "kind": Dataset.Kind.TEXT if kind == Dataset.Kind.CODE else kind,
        "text_column": upload.text_column or None,
        "key_column": upload.key_column or None,
        "contributor_column": upload.contributor_column or None,
    }


def bring(upload: Upload, *, clock: Clock) -> None:
    """Fetch what the upload's address names, telling how far it is. Raises Refused."""
    leases.hold(upload, at=clock(), stage="fetching", stage_at=clock())
    told = clock()

    def tell(byte_count: int) -> None:
        nonlocal told
        if clock() - told > TOLD_EVERY:
            told = clock()
            leases.hold(upload, at=told, bytes_done=byte_count)

    stored = fetch.fetch(upload.pk, upload.url, tell)
    with transaction.atomic():
        leases.hold(
            upload,
            at=clock(),
            path=stored.path,
            sha256=stored.sha256,
            bytes_total=stored.byte_count,
            bytes_done=0,
        )
        look_into(upload)


def read(upload: Upload, *, clock: Clock, until: datetime) -> None:
    """Register batches from where reading stopped; at the end, hand over to sealing."""
    if upload.state == Upload.State.RECEIVED:
        now = clock()
        state = Upload.State.READING
        pace = begun(now)
        leases.hold(upload, at=now, state=state, stage="reading", stage_at=now, pace=pace)
    for batch in batches(_rows(upload)):
        register(upload, batch, at=clock())
        if clock() >= until:
            return
    _finish(upload, at=clock())


def _rows(upload: Upload) -> Iterator[Row]:
    path = storage.location(upload.path)
    if upload.content == Upload.Content.PRINTS:
        return prints_file.entries(path, skip=upload.row_count)
    return readers.records(path, **choice_of(upload), skip=upload.row_count)


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows in batches of about BATCH_ROWS or BATCH_BYTES of content."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += _size(row)
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _size(row: Row) -> int:
    if isinstance(row, Entry):
        return row.byte_count
    if isinstance(row, RawRecord):
        return len(row.text or "") + len(row.image or b"")
    return 0


def register(upload: Upload, batch: list[Row], *, at: datetime) -> None:
    """One batch: records, prints, postings, bodies, bad rows and the place, in one commit."""
    made, bad = _made(batch, upload.version.dataset.kind)
    gone = [row for row in batch if isinstance(row, Withdrawal)]
    with transaction.atomic():
        if upload.version.mode == DatasetVersion.Mode.DELTA:
            made, twice = _keyed_once(upload.version, made)
            bad += twice
            keys = [entries.clean_key(row.key) for row in gone]
            registry.withdraw_keys(version=upload.version, keys=keys)
        else:
            bad += [_bad(row, _noop("only a delta withdraws records")) for row in gone]
        _register_records(upload.version, made, at=at)
        BadRow.objects.bulk_create(
            BadRow(upload=upload, line=row.line, reason=row.reason[:300]) for row in bad
        )
        leases.hold(
            upload,
            at=at,
            attempt_count=0,
            row_count=batch[-1].ordinal + 1,
            record_count=upload.record_count + len(made),
            bad_count=upload.bad_count + len(bad),
            bytes_done=batch[-1].bytes_read,
            pace=marked(upload.pace, at, upload.record_count + len(made)),
        )
    if upload.bad_count > MOST_BAD_ROWS:
        raise TooManyBadRows(
            _noop("More than %(MOST_BAD_ROWS)s rows cannot be read.")
            % {"MOST_BAD_ROWS": f"{MOST_BAD_ROWS:,}"}
        )


def _made(batch: list[Row], kind: str) -> tuple[list[Entry], list[readers.BadRow]]:
    """The entries of a batch, in order, and its bad rows."""
    bad = [row for row in batch if isinstance(row, readers.BadRow)]
    ready = [row for row in batch if isinstance(row, Entry)]
    raw = [row for row in batch if isinstance(row, RawRecord)]
    images, broken = entries.of_images([row for row in raw if row.image is not None])
    texts = entries.of_texts([row for row in raw if row.image is None], kind)
    made = sorted(chain(ready, texts, images), key=lambda entry: entry.ordinal)
    return made, bad + broken


def _bad(row: RawRecord | Withdrawal | Entry, reason: str) -> readers.BadRow:
    return readers.BadRow(row.ordinal, row.ordinal + 1, reason, row.bytes_read)


def _keyed_once(
    version: DatasetVersion, made: list[Entry]
) -> tuple[list[Entry], list[readers.BadRow]]:
    """A delta's entries whose key it did not have before; a second one is a bad row."""
    records = version.dataset.records.filter(added_number=version.number)
    seen = set(records.filter(key__in=[e.key for e in made]).values_list("key", flat=True))
    once, twice = [], []
    for entry in made:
        if entry.key in seen:
            twice.append(
                _bad(
                    entry, _noop("the key '%(key)s' came before in this delta") % {"key": entry.key}
                )
            )
        else:
            once.append(entry)
        seen.add(entry.key)
    return once, twice


def _register_records(version: DatasetVersion, made: list[Entry], *, at: datetime) -> None:
    """Register entries; what an earlier version holds already keeps its record and its prints."""
    records = registry.add_records(version=version, rows=[entry.new_record for entry in made])
    fresh = [
        (record, entry)
        for record, entry in zip(records, made, strict=True)
        if record.added_number == version.number
    ]
    entries.save([record for record, _ in fresh], [entry for _, entry in fresh])
    makers = {record.pk: entry.contributor for record, entry in fresh if entry.contributor}
    contributors.credit_records(owner=version.dataset.owner, labels=makers, at=at)


def _finish(upload: Upload, *, at: datetime) -> None:
    """All is read: a full version goes on to be sealed, a delta waits to be confirmed."""
    is_delta = upload.version.mode == DatasetVersion.Mode.DELTA
    if not upload.record_count and not (is_delta and upload.row_count > upload.bad_count):
        first = upload.bad_rows.order_by("line").first()
        reason = _noop(" The first problem: %(first)s.") % {"first": first} if first else ""
        raise EmptySource(
            _noop("No record could be read from the file.%(reason)s") % {"reason": reason}
        )
    with transaction.atomic():
        if is_delta:
            registry.ready_version(version=upload.version, at=at)
            state, stage = Upload.State.READY, _noop("waiting to be confirmed")
            unchanged = registry.preview_delta(upload.version).unchanged
            leases.hold(upload, at=at, unchanged_count=unchanged)
        else:
            state, stage = Upload.State.SCREENING, "sealing"
        total = upload.bytes_total or upload.bytes_done
        leases.hold(upload, at=at, state=state, stage=stage, stage_at=at, bytes_done=total)
    log.info("upload read", upload=str(upload.pk), records=upload.record_count)


def seal(upload: Upload, *, clock: Clock) -> None:
    """Close the version for good; its place in the ledger follows when the sealer ran."""
    at = clock()
    leases.hold(upload, at=at, lasting=SEALING_LEASE, stage="sealing", stage_at=at)
    with transaction.atomic():
        digest = bytes(upload.sha256) if upload.sha256 else None
        upload.version = registry.seal_version(version=upload.version, at=at, file_sha256=digest)
        columns.keep(upload.version)
        leases.hold(upload, at=clock(), stage=_noop("waiting for its place in the ledger"))
