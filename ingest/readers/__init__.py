"""Bytes to records with bounded memory: `inspect` says what a file is, `records` reads it.

A row that cannot be read is yielded as a BadRow and the rest goes on; a file that cannot be read
raises a ReaderError, whose code, message and hint say why and what to do, and nothing of it may
be kept. Reading again yields the same rows in the same order, so that `skip` resumes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from django.utils.translation import gettext_noop as _noop
from tallymark.fingerprint.columns import cell_text, column_names

from . import archives, columns, tables, text
from .detect import Detected, detect
from .images import IMAGE_BYTES
from .refusals import (
    EmptySource,
    LinesTooLong,
    NoSuchColumn,
    NotWhatItClaims,
    ReaderError,
    UnpacksTooLarge,
    Unsupported,
)
from .rows import BadRow, Choice, Inspection, Limits, RawRecord, Row, Withdrawal
from .streams import open_file

__all__ = [
    "BadRow",
    "Choice",
    "Inspection",
    "Limits",
    "RawRecord",
    "ReaderError",
    "Withdrawal",
    "inspect",
    "records",
    "total_bytes",
]

Read = RawRecord | BadRow | Withdrawal
DEFAULT_LIMITS = Limits()
SAMPLE_ROWS = 50
SHOWN_ROWS = 5
SHOWN_CELL = 300
COLUMNAR = ("jsonl", "csv", "lines", "paragraphs", "parquet", "arrow")


def records(
    source: Path,
    *,
    name: str | None = None,
    kind: str | None = None,
    text_column: str | None = None,
    key_column: str | None = None,
    contributor_column: str | None = None,
    skip: int = 0,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Read]:
    """The records of a file or folder, from ordinal `skip` on.

    `name` is what the owner calls the file, where it is stored under another. With kind `table`
    each row is a record; otherwise the text column is, guessed if not given. Raises ReaderError.
    """
    choice = Choice(kind, text_column, key_column, contributor_column)
    found = detect(source, limits, name)
    _check_kind(found, kind)
    seen = False
    for record in _records(source, found, choice, limits, skip):
        seen = True
        yield _fitting(record, kind)
    if not seen and not skip:
        raise EmptySource(_noop("The file has no records."))


def inspect(
    source: Path,
    *,
    name: str | None = None,
    kind: str | None = None,
    text_column: str | None = None,
    key_column: str | None = None,
    contributor_column: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Inspection:
    """What `source` is, by its first rows. Raises ReaderError."""
    found = detect(source, limits, name)
    _check_kind(found, kind)
    choice = Choice(kind, text_column, key_column, contributor_column)
    if found.format in COLUMNAR:
        cells, chosen = _chosen(source, found, choice, limits)
        shown = [
            {column: cell_text(cell)[:SHOWN_CELL] for column, cell in row.items()}
            for row in cells[:SHOWN_ROWS]
        ]
        return Inspection(
            chosen.kind or "text", found.format, column_names(cells),
            chosen.text_column, chosen.key_column, shown, found.encoding,
        )  # fmt: skip
    shown, image_count, text_count = [], 0, 0
    for record in islice(_records(source, found, choice, limits, 0), SAMPLE_ROWS):
        if isinstance(record, RawRecord):
            image_count += record.image is not None
            text_count += record.image is None
            shown.append({"key": record.key, "text": (record.text or "")[:SHOWN_CELL]})
    usual = "image" if image_count > text_count else "text"
    return Inspection(kind or usual, found.format, [], None, None, shown[:SHOWN_ROWS], "")


def _check_kind(found: Detected, kind: str | None) -> None:
    if kind == "image" and found.format in COLUMNAR:
        raise NotWhatItClaims(
            _noop("This dataset is of images, but the file holds rows."),
            _noop("Upload images, a zip or tar of them, or choose another kind."),
        )
    if kind == "table" and found.format not in (*COLUMNAR, "folder"):
        raise NotWhatItClaims(
            _noop("This dataset is a table, but the file holds no rows."),
            _noop("Upload CSV, JSONL or Parquet."),
        )


def _fitting(record: Read, kind: str | None) -> Read:
    """A record of another kind than asked for is a bad row."""
    if kind is None or not isinstance(record, RawRecord):
        return record
    if (record.image is not None) == (kind == "image"):
        return record
    found = "a text" if record.image is None else "an image"
    reason = f"{record.key}: {found} in a dataset of kind {kind}"
    return BadRow(record.ordinal, record.ordinal + 1, reason, record.bytes_read)


def total_bytes(source: Path) -> int:
    """The bytes that `bytes_read` counts towards."""
    if source.is_dir():
        return sum(file.stat().st_size for file in archives.folder_files(source))
    return source.stat().st_size


def _records(
    source: Path, found: Detected, choice: Choice, limits: Limits, skip: int
) -> Iterator[Read]:
    if found.format == "folder":
        yield from _folder(source, choice, limits, skip)
    elif found.format == "zip":
        yield from archives.members_to_records(archives.zip_members(source, limits), limits, skip)
    elif found.format == "tar":
        opened = open_file(source, limits)
        with opened.stream:
            members = archives.tar_members(opened, limits)
            yield from archives.members_to_records(members, limits, skip)
    elif found.format == "image":
        if skip == 0:
            yield _image(source)
    else:
        _, chosen = _chosen(source, found, choice, limits)
        yield from columns.to_records(_rows(source, found, limits, skip), chosen)


def _rows(source: Path, found: Detected, limits: Limits, skip: int = 0) -> Iterator[Row | BadRow]:
    if found.format == "parquet":
        yield from tables.parquet(source, limits, skip)
        return
    if found.format == "arrow":
        yield from tables.arrow(source, limits, skip)
        return
    opened = open_file(source, limits)
    with opened.stream:
        if found.format == "jsonl":
            yield from text.jsonl(opened, found.encoding, limits, skip)
        elif found.dialect is not None:
            yield from tables.delimited(opened, found.dialect, found.encoding, limits, skip)
        else:
            by_paragraph = found.format == "paragraphs"
            yield from text.plain(opened, found.encoding, limits, skip, by_paragraph=by_paragraph)


def _chosen(
    source: Path, found: Detected, choice: Choice, limits: Limits
) -> tuple[list[dict[str, object]], Choice]:
    """The first rows, and the columns that are read. Raises NoSuchColumn, LinesTooLong."""
    rows = list(islice(_rows(source, found, limits), SAMPLE_ROWS))
    cells = [dict(row.cells) for row in rows if isinstance(row, Row)]
    try:
        return cells, columns.guessed(cells, choice)
    except NoSuchColumn:
        bad = next((row for row in rows if isinstance(row, BadRow)), None)
        if bad is None or not bad.reason.endswith(text.too_long(limits)):
            raise
        raise LinesTooLong(
            _noop("No text could be read. The first problem: line %(line)s: %(reason)s.")
            % {"line": bad.line, "reason": bad.reason}
        ) from None


def _image(source: Path) -> RawRecord | BadRow:
    size = source.stat().st_size
    if size > IMAGE_BYTES:
        return BadRow(0, 1, f"the image is larger than {IMAGE_BYTES // 2**20} MB", size)
    return RawRecord(0, source.name, None, source.read_bytes(), size)


def _folder(folder: Path, choice: Choice, limits: Limits, skip: int) -> Iterator[Read]:
    """The records of each file in turn; a text file is one record, a table its rows."""
    base = before = 0
    files = archives.folder_files(folder)
    if len(files) > limits.member_count:
        raise UnpacksTooLarge(
            _noop("The folder has more than %(member_count)s files.")
            % {"member_count": f"{limits.member_count:,}"}
        )
    for file in files:
        name = file.relative_to(folder).as_posix()
        last = -1
        for record in _folder_file(file, name, choice, limits):
            last = record.ordinal
            placed = record._replace(ordinal=base + last, bytes_read=before + record.bytes_read)
            if placed.ordinal >= skip:
                yield placed
        base, before = base + last + 1, before + file.stat().st_size


def _folder_file(file: Path, name: str, choice: Choice, limits: Limits) -> Iterator[Read]:
    try:
        found = detect(file, limits)
        if found.format in ("zip", "tar"):
            raise Unsupported(_noop("an archive within a folder: upload it by itself"))
        if found.format in ("lines", "paragraphs", "image"):
            member = archives.file_member(file, name, limits)
            yield from archives.members_to_records(iter([member]), limits, 0)
            return
        _, chosen = _chosen(file, found, choice, limits)
        yield from columns.to_records(_rows(file, found, limits), chosen, prefix=f"{name}:")
    except (Unsupported, EmptySource) as error:
        yield BadRow(0, 1, f"{name}: {error.message}", file.stat().st_size)
    except ReaderError as error:
        error.message = f"{name}: {error.message}"
        raise
