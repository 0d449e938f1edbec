"""Which columns are a record's text, key and maker: guessed from the first rows, or chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from django.utils.translation import gettext_noop as _noop
from tallymark.fingerprint.columns import (
    LONGEST_KEY,
    cell_text,
    clean,
    column_names,
    key_column,
    text_column,
)
from tallymark.fingerprint.rows import row as canonical_row

from .refusals import NoSuchColumn
from .rows import WITHDRAWN_COLUMN, BadRow, Choice, RawRecord, Row, Withdrawal


def guessed(rows: Sequence[Mapping[str, object]], choice: Choice) -> Choice:
    """`choice` with what it leaves open decided by `rows`. Raises NoSuchColumn."""
    names = column_names(rows)
    for name in (choice.text_column, choice.key_column, choice.contributor_column):
        if name is not None and names and name not in names:
            raise NoSuchColumn(
                _noop("There is no column %(name)s; there are %(names)s.")
                % {"name": repr(name), "names": ", ".join(names)}
            )
    text = choice.text_column
    if text is None and choice.kind != "table":
        text = text_column(rows, names)
        if text is None and choice.kind == "text":
            raise NoSuchColumn(
                _noop("No column looks like a text."),
                _noop("Say which column holds the text: %(names)s.") % {"names": ", ".join(names)},
            )
    key = choice.key_column or key_column(rows, [name for name in names if name != text])
    kind = choice.kind or ("text" if text else "table")
    return Choice(kind, text if kind == "text" else None, key, choice.contributor_column)


def to_records(
    rows: Iterator[Row | BadRow], choice: Choice, prefix: str = ""
) -> Iterator[RawRecord | BadRow | Withdrawal]:
    """Each row as a record by the columns of `choice`, which `guessed` has completed."""
    for row in rows:
        yield row if isinstance(row, BadRow) else to_record(row, choice, prefix)


def to_record(row: Row, choice: Choice, prefix: str = "") -> RawRecord | BadRow | Withdrawal:
    """One row as a record, or as the word that it goes; bad where its text or key is missing."""
    key = f"{prefix}{row.ordinal + 1}"
    reason = ""
    if choice.key_column is not None:
        key = clean(cell_text(row.cells.get(choice.key_column)))
        if not key.strip():
            reason = f"no value in the key column {choice.key_column!r}"
        elif len(key) > LONGEST_KEY:
            reason = f"the key is longer than {LONGEST_KEY} characters"
    if not reason and is_withdrawn(row.cells):
        return Withdrawal(row.ordinal, key, row.bytes_read)
    if choice.text_column is None:
        kept = {name: cell for name, cell in row.cells.items() if name != WITHDRAWN_COLUMN}
        text = canonical_row(kept)
    else:
        text = clean(cell_text(row.cells.get(choice.text_column)))
        if not text.strip():
            reason = f"no text in the column {choice.text_column!r}"
    if reason:
        return BadRow(row.ordinal, row.line, reason, row.bytes_read)
    maker = clean(cell_text(row.cells.get(choice.contributor_column or "")))
    return RawRecord(
        row.ordinal, key, text, None, row.bytes_read, " ".join(maker.split())[:LONGEST_KEY]
    )


def is_withdrawn(cells: Mapping[str, object]) -> bool:
    """Whether the row's WITHDRAWN_COLUMN, if it has one, is true."""
    return cell_text(cells.get(WITHDRAWN_COLUMN)).strip().lower() in ("true", "1", "yes")
