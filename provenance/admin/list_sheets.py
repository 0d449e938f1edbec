"""Any list as a sheet (CSV): the rows that its filters leave, in its own columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.text import slugify
from django.utils.translation import gettext as _

from provenance import kept
from provenance.admin.looking import note_list
from provenance.documents.sheets import as_csv

if TYPE_CHECKING:
    from provenance.admin.base import ReadOnlyFacts

SHEET = "sheet"
MOST_ROWS = 20_000
CHUNK = 1_000

Cell = Callable[[Any], object]


def wants_sheet(request: HttpRequest) -> bool:
    """Whether the list is asked for as a sheet."""
    return request.GET.get(SHEET) == "csv"


def sheet_link(request: HttpRequest) -> str:
    """The same list, with its filters, as a sheet."""
    kept = {name: value for name, value in request.GET.items() if name not in (SHEET, "p", "all")}
    return f"?{urlencode({**kept, SHEET: 'csv'})}"


def sheet_of(admin: ReadOnlyFacts, request: HttpRequest) -> HttpResponse:
    """The sheet; an operator's look at it is noted for each party, as that at the list is."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    asked = request.GET.copy()
    asked.pop(SHEET, None)
    request.GET = asked  # type: ignore[assignment]
    listed = admin.get_changelist_instance(request)
    found = listed.queryset
    rows = list(found[: MOST_ROWS + 1])
    admin.prepare_for(request, rows)
    touched = {p.pk: p for row in rows[:MOST_ROWS] for p in admin.parties_of(row)}
    with kept.in_english():
        what = f"sheet of {admin.opts.verbose_name_plural}"
    note_list(request, what, touched.values())
    columns = [
        _column(admin, name)
        for name in admin.get_list_display(request)
        if name != "action_checkbox"
    ]
    sheet = as_csv([title for title, _cell in columns], _cells(columns, rows))
    name = slugify(str(admin.heading(request))) or admin.opts.model_name
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return HttpResponse(sheet, content_type="text/csv; charset=utf-8", headers=headers)


def _cells(columns: list[tuple[str, Cell]], rows: list[Model]) -> Iterator[list[object]]:
    for row in rows[:MOST_ROWS]:
        yield [_plain(cell(row)) for _title, cell in columns]
    if len(rows) > MOST_ROWS:
        yield [_("There are more rows: narrow the list and ask again.")]


def _column(admin: ReadOnlyFacts, named: Any) -> tuple[str, Cell]:
    """The title of a column, and how it is read from a row."""
    # A field comes first, as in Django's lists: an admin has a `url` and a `model` of its own.
    is_field = named in {field.name for field in admin.model._meta.fields}
    shown: Any = None if is_field else named if callable(named) else getattr(admin, named, None)
    if callable(shown):
        return str(getattr(shown, "short_description", "")) or str(named), shown
    name = str(named)
    display = f"get_{name}_display"
    title = str(admin.model._meta.get_field(name).verbose_name) if name != "__str__" else name

    def read(row: Any) -> object:
        if name == "__str__":
            return str(row)
        return getattr(row, display)() if hasattr(row, display) else getattr(row, name)

    return title.capitalize(), read


def _plain(value: object) -> object:
    """A value as a cell: two lines are one, a link is its words, a moment is ISO 8601."""
    if isinstance(value, SafeString):
        return unescape(strip_tags(value))
    if isinstance(value, list | tuple):
        return " / ".join(str(part) for part in value if part)
    if isinstance(value, datetime):
        return value.isoformat()
    if value is None or isinstance(value, int | float | str):
        return value
    return str(value)
