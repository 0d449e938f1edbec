"""Names that nobody wrote for people, in their language: of fields, of models, of filters.

Django makes them of the code's own names; `names.py` of each app marks them for `./run words`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.admin.filters import ListFilter
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext
from unfold.views import ChangeList

from provenance import kept

# Columns that hold sentences which the service wrote.
KEPT = frozenset({"problem", "words", "advice"})
# Columns that count something; the rest of whole numbers are names.
COUNTED = ("_count", "gas_used")


def name_of(words: object) -> str:
    """A name of a field or a model in the active language."""
    return gettext(str(words))


def column_of(model: type[Model], admin: object, shown: Any) -> Any:
    """A column of a list; a field of the model stands under its name in the reader's language."""
    if not isinstance(shown, str) or (hasattr(admin, shown) and shown != "__str__"):
        return shown
    if shown == "__str__":
        return _column(str, "__str__", str(model._meta.verbose_name), None)
    try:
        field: Any = model._meta.get_field(shown)
    except FieldDoesNotExist:
        return shown
    if field.choices:
        return _column(lambda row: _word(row, shown), shown, str(field.verbose_name), shown)
    if shown in KEPT:
        return _column(lambda row: _kept(row, shown), shown, str(field.verbose_name), shown)
    if shown.endswith(COUNTED):
        return _column(lambda row: _counted(row, shown), shown, str(field.verbose_name), shown)
    return _column(lambda row: getattr(row, shown), shown, str(field.verbose_name), shown)


def _counted(row: Model, name: str) -> str | None:
    """A count with its thousands marked."""
    count = getattr(row, name)
    return None if count is None else f"{count:,}"


def _kept(row: Model, name: str) -> str:
    """What a row keeps in English, in the reader's language."""
    return kept.said(getattr(row, name))


def _word(row: Model, name: str) -> Any:
    """The word for what a field with choices holds."""
    return getattr(row, f"get_{name}_display")()


def _column(value: Callable[[Any], Any], name: str, words: str, ordering: str | None) -> Any:
    def shown(row: Any) -> Any:
        return value(row)

    said: Any = shown
    said.__name__ = name
    said.short_description = capfirst(gettext(words))
    said.admin_order_field = ordering
    return said


class NamedList(ChangeList):  # type: ignore[misc]  # unfold ships no types
    """A list whose filters say what they filter by in the reader's language."""

    def get_filters(
        self, request: HttpRequest
    ) -> tuple[list[ListFilter], bool, dict[str, Any], bool, bool]:
        """The filters, named."""
        specs, *rest = super().get_filters(request)
        for spec in specs:
            spec.title = name_of(spec.title)
        return (specs, *rest)
