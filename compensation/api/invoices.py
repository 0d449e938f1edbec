"""Invoices of labs and self-billed invoices of owners, as data and on paper."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.generics import ListAPIView, get_object_or_404
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from compensation import invoices
from compensation.models import Invoice, InvoiceWaiting, Period, Side
from provenance.api.door import IDEMPOTENCY, Door, Facts
from provenance.api.fields import PartyRef, ReasonIn
from provenance.api.files import file_of
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.models import Party


class InvoiceOut(serializers.ModelSerializer[Invoice]):
    """One document in a list; its address has the whole of it."""

    party = PartyRef()
    kind_words = serializers.CharField(source="get_kind_display")
    period = serializers.CharField(source="period_id")
    asset = serializers.CharField(source="asset.code")
    corrects = serializers.CharField(source="corrects.number", default=None, allow_null=True)
    net_units = serializers.CharField(help_text="Positive where the buyer owes it.")
    tax_units = serializers.CharField()
    due_units = serializers.CharField(help_text="What is left to pay outside of the balance.")

    class Meta:
        model = Invoice
        fields = (
            "id", "number", "kind", "kind_words", "side", "party", "period", "asset", "corrects",
            "net_units", "tax_units", "due_units", "issued_at",
        )  # fmt: skip


class WaitingOut(serializers.ModelSerializer[InvoiceWaiting]):
    """A document that cannot be issued yet, and what it takes."""

    party = PartyRef()
    period = serializers.CharField(source="period_id")
    asset = serializers.CharField(source="asset.code")
    net_units = serializers.CharField()

    class Meta:
        model = InvoiceWaiting
        fields = ("side", "party", "period", "asset", "net_units", "reason", "words", "since_at")


class MonthIn(serializers.Serializer[Any]):
    """Which closed month to issue."""

    period = serializers.CharField(max_length=7, help_text="2026-03")


class IssuedOut(serializers.Serializer[Any]):
    """How many documents were issued now, and what waits."""

    issued = serializers.IntegerField()
    waiting = WaitingOut(many=True)


class InvoiceFilter(Filter):
    """Find documents by period, side, kind, number, or (for operators) party."""

    period = filters.CharFilter(field_name="period_id")
    side = filters.ChoiceFilter(choices=Side.choices)
    kind = filters.ChoiceFilter(choices=Invoice.Kind.choices)
    number = filters.CharFilter()
    party = filters.UUIDFilter(field_name="party_id")


class Invoices(ListModelMixin, Facts, GenericViewSet[Any]):
    """The viewer's documents; all for an operator."""

    serializer_class = InvoiceOut
    filterset_class = InvoiceFilter
    queryset = Invoice.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-issued_at", "id")

    def get_queryset(self) -> QuerySet[Any]:
        """Those that the viewer may see."""
        seen = Invoice.objects.visible_to(self.viewer)
        return seen.select_related("party", "asset", "period", "corrects")

    def owners_of(self, row: Invoice) -> Iterable[Party]:
        """The lab or the owner."""
        return (row.party,)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def retrieve(self, request: Request, pk: str) -> Response:
        """The document, in the terms of EN 16931."""
        return Response(invoices.as_document(self.get_object()))

    @extend_schema(responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], url_path="document.pdf")
    def pdf(self, request: Request, pk: str) -> HttpResponseBase:
        """The document on paper."""
        made = self.get_object()
        return file_of(invoices.as_pdf(made), made.number, "pdf")

    @extend_schema(request=ReasonIn, responses={201: InvoiceOut}, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"], url_path="take-back")
    @idempotent
    def take_back(self, request: Request, pk: str) -> Response:
        """Take a document back by a credit note (operators only); the correct one follows."""
        self.require_operator("finance")
        reason = self.read(ReasonIn)["reason"]
        made = invoices.take_back(
            invoice=self.get_object(), reason=reason, by=self.person, at=timezone.now()
        )
        return Response(InvoiceOut(made).data, status=status.HTTP_201_CREATED)


class InvoicesWaiting(Facts, ListAPIView[InvoiceWaiting]):
    """Documents that cannot be issued yet: the viewer's own, all for an operator."""

    serializer_class = WaitingOut
    queryset = InvoiceWaiting.objects.none()
    ordering = ("since_at", "id")

    def get_queryset(self) -> QuerySet[Any]:
        """Those that the viewer may see."""
        return InvoiceWaiting.objects.visible_to(self.viewer).select_related("party", "asset")

    def owners_of(self, row: InvoiceWaiting) -> Iterable[Party]:
        """The lab or the owner."""
        return (row.party,)


class IssueInvoices(Door):
    """The operator's push: by itself a closed month is issued within the hour."""

    @extend_schema(operation_id="invoices_issue", request=MonthIn, responses=IssuedOut)
    def post(self, request: Request) -> Response:
        """Issue what a closed month still asks for (operators only)."""
        self.require_operator("finance")
        period = get_object_or_404(Period, pk=self.read(MonthIn)["period"])
        count = invoices.issue_period(period=period, at=timezone.now(), by=self.person)
        waiting = InvoiceWaiting.objects.filter(period=period).select_related("party", "asset")
        return Response(IssuedOut({"issued": count, "waiting": waiting.order_by("pk")}).data)
