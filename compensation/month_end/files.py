"""Writes the zip of a month: each sheet while it is read, and a manifest with digests and sums."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Max
from django.utils.translation import gettext as _

from compensation import money
from compensation.exports.archive import ExportWriter
from compensation.journal_export import snapshot
from compensation.models import Entry, Period
from compensation.month_end.sheets import SHEETS, Sheet
from compensation.periods import NoSuchPeriod
from provenance.documents import sheets
from provenance.ledger import moment
from provenance.refusals import Refused

FORMAT: Final = "tallymark-month/1"
FETCH_ROWS: Final = 5_000


class MonthOpen(Refused):
    """This month is open: what is exported of it may still change."""

    code = "month_open"
    hint = "Close the month first, or ask for a draft, which says in its name that it is one."


@dataclass(frozen=True)
class Book:
    """What is exported: a month, and whether more may come."""

    period: Period
    is_draft: bool
    made_at: datetime


def book_of(*, name: str, draft: bool = False, at: datetime) -> Book:
    """The month to export. Raises NoSuchPeriod, or MonthOpen unless a draft is asked for.

    A closed month is never a draft.
    """
    period = Period.objects.filter(name=name).first()
    if period is None:
        raise NoSuchPeriod(_("Nothing was posted in %(name)s.") % {"name": repr(name)})
    if not period.is_closed and not draft:
        raise MonthOpen(_("%(name)s is open.") % {"name": name})
    return Book(period, not period.is_closed, at)


def file_name(book: Book) -> str:
    """How the zip is called."""
    return f"tallymark-{book.period.name}{'-DRAFT' if book.is_draft else ''}.zip"


def month_end(book: Book) -> Iterator[bytes]:
    """The zip, part by part, while it is made: all of it from one snapshot of the database."""
    writer = ExportWriter(book.made_at)
    sums: dict[str, dict[str, dict[str, str]]] = {}
    with snapshot():
        last = Entry.objects.aggregate(last=Max("pk"))["last"] or 0
        given = {
            "month": book.period.name,
            "until": book.period.ends_at,
            "at": book.made_at,
            "last": last,
        }
        for sheet in SHEETS:
            added = _Sums(sheet)
            yield from writer.file(sheet.name, added.lines(given), end="\r\n")
            if sheet.sums:
                sums[sheet.name] = {sheet.sums: added.by_asset()}
        hash_of_last = bytes(Entry.objects.get(pk=last).hash).hex() if last else None
    facts = {
        "format": FORMAT,
        "month": book.period.name,
        "is_draft": book.is_draft,
        "starts_at": moment(book.period.starts_at),
        "ends_at": moment(book.period.ends_at),
        "closed_at": moment(book.period.closed_at) if book.period.closed_at else None,
        "last_entry_of_month": book.period.last_number,
        "made_at": moment(book.made_at),
        "last_entry": last,
        "hash": hash_of_last,
        "sums": sums,
    }
    yield from writer.end(facts)


class _Sums:
    """A sheet's lines, added up by asset while they pass."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._sums: dict[str, int] = defaultdict(int)

    def lines(self, given: dict[str, Any]) -> Iterator[str]:
        """The header, and the rows as lines of CSV: an amount as a decimal, and its units."""
        sheet = self._sheet
        asset = sheet.columns.index("asset")
        summed = sheet.columns.index(sheet.sums) if sheet.sums else None
        yield sheets.line(sheet.header)
        for *row, scale in _rows(sheet.query, given):
            if summed is not None:
                self._sums[row[asset]] += int(row[summed])
            cells: list[object] = []
            for place, value in enumerate(row):
                if place in sheet.amounts:
                    cells += [money.to_text(int(value), scale), str(int(value))]
                else:
                    cells.append(value if value is None else str(value))
            yield sheets.line(cells)

    def by_asset(self) -> dict[str, str]:
        """The sums in units, as text."""
        return {code: str(units) for code, units in sorted(self._sums.items())}


def _rows(query: str, given: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(query, given)
        while rows := cursor.fetchmany(FETCH_ROWS):
            yield from rows
