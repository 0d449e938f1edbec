"""Which columns are a text and a key, guessed alike at an owner's home and by the service."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

LONGEST_KEY = 200
"""Characters; as long as the key of a record may be."""
TEXT_NAMES = (
    "text", "content", "body", "article", "document", "code", "passage", "prompt", "completion",
    "response", "review", "abstract", "sentence", "caption",
)  # fmt: skip
KEY_NAME = re.compile(r"(?i)(?:.*[_\W])?id|key|uuid|guid|url|uri|doi|isbn|(?:file_?)?name|path")
LONG_TEXT = 100
"""Characters: a column whose cells are this long on average is a text, whatever its name."""
SHORT_TEXT = 20
DELIMITERS = ",\t;|"
DIALECT_ROWS = 50
QUOTED = re.compile(r'(?m)(?:^|\t)"[^"\t\n]*"(?:\t|\r?$)')
NUMBER = re.compile(r"\s*[+-]?[\d.,]+([eE][+-]?\d+)?%?\s*")


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


class Dialect(NamedTuple):
    """How a CSV file is written."""

    delimiter: str
    columns: list[str]
    has_header: bool
    has_quotes: bool = True
    """Without, a quotation mark is a character as any other: TSV files are often so."""

    def parser(self, rows: Iterable[str]) -> Any:
        """A csv reader of this dialect."""
        if self.has_quotes:
            return csv.reader(rows, delimiter=self.delimiter)
        return csv.reader(rows, delimiter=self.delimiter, quoting=csv.QUOTE_NONE)


def dialect_of(sample: str, *, is_whole: bool) -> Dialect:
    """The delimiter under which most sample rows have the same, largest number of cells."""
    best, best_score = Dialect(",", [], has_header=False), (0.0, 0)
    rows: list[list[str]] = []
    for tried in _dialects(sample):
        found = _sample_rows(sample, tried, is_whole=is_whole)
        widths = [len(row) for row in found] or [0]
        usual = max(set(widths), key=widths.count)
        score = (widths.count(usual) / len(widths) if usual > 1 else 0.0, usual)
        if score > best_score:
            best, best_score, rows = tried, score, found
    first = rows[0] if rows else []
    if _is_header(first, rows[1:]):
        return best._replace(columns=[name.strip() for name in first], has_header=True)
    return best._replace(columns=[f"column_{place + 1}" for place in range(len(first))])


def _dialects(sample: str) -> Iterator[Dialect]:
    """The dialects to try, the likelier first; only tabs come without quotes."""
    for delimiter in DELIMITERS:
        quoted = Dialect(delimiter, [], has_header=False)
        plain = quoted._replace(has_quotes=False)
        if delimiter != "\t":
            yield quoted
        else:
            yield from (quoted, plain) if QUOTED.search(sample) else (plain, quoted)


def _sample_rows(sample: str, dialect: Dialect, *, is_whole: bool) -> list[list[str]]:
    rows = [row for row in dialect.parser(sample.splitlines(keepends=True)) if row]
    return (rows if is_whole or len(rows) < 2 else rows[:-1])[:DIALECT_ROWS]


def _is_header(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Names are there, differ, and are no numbers; and they are shorter than a text."""
    if not rest or len({name.strip() for name in first}) != len(first):
        return False
    return all(name.strip() and not NUMBER.fullmatch(name) and len(name) <= 100 for name in first)
