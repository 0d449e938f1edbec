"""The canonical form of a table row: a text that two rows share when they say the same.

Columns stand by name, so their order does not matter; a number is a number however it is
written, a time is ISO 8601, text is in its canonical form, and what is missing is left out. What
may be read in two ways stays text: 1,234 (or is it 1.234?), 03/04/2021 (April or March?), 12e5
(or is it a code?). A text cell that reads as a number is one: "1.10" and "1.1" are the same
number, also where a column holds versions; "007", "1.10.0" and "v1.1" are names.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal

from .normal import normalise

# "007" is a name and 7.0 the number 7; 40 digits are enough for a number. An exponent alone does
# not make one: programs write it with a point or a sign.
NUMBER = re.compile(
    r"[+-]?(?:0|[1-9][0-9]{0,39})(?:\.[0-9]{1,40}(?:e[+-]?[0-9]{1,2})?|e[+-][0-9]{1,2})?", re.ASCII
)
# Commas between thousands, where a second one or a point says that they are.
GROUPED = re.compile(
    r"[+-]?[1-9][0-9]{0,2}(?:(?:,[0-9]{3}){2,12}(?:\.[0-9]{1,40})?|,[0-9]{3}\.[0-9]{1,40})",
    re.ASCII,
)
MOMENT = re.compile(
    r"(?P<day>.{6,18}?)"
    r"(?:(?:[t ]|, )(?P<clock>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?P<fraction>\.[0-9]+)?"
    r" ?(?P<zone>z|utc|[+-][0-9]{2}:?[0-9]{2})?)?",
    re.ASCII,
)
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
MONTH_NUMBERS = {
    name: number
    for number, month in enumerate(MONTHS, 1)
    for name in (month, month[:3], "sept" if number == 9 else month)
}
YEAR_FIRST = re.compile(r"([0-9]{4})([-/])([0-9]{1,2})\2([0-9]{1,2})", re.ASCII)
NAMED_MONTH = re.compile(r"([0-9]{1,2})([ -])([a-z]{3,9})\.?\2([0-9]{4})", re.ASCII)
MONTH_FIRST = re.compile(r"([a-z]{3,9})\.? ([0-9]{1,2}),? ([0-9]{4})", re.ASCII)
YEAR_LAST = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})", re.ASCII)
UTC = frozenset({"z", "utc", "+0000", "-0000", "-00:00"})
MISSING = frozenset({"", "nan", "null", "none", "n/a", "#n/a", "<na>"})


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
    if NUMBER.fullmatch(text):
        return number(text)
    if GROUPED.fullmatch(text):
        return number(text.replace(",", ""))
    return moment(text)


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
    parts = MOMENT.fullmatch(text) if text[-1:].isalnum() and len(text) <= 60 else None
    day = day_of(parts["day"]) if parts else None
    if parts and day:
        clock = parts["clock"] or "00:00:00"
        clock += ":00" if len(clock) == 5 else ""
        clock += (parts["fraction"] or "").rstrip("0").rstrip(".")
        zone = parts["zone"] or ""
        zone = "+00:00" if zone in UTC else zone
        zone = f"{zone[:3]}:{zone[3:]}" if len(zone) == 5 else zone
        text = day if clock == "00:00:00" and not zone else f"{day} {clock}{zone}"
    return json.dumps(text, ensure_ascii=False)


def day_of(text: str) -> str | None:
    """The day that `text` names, as ISO 8601; None where it names none, or maybe one of two."""
    if found := YEAR_FIRST.fullmatch(text):
        return _iso(found[1], int(found[3]), found[4])
    if found := NAMED_MONTH.fullmatch(text):
        return _iso(found[4], MONTH_NUMBERS.get(found[3], 0), found[1])
    if found := MONTH_FIRST.fullmatch(text):
        return _iso(found[3], MONTH_NUMBERS.get(found[1], 0), found[2])
    if found := YEAR_LAST.fullmatch(text):
        return _year_last(int(found[1]), int(found[3]), found[4])
    return None


def _year_last(one: int, other: int, year: str) -> str | None:
    """Day and month, or month and day: only where a number over 12, or twice the same, tells."""
    if one != other and max(one, other) <= 12:
        return None
    return _iso(year, min(one, other), str(max(one, other)))


def _iso(year: str, month: int, day: str) -> str | None:
    try:
        return date(int(year), month, int(day)).isoformat()
    except ValueError:
        return None
