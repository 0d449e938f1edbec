"""Records of a file at its owner's home, by the standard library: as the service would read them.

JSONL, CSV, TSV and plain text (also .gz), and a zip of texts. Keys and columns are guessed by the
service's own rules, so that prints made here fit a file uploaded there.
"""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import chain, islice
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple, TextIO, cast

from . import columns
from .columns import LONGEST_KEY
from .rows import row as canonical_row

SAMPLE_CHARACTERS = 2**20
SAMPLE_ROWS = 50
HIDDEN = ("__MACOSX", "Thumbs.db", "desktop.ini")

csv.field_size_limit(2**26)


class SourceRefused(Exception):
    """A file that cannot be read here; the message says what to do."""


class Record(NamedTuple):
    """One text with its key."""

    key: str
    text: str


class Skipped(NamedTuple):
    """A row that is no record, and why."""

    line: int
    reason: str


class Rows(NamedTuple):
    """One row of named cells, with its line and its place among all rows."""

    line: int
    ordinal: int
    cells: dict[str, object]


def records(
    path: Path,
    *,
    kind: str | None = None,
    text_column: str | None = None,
    key_column: str | None = None,
) -> Iterator[Record | Skipped]:
    """The records of `path` in order. Raises SourceRefused, OSError."""
    if not path.is_file():
        raise SourceRefused(f"{path} is no file. Give the path of a file.")
    if zipfile.is_zipfile(path):
        yield from _zip_records(path)
        return
    try:
        yield from _row_records(path, kind, text_column, key_column)
    except UnicodeDecodeError as error:
        raise SourceRefused(f"{path} is not UTF-8 ({error}). Save it as UTF-8.") from error
    except (EOFError, gzip.BadGzipFile) as error:
        raise SourceRefused(f"{path} is cut short or damaged: {error}.") from error


def _opened(path: Path) -> AbstractContextManager[TextIO]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    raw = gzip.open(path) if packed else path.open("rb")  # noqa: SIM115 - the caller closes it
    return io.TextIOWrapper(cast(io.BufferedReader, raw), "utf-8-sig", newline="\n")


def _row_records(
    path: Path, kind: str | None, text_column: str | None, key_column: str | None
) -> Iterator[Record | Skipped]:
    with _opened(path) as file:
        sample = file.read(SAMPLE_CHARACTERS)
    if not sample.strip():
        raise SourceRefused(f"{path} is empty. Check that the export finished.")
    with _opened(path) as file:
        rows = _rows(file, sample, _ending(path))
        first = list(islice(rows, SAMPLE_ROWS))
        cells = [row.cells for row in first if isinstance(row, Rows)]
        names = columns.column_names(cells)
        for name in (text_column, key_column):
            if name is not None and name not in names:
                raise SourceRefused(f"No column {name!r}; there are {', '.join(names)}.")
        if kind != "table":
            text_column = text_column or columns.text_column(cells, names)
        if text_column is None and kind == "text":
            raise SourceRefused(f"Say which column is the text: {', '.join(names)}.")
        others = [name for name in names if name != text_column]
        key_column = key_column or columns.key_column(cells, others)
        for row in chain(first, rows):
            yield row if isinstance(row, Skipped) else _record(row, text_column, key_column)


def _ending(path: Path) -> str:
    name = PurePath(path.name.lower())
    return PurePath(name.stem).suffix if name.suffix in (".gz", ".gzip") else name.suffix


def _rows(file: TextIO, sample: str, ending: str) -> Iterator[Rows | Skipped]:
    if ending in (".csv", ".tsv", ".tab"):
        is_whole = len(sample) < SAMPLE_CHARACTERS
        return _delimited(file, columns.dialect_of(sample, is_whole=is_whole))
    if ending in (".jsonl", ".ndjson", ".json") or sample.lstrip().startswith("{"):
        return _objects(file)
    by_paragraph = "\n\n" in sample.replace("\r\n", "\n").strip()
    return _plain(file, by_paragraph=by_paragraph)


def _objects(file: TextIO) -> Iterator[Rows | Skipped]:
    ordinal = -1
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        ordinal += 1
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Skipped(number, f"not JSON: {error}")
            continue
        if isinstance(value, dict):
            yield Rows(number, ordinal, value)
        else:
            yield Skipped(number, "JSON, but not an object")


def _delimited(file: TextIO, dialect: columns.Dialect) -> Iterator[Rows | Skipped]:
    parser = dialect.parser(line.rstrip("\r\n") + "\n" for line in file)
    rows = (cells for cells in parser if cells)
    if dialect.has_header:
        next(rows, None)
    for ordinal, cells in enumerate(rows):
        if len(cells) == len(dialect.columns):
            named = dict(zip(dialect.columns, cells, strict=True))
            yield Rows(parser.line_num, ordinal, cast(dict[str, object], named))
        else:
            width = len(dialect.columns)
            yield Skipped(parser.line_num, f"{len(cells)} cells, the table has {width} columns")


def _plain(file: TextIO, *, by_paragraph: bool) -> Iterator[Rows | Skipped]:
    held: list[str] = []
    first = ordinal = 0
    for number, line in enumerate(chain(file, [""]), 1):
        text = line.rstrip("\r\n")
        if text.strip():
            first = first if held else number
            held.append(text)
        if held and (not by_paragraph or not text.strip()):
            yield Rows(first, ordinal, {"text": "\n".join(held)})
            ordinal, held = ordinal + 1, []


def _record(row: Rows, text_column: str | None, key_column: str | None) -> Record | Skipped:
    key = str(row.ordinal + 1)
    if key_column is not None:
        key = columns.clean(columns.cell_text(row.cells.get(key_column)))
        if not key.strip():
            return Skipped(row.line, f"no value in the key column {key_column!r}")
        if len(key) > LONGEST_KEY:
            return Skipped(row.line, f"the key is longer than {LONGEST_KEY} characters")
    if text_column is None:
        return Record(key, canonical_row(row.cells))
    text = columns.clean(columns.cell_text(row.cells.get(text_column)))
    if not text.strip():
        return Skipped(row.line, f"no text in the column {text_column!r}")
    return Record(key, text)


def _zip_records(path: Path) -> Iterator[Record | Skipped]:
    with zipfile.ZipFile(path) as archive:
        for number, info in enumerate(archive.infolist(), 1):
            parts = PurePosixPath(info.filename).parts
            if info.is_dir() or any(part.startswith(".") or part in HIDDEN for part in parts):
                continue
            try:
                text = archive.read(info).decode("utf-8-sig")
            except UnicodeDecodeError:
                yield Skipped(number, f"{info.filename} is no text in UTF-8")
                continue
            except (RuntimeError, zipfile.BadZipFile) as error:
                yield Skipped(number, f"{info.filename}: {error}")
                continue
            if text.strip() and "\0" not in text and len(info.filename) <= LONGEST_KEY:
                yield Record(info.filename, text)
            else:
                yield Skipped(number, f"{info.filename}: no text, or a name too long")
