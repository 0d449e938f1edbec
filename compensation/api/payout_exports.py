"""Payouts on chains that we do not sign for, for operators: files out, results back."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from compensation.api.accounts import AssetOut, asset_by_code
from compensation.api.bank import OperatorFacts
from compensation.models import ExportedPayout, PayoutExport
from compensation.other_chains import exporting, results
from provenance.api.door import IDEMPOTENCY, Browse
from provenance.api.fields import PartyRef
from provenance.api.files import file_of
from provenance.api.idempotency import idempotent


class PayoutExportOut(serializers.ModelSerializer[PayoutExport]):
    """What was due in one asset at one moment."""

    asset = AssetOut()

    class Meta:
        model = PayoutExport
        fields = ("id", "number", "asset", "amount_units", "payout_count", "entry", "made_at")


class PayoutExportIn(serializers.Serializer[Any]):
    """Of which asset."""

    asset = serializers.CharField(max_length=120, help_text="CAIP-19, on a chain not an EVM's.")


class ExportedPayoutOut(serializers.ModelSerializer[ExportedPayout]):
    """One line of an export, and what became of it; `address` is CAIP-10."""

    party = PartyRef()
    token_amount = serializers.CharField(help_text="In the token's decimals.")

    class Meta:
        model = ExportedPayout
        fields = (
            "reference", "party", "address", "amount_units", "token_amount", "state", "tx_hash",
            "words", "outcome", "settled_at",
        )  # fmt: skip


class ResultsIn(serializers.Serializer[Any]):
    """What the payout tool did, as CSV or JSON."""

    file = serializers.FileField()


class TakenOut(serializers.Serializer[Any]):
    """How many lines were new."""

    new = serializers.IntegerField()


class PayoutExports(OperatorFacts, Browse):
    """Files for the operator's own payout tool (operators only)."""

    serializer_class = PayoutExportOut
    queryset = PayoutExport.objects.select_related("asset")
    lookup_value_converter = "uuid"
    ordering = ("-made_at", "id")
    parser_classes = (JSONParser, MultiPartParser, FormParser)

    def get_queryset(self) -> QuerySet[PayoutExport]:
        """All of them."""
        return PayoutExport.objects.select_related("asset", "entry")

    @extend_schema(
        request=PayoutExportIn, responses={201: PayoutExportOut}, parameters=[IDEMPOTENCY]
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Export all that is due in an asset (operators only); it is in flight from now on."""
        self.viewer.require("finance")
        asset = asset_by_code(self.read(PayoutExportIn)["asset"])
        made = exporting.make_export(asset=asset, at=timezone.now(), by=self.person)
        return Response(PayoutExportOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"])
    def file(self, request: Request, pk: str) -> HttpResponse:
        """The lines as CSV, always the same bytes (operators only); each payout exists once."""
        export = self._export()
        return file_of(exporting.as_csv(export), f"tallymark-transfers-{export.number}", "csv")

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["get"])
    def transfers(self, request: Request, pk: str) -> Response:
        """The same lines as JSON (operators only)."""
        return Response(exporting.as_json(self._export()))

    @extend_schema(responses=ExportedPayoutOut(many=True))
    @action(detail=True, methods=["get"])
    def payouts(self, request: Request, pk: str) -> Response:
        """Its payouts, and where each stands (operators only)."""
        rows = list(self.get_object().payouts.select_related("party").order_by("pk"))
        self.log_looks(payout.party for payout in rows)
        return Response(ExportedPayoutOut(rows, many=True).data)

    @extend_schema(request={"multipart/form-data": ResultsIn}, responses=TakenOut)
    @action(detail=True, methods=["post"])
    def results(self, request: Request, pk: str) -> Response:
        """Read back what the tool did, all or none (operators only); a repeat changes nothing."""
        export = self.get_object()
        self.viewer.require("finance")
        given = self.read(ResultsIn)["file"]
        found = results.parse(given.read(results.LARGEST_BYTES + 1))
        new = results.take(export=export, results=found, at=timezone.now(), by=self.person)
        return Response(TakenOut({"new": new}).data)

    def _export(self) -> PayoutExport:
        """The export, for whoever may have its addresses; the look is logged for their owners."""
        export: PayoutExport = self.get_object()
        self.viewer.require("finance")
        self.log_looks(payout.party for payout in export.payouts.select_related("party"))
        return export
