"""Which columns are a record's text and key: guessed from the first rows, or chosen."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from tallymark.fingerprint.rows import row as canonical_row

from .refusals import NoSuchColumn
from .rows import LONGEST_KEY, BadRow, Choice, RawRecord, Row

TEXT_NAMES = (
    "text", "content", "body", "article", "document", "code", "passage", "prompt", "completion",
    "response", "review", "abstract", "sentence", "caption",
)  # fmt: skip
KEY_NAME = re.compile(r"(?i)(?:.*[_\W])?id|key|uuid|guid|url|uri|doi|isbn|(?:file_?)?name|path")
LONG_TEXT = 100
"""Characters: a column whose cells are this long on average is a text, whatever its name."""
SHORT_TEXT = 20


def guessed(rows: Sequence[Mapping[str, object]], choice: Choice) -> Choice:
    """`choice` with what it leaves open decided by `rows`. Raises NoSuchColumn."""
    names = column_names(rows)
    for name in (choice.text_column, choice.key_column):
        if name is not None and names and name not in names:
            raise NoSuchColumn(f"There is no column {name!r}; there are {', '.join(names)}.")
    text = choice.text_column
    if text is None and choice.kind != "table":
        text = text_column(rows, names)
        if text is None and choice.kind == "text":
            raise NoSuchColumn(
                "No column looks like a text.",
                f"Say which column holds the text: {', '.join(names)}.",
            )
    key = choice.key_column or key_column(rows, [name for name in names if name != text])
    kind = choice.kind or ("text" if text else "table")
    return Choice(kind, text if kind == "text" else None, key)


def column_names(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """The columns of all rows, in the order in which they first appear."""
    return list(dict.fromkeys(name for row in rows for name in row))


def text_column(rows: Sequence[Mapping[str, object]], names: Sequence[str]) -> str | None:
    """The column that reads like a text: by its name, else by the length of its cells."""
    lengths = {name: _mean_length(rows, name) for name in names}
    for wanted in TEXT_NAMES:
        for name in names:
            if name.lower() == wanted and lengths[name] > 0:
                return name
    written = {name: length for name, length in lengths.items() if length > 0}
    if not written:
        return None
    longest = max(written, key=lambda name: written[name])
    alone = len(names) == 1 or len([name for name in names if not KEY_NAME.fullmatch(name)]) == 1
    enough = SHORT_TEXT if alone else LONG_TEXT
    return longest if written[longest] >= enough else None


def _mean_length(rows: Sequence[Mapping[str, object]], name: str) -> float:
    """The mean length of a column's strings, or 0 where most of its cells are none."""
    cells = [row.get(name) for row in rows]
    found = [cell for cell in cells if isinstance(cell, str) and not _is_number(cell)]
    if len(found) * 2 < len(rows) or not found:
        return 0.0
    return sum(map(len, found)) / len(found)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def key_column(rows: Sequence[Mapping[str, object]], names: Sequence[str]) -> str | None:
    """The first column that is named like a key and whose cells are there, short and differ."""
    for name in names:
        cells = [row.get(name) for row in rows]
        usable = [cell for cell in cells if isinstance(cell, str | int) and cell != ""]
        short = all(len(str(cell)) <= LONGEST_KEY for cell in usable)
        distinct = len(usable) == len(rows) == len(set(usable))
        if KEY_NAME.fullmatch(name) and usable and short and distinct:
            return name
    return None


def to_records(
    rows: Iterator[Row | BadRow], choice: Choice, prefix: str = ""
) -> Iterator[RawRecord | BadRow]:
    """Each row as a record by the columns of `choice`, which `guessed` has completed."""
    for row in rows:
        yield row if isinstance(row, BadRow) else to_record(row, choice, prefix)


def to_record(row: Row, choice: Choice, prefix: str = "") -> RawRecord | BadRow:
    """One row as a record; bad where its text or key is missing."""
    key = f"{prefix}{row.ordinal + 1}"
    reason = ""
    if choice.key_column is not None:
        key = clean(cell_text(row.cells.get(choice.key_column)))
        if not key.strip():
            reason = f"no value in the key column {choice.key_column!r}"
        elif len(key) > LONGEST_KEY:
            reason = f"the key is longer than {LONGEST_KEY} characters"
    if choice.text_column is None:
        text = canonical_row(row.cells)
    else:
        text = clean(cell_text(row.cells.get(choice.text_column)))
        if not text.strip():
            reason = f"no text in the column {choice.text_column!r}"
    if reason:
        return BadRow(row.ordinal, row.line, reason, row.bytes_read)
    return RawRecord(row.ordinal, key, text, None, row.bytes_read)


def cell_text(cell: object) -> str:
    """A cell as text; '' where it is missing."""
    if cell is None:
        return ""
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    if isinstance(cell, dict | list):
        return json.dumps(cell, ensure_ascii=False, default=str)
    return str(cell)


def clean(text: str) -> str:
    """`text` without what no store keeps: NUL and lone surrogates become U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
