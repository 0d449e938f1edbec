"""Tables to rows: CSV and TSV of any dialect, Parquet and Arrow."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from django.utils.translation import gettext_noop as _noop
from tallymark.fingerprint.columns import Dialect

from .refusals import Damaged
from .rows import BadRow, Limits, Row
from .streams import Opened
from .text import decoded, line_encoding, text_lines, too_long

BATCH_BYTES = 8 * 2**20
BATCH_ROWS = 4096
READ_BYTES = 2**20
csv.field_size_limit(Limits().line_bytes)  # its own default, 128 KB, is less than a long text


class _Feed:
    """The lines of a CSV file as the parser wants them, noting what it cannot see.

    A line that cannot be decoded or is too long is left out and remembered in `bad`.
    """

    def __init__(self, source: Opened, encoding: str, limits: Limits) -> None:
        self._lines = text_lines(source, encoding, limits)
        self._encoding, self._limits = line_encoding(encoding), limits
        self.number = 0
        self.first = 0
        self.quotes = 0
        self.bad: list[tuple[int, str]] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        for line in self._lines:
            self.number = line.number
            try:
                if line.data is None:
                    raise ValueError(too_long(self._limits))
                text = decoded(line.data, self._encoding)
            except ValueError as error:
                self.bad.append((line.number, str(error)))
                continue
            self.first = self.first or line.number
            self.quotes += text.count('"')
            return text + "\n"
        raise StopIteration

    def starts_row(self) -> None:
        """Forget the row before."""
        self.first = self.quotes = 0


def delimited(
    source: Opened, dialect: Dialect, encoding: str, limits: Limits, skip: int = 0
) -> Iterator[Row | BadRow]:
    """The rows of a CSV or TSV file; one with more or fewer cells than columns is bad."""
    feed = _Feed(source, encoding, limits)
    for ordinal, (line, cells, reason) in enumerate(_parsed(feed, dialect)):
        if ordinal < skip:
            continue
        if reason:
            yield BadRow(ordinal, line, reason, source.bytes_read)
        else:
            named = dict(zip(dialect.columns, cells, strict=True))
            yield Row(ordinal, line, named, source.bytes_read)


def _parsed(feed: _Feed, dialect: Dialect) -> Iterator[tuple[int, list[str], str]]:
    """(first line, cells, reason why the row is bad or '') of each row after the header."""
    parser = dialect.parser(feed)
    header_due, width = dialect.has_header, len(dialect.columns)
    while True:
        feed.starts_row()
        cells, reason = _next_row(parser)
        for number, why in feed.bad:
            yield number, [], why
        feed.bad.clear()
        if cells is None:
            return
        if not cells and not reason:
            continue
        if header_due:
            header_due = False
            continue
        if dialect.has_quotes and feed.quotes % 2 and feed.number > feed.first:
            reason = f"a quote opened here is not closed; {feed.number - feed.first} lines are lost"
        elif not reason and len(cells) != width:
            reason = f"the row has {len(cells)} cells, the table {width} columns"
        yield feed.first, cells, reason


def _next_row(parser: Any) -> tuple[list[str] | None, str]:
    """The next row and '', None at the end, or no cells and why they cannot be read."""
    try:
        return next(parser), ""
    except StopIteration:
        return None, ""
    except csv.Error as error:
        return [], f"not CSV: {error}"


def parquet(path: Path, limits: Limits, skip: int = 0) -> Iterator[Row | BadRow]:
    """The rows of a Parquet file, row group by row group. Raises Damaged."""
    total = path.stat().st_size
    try:
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=READ_BYTES)
        count = file.metadata.num_rows
        ordinal = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if ordinal + rows <= skip:
                ordinal += rows
                continue
            size = batch_rows(file.metadata.row_group(group).total_byte_size, rows)
            for batch in file.iter_batches(size, row_groups=[group], use_threads=False):
                for row in batch_cells(batch, ordinal, limits):
                    if row.ordinal >= skip:
                        yield row._replace(bytes_read=total * (row.ordinal + 1) // count)
                ordinal += len(batch)
    except (pa.ArrowException, OSError) as error:
        raise Damaged(
            _noop("The Parquet file cannot be read: %(first_line)s.")
            % {"first_line": _first_line(error)}
        ) from error


def batch_rows(group_bytes: int, group_rows: int) -> int:
    """How many rows of a group to hold at once."""
    each = max(group_bytes // max(group_rows, 1), 1)
    return max(1, min(BATCH_ROWS, BATCH_BYTES // each))


def arrow(path: Path, limits: Limits, skip: int = 0) -> Iterator[Row | BadRow]:
    """The rows of an Arrow IPC file or stream. Raises Damaged."""
    total = path.stat().st_size
    try:
        with pa.OSFile(str(path)) as opened:
            ordinal = 0
            for batch, bytes_read in arrow_batches(opened, total):
                size = batch_rows(batch.nbytes, len(batch))
                for start in range(0, len(batch), size):
                    part = batch.slice(start, size)
                    if ordinal + len(part) > skip:
                        for row in batch_cells(part, ordinal, limits):
                            if row.ordinal >= skip:
                                yield row._replace(bytes_read=bytes_read)
                    ordinal += len(part)
    except (pa.ArrowException, OSError) as error:
        raise Damaged(
            _noop("The Arrow file cannot be read: %(first_line)s.")
            % {"first_line": _first_line(error)}
        ) from error


def arrow_batches(opened: pa.NativeFile, total: int) -> Iterator[tuple[pa.RecordBatch, int]]:
    """The record batches of an IPC file, or of a stream, and how far each one reaches."""
    try:
        file = pa.ipc.open_file(opened)
    except pa.ArrowInvalid:
        opened.seek(0)
        for batch in pa.ipc.open_stream(opened):
            yield batch, min(opened.tell(), total)
        return
    for number in range(file.num_record_batches):
        yield file.get_batch(number), total * (number + 1) // file.num_record_batches


def batch_cells(batch: pa.RecordBatch, ordinal: int, limits: Limits) -> Iterator[Row | BadRow]:
    """The rows of a batch, from `ordinal`; one that cannot be decoded is bad."""
    try:
        rows: list[dict[str, object]] = _plain_floats(batch).to_pylist()
    except UnicodeDecodeError:
        if len(batch) > 1:
            for place in range(len(batch)):
                yield from batch_cells(batch.slice(place, 1), ordinal + place, limits)
        else:
            yield BadRow(ordinal, ordinal + 1, "a text in this row is not UTF-8", 0)
        return
    for place, cells in enumerate(rows, ordinal):
        yield Row(place, place + 1, cells, 0)


def _plain_floats(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Narrow floats as their shortest decimals: 0.1 in 32 bits is not 0.10000000149."""
    for place, field in enumerate(batch.schema):
        if field.type in (pa.float32(), pa.float16()):
            wide = batch.column(place).cast(pa.float32())
            batch = batch.set_column(place, field.name, wide.cast(pa.string()))
    return batch


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
