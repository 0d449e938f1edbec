"""Long lists by cursor: stable while rows arrive, and as fast on the last page as on the first."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView

from provenance.refusals import Refused


class BadCursor(Refused):
    """The cursor is none that a list gave."""

    code = "bad_cursor"
    status = 400
    hint = "Follow `next` and `previous` as they are, or begin again without a cursor."


class Cursor(CursorPagination):
    """`?limit=` rows (50, at most 500) and opaque `next` and `previous` links."""

    page_size = 50
    max_page_size = 500
    page_size_query_param = "limit"
    page_size_query_description = "Rows on a page: 50 unless said, 500 at most."
    ordering = "pk"

    def get_ordering(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> tuple[str, ...]:
        """The view's `ordering`; ties are broken by primary key."""
        wanted = getattr(view, "ordering", self.ordering)
        fields = (wanted,) if isinstance(wanted, str) else tuple(wanted)
        return fields if fields[-1].lstrip("-") in {"pk", "id"} else (*fields, "pk")

    def decode_cursor(self, request: Request) -> Any:
        """The place that `?cursor=` names. Raises BadCursor."""
        try:
            return super().decode_cursor(request)
        except NotFound as error:
            raise BadCursor("That is no cursor of this list.") from error
