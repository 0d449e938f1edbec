"""The month for accounting, as one zip of sheets."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from compensation import month_end
from provenance.api.door import Door
from provenance.api.files import zip_of
from provenance.models import Party


class MonthQuery(serializers.Serializer[Any]):
    """Whether an open month will do."""

    draft = serializers.BooleanField(
        default=False, help_text="Also while the month is open; the file says that it is a draft."
    )


class MonthEnd(Door):
    """A closed month for accounting (operators only)."""

    @extend_schema(
        operation_id="period_export",
        parameters=[MonthQuery],
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, name: str) -> HttpResponseBase:
        """Trial balance, entries, documents, payouts, deposits and open items as sheets."""
        self.require_operator("finance")
        given = self.read(MonthQuery, request.query_params)
        book = month_end.book_of(name=name, draft=given["draft"], at=timezone.now())
        self.log_looks(Party.objects.filter(accounts__isnull=False).distinct())
        return zip_of(month_end.month_end(book), month_end.file_name(book).removesuffix(".zip"))
