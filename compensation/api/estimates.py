"""Estimates: what a run will cost, and whether it may start."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compensation import budgets, estimates
from compensation.api.quotes import QuoteIn, QuoteItemOut, wanted_of
from compensation.estimates import Estimate
from provenance import projects
from provenance.api.door import Door


class EstimateIn(QuoteIn):
    """What a job is going to use, whose budget pays, and the cap it would accept."""

    project = serializers.CharField(max_length=100, default="", allow_blank=True)
    cap_asset = serializers.CharField(max_length=120, default="", allow_blank=True)
    cap_units = serializers.IntegerField(
        default=None, allow_null=True, min_value=0, max_value=2**63 - 1
    )


class EstimateTotalOut(serializers.Serializer[Any]):
    """What it comes to in one asset, and what there is to pay it with."""

    asset = serializers.CharField()
    amount_units = serializers.IntegerField()
    spendable_units = serializers.IntegerField(
        allow_null=True, help_text="Credit limit included; null: without limit."
    )
    budget_left_units = serializers.IntegerField(
        allow_null=True, help_text="Of the tightest budget; null: there is none."
    )
    is_covered = serializers.BooleanField()


class RefusalOut(serializers.Serializer[Any]):
    """Why a start would be refused, and what to do."""

    code = serializers.CharField()
    detail = serializers.CharField()
    hint = serializers.CharField(source="next_step")


class EstimateOut(serializers.Serializer[Any]):
    """An estimate: it promises nothing; a quote does."""

    totals = EstimateTotalOut(many=True)
    cap_asset = serializers.CharField(source="cap.asset", default=None, allow_null=True)
    cap_units = serializers.IntegerField(source="cap.units", default=None, allow_null=True)
    refusal = serializers.SerializerMethodField()
    items = QuoteItemOut(many=True)

    @extend_schema_field(RefusalOut(allow_null=True))
    def get_refusal(self, found: Estimate) -> dict[str, Any] | None:
        """Null where the run may start now."""
        return dict(RefusalOut(found.refusal).data) if found.refusal else None


class Estimates(Door):
    """What a run will cost."""

    @extend_schema(operation_id="estimates_create", request=EstimateIn, responses=EstimateOut)
    def post(self, request: Request) -> Response:
        """Reckon what a run would cost if it started now; nothing is kept."""
        self.viewer.require("develop")
        given, lab = self.read(EstimateIn), self.viewer.party
        name = given["project"]
        found = estimates.estimate(
            lab=lab,
            purpose=given["purpose"],
            wanted=[wanted_of(each) for each in given["items"]],
            project=projects.project_named(lab, name) if name else None,
            cap=budgets.cap_given(given["cap_asset"], given["cap_units"]),
            at=timezone.now(),
        )
        return Response(EstimateOut(found).data)
