"""Lines of text to rows: JSONL, and plain text by line or by paragraph."""

from __future__ import annotations

import json
from collections.abc import Iterator

from django.utils.translation import gettext_noop as _noop

from . import encodings
from .refusals import LinesTooLong, MixedEncodings, NotWhatItClaims
from .rows import BadRow, Limits, Row
from .streams import Line, Opened, lines

TEXT_COLUMN = "text"
PARSED_LINES = 20
"""Of this many first lines at least one must be an object, or the file is no JSONL."""


def too_long(limits: Limits) -> str:
    """The reason why a line was passed over."""
    return f"the line is longer than {limits.line_bytes // 2**20} MB"


def decoded(data: bytes, encoding: str) -> str:
    """`data` as text; raises ValueError with a reason for people."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            _noop(
                "byte %(start)s of the line is not %(encoding)s, as the file began: mixed encodings"
            )
            % {"start": error.start + 1, "encoding": encoding}
        ) from error


def text_lines(source: Opened, encoding: str, limits: Limits) -> Iterator[Line]:
    """The lines of `source`, in UTF-8 where `encoding` is one without single-byte line ends."""
    stream = source.stream
    if encoding in encodings.WIDE:
        stream = encodings.as_utf8(stream, encoding)
    for line in lines(stream, limits):
        if line.number == 1 and line.data is not None:
            yield Line(1, line.data.removeprefix(b"\xef\xbb\xbf"))
        else:
            yield line


def line_encoding(encoding: str) -> str:
    """The encoding of the lines that `text_lines` yields."""
    return "utf-8" if encoding in encodings.WIDE or encoding == "utf-8-sig" else encoding


def file_too_long(limits: Limits) -> str:
    """The reason why a file that would be one record was passed over."""
    return f"the file is larger than {limits.line_bytes // 2**20} MB, the most of one record"


def jsonl(source: Opened, encoding: str, limits: Limits, skip: int = 0) -> Iterator[Row | BadRow]:
    """One object a line; blank lines are passed over, what is no object is a bad row.

    Raises NotWhatItClaims where none of the first lines is an object.
    """
    name, ordinal, good, first_bad = line_encoding(encoding), -1, 0, ""
    for line in text_lines(source, encoding, limits):
        if line.data is not None and not line.data.strip():
            continue
        ordinal += 1
        if ordinal < skip:
            continue
        row = _object(line, name, ordinal, source.bytes_read, limits)
        good += isinstance(row, Row)
        if isinstance(row, BadRow):
            first_bad = first_bad or f"line {row.line}: {row.reason}"
        if not good and not skip and ordinal + 1 == PARSED_LINES:
            break
        yield row
    if not good and not skip and ordinal >= 0:
        if first_bad.endswith(too_long(limits)):
            raise LinesTooLong(
                _noop("No record could be read. The first problem: %(first_bad)s.")
                % {"first_bad": first_bad}
            )
        raise NotWhatItClaims(
            _noop("None of its first lines is a JSON object: this is not JSONL. (%(first_bad)s)")
            % {"first_bad": first_bad},
            _noop("Write one JSON object on each line."),
        )


def _object(
    line: Line, encoding: str, ordinal: int, bytes_read: int, limits: Limits
) -> Row | BadRow:
    if line.data is None:
        return BadRow(ordinal, line.number, too_long(limits), bytes_read)
    try:
        cells = parsed(decoded(line.data, encoding))
    except ValueError as error:
        return BadRow(ordinal, line.number, str(error), bytes_read)
    return Row(ordinal, line.number, cells, bytes_read)


def parsed(text: str) -> dict[str, object]:
    """The JSON object in `text`; raises ValueError with a reason for people."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            _noop("not JSON: %(msg)s at column %(colno)s")
            % {"msg": error.msg, "colno": error.colno}
        ) from error
    except RecursionError as error:
        raise ValueError(_noop("not JSON that can be read: nested too deeply")) from error
    if not isinstance(value, dict):
        raise ValueError(_noop("the line holds JSON, but not an object with named fields"))
    return value


def plain(
    source: Opened, encoding: str, limits: Limits, skip: int = 0, *, by_paragraph: bool
) -> Iterator[Row | BadRow]:
    """Each line that is not blank, or each paragraph between blank lines."""
    name = line_encoding(encoding)
    blocks = _blocks(source, encoding, limits, by_paragraph=by_paragraph)
    for ordinal, (first, text, reason) in enumerate(blocks):
        if ordinal < skip:
            continue
        cells = {TEXT_COLUMN: ""}
        try:
            cells[TEXT_COLUMN] = decoded(text, name)
        except ValueError as error:
            reason = str(error)
        if reason:
            yield BadRow(ordinal, first, reason, source.bytes_read)
        else:
            yield Row(ordinal, first, cells, source.bytes_read)


def _blocks(
    source: Opened, encoding: str, limits: Limits, *, by_paragraph: bool
) -> Iterator[tuple[int, bytes, str]]:
    """(first line, bytes, reason why it is bad or '') of each block."""
    held: list[bytes] = []
    first, size = 0, 0
    for line in text_lines(source, encoding, limits):
        if line.data is None:
            yield line.number, b"", too_long(limits)
            continue
        ends = not line.data.strip()
        if not ends:
            first = first if held else line.number
            held.append(line.data)
            size += len(line.data)
        if held and (ends or not by_paragraph or size > limits.line_bytes):
            yield first, b"\n".join(held), ""
            held, size = [], 0
    if held:
        yield first, b"\n".join(held), ""


def has_paragraphs(sample: str) -> bool:
    """Whether blank lines part the text of `sample`, so that a record is a paragraph."""
    return "\n\n" in sample.replace("\r\n", "\n").strip()


def whole(data: bytes) -> str:
    """A file that is one text. Raises MixedEncodings."""
    encoding = encodings.encoding_of(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise MixedEncodings(
            _noop("Byte %(start)s of the text is not %(encoding)s.")
            % {"start": error.start + 1, "encoding": encoding}
        ) from error
