"""CSV that a spreadsheet can open: the one place where rows become a sheet (RFC 4180)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

# A spreadsheet would take a cell that begins so for a formula and run it (OWASP, CSV injection).
_STARTS_FORMULA = re.compile(r"^\s*[=+\-@＝＋－＠]|^[\t\r\n]")
_IS_NUMBER = re.compile(r"^[+-]?\d+(\.\d+)?$")


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The sheet as text; None is an empty cell, and text that would run is quoted with '."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def line(row: Sequence[object]) -> str:
    """One line of a sheet, without its end."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="").writerow([_cell(value) for value in row])
    return out.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, str) and _STARTS_FORMULA.match(value) and not _IS_NUMBER.match(value):
        return f"'{value}"
    return value
