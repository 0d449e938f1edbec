"""The canonical form of a table row: a text that two rows share when they say the same.

Columns stand by name, so their order does not matter; a number is a number however it is
written, a time is ISO 8601, text is in its canonical form, and what is missing is left out.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal

from .normal import normalise

# "007" is a name, "7.0" and "7e0" are the number 7; and 40 digits are enough for a number.
NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,39})(?:\.[0-9]{1,40})?(?:e[+-]?[0-9]{1,2})?", re.ASCII)
MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[t ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(\.[0-9]+)?"
    r"(z|[+-][0-9]{2}:?[0-9]{2})?",
    re.ASCII,
)
MISSING = frozenset({"", "nan", "null", "none", "n/a"})


def row(cells: Mapping[str, object]) -> str:
    """The canonical text of a row: a JSON object of its cells, by column name."""
    pairs = sorted(
        (normalise(str(name)), value)
        for name, cell in cells.items()
        if (value := value_of(cell)) is not None
    )
    inside = ",".join(f"{json.dumps(name, ensure_ascii=False)}:{value}" for name, value in pairs)
    return "{" + inside + "}"


def value_of(cell: object) -> str | None:
    """The canonical JSON of one cell, or None where it is missing."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, bool):
        return json.dumps(cell)
    if isinstance(cell, int | float | Decimal):
        return number(str(cell).lower())
    if isinstance(cell, datetime | date | time):
        return moment(cell.isoformat(sep=" ") if isinstance(cell, datetime) else cell.isoformat())
    if isinstance(cell, bytes):
        return json.dumps(cell.hex())
    if isinstance(cell, Mapping):
        return row({str(name): value for name, value in cell.items()})
    if isinstance(cell, list | tuple):
        return "[" + ",".join(value_of(item) or "null" for item in cell) + "]"
    return text_value(normalise(str(cell)))


def text_value(text: str) -> str | None:
    """A cell that came as text: a number, a truth value or a time if it reads as one."""
    if text in MISSING:
        return None
    if text in ("true", "false"):
        return text
    return number(text) if NUMBER.fullmatch(text) else moment(text)


def number(text: str) -> str:
    """`text` as the shortest plain decimal; what is not finite stays text."""
    value = Decimal(text)
    if not value.is_finite() or abs(value.adjusted()) > 200:
        return json.dumps(text)
    plain = format(value, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return plain if value else "0"


def moment(text: str) -> str:
    """`text`, its date and time joined by a space; midnight without a zone is the date alone."""
    parts = MOMENT.fullmatch(text)
    if parts:
        day, clock, fraction, zone = parts.groups(default="")
        clock += ":00" if len(clock) == 5 else ""
        clock += fraction.rstrip("0").rstrip(".")
        text = day if clock == "00:00:00" and not zone else f"{day} {clock}{zone}"
    return json.dumps(text, ensure_ascii=False)
