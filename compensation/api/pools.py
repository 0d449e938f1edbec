"""What is shared out by month: revenue as labs report it, and the pools themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from compensation import revenue
from compensation.api.accounts import asset_by_code
from compensation.models import Pool, PoolShare, RevenueReport
from provenance import licensing
from provenance.access import Viewer
from provenance.api.door import IDEMPOTENCY, Browse, Facts
from provenance.api.fields import PartyRef, VersionRef
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.models import Party, TrainedModel


class RevenueOut(serializers.ModelSerializer[RevenueReport]):
    """What a model earned in a month, as its lab said."""

    asset = serializers.CharField(source="asset.code")

    class Meta:
        model = RevenueReport
        fields = ("id", "model", "period", "revision", "asset", "revenue_units", "reported_at")


class RevenueIn(serializers.Serializer[Any]):
    """A month's revenue; another amount for the same month is a correction."""

    model = serializers.UUIDField()
    period = serializers.CharField(max_length=7, help_text="A month that has begun: 2026-03.")
    asset = serializers.CharField(max_length=120)
    revenue_units = serializers.IntegerField(min_value=0, max_value=licensing.LARGEST_PRICE)


class RevenueReports(Browse):
    """The lab's reports of what its models earned."""

    serializer_class = RevenueOut
    queryset = RevenueReport.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-reported_at", "id")

    def get_queryset(self) -> QuerySet[RevenueReport]:
        """Those that the viewer may see."""
        seen = RevenueReport.objects.visible_to(self.viewer)
        return seen.select_related("asset", "model__lab")

    def owners_of(self, row: RevenueReport) -> Iterable[Party]:
        """The lab."""
        return (row.model.lab,)

    @extend_schema(request=RevenueIn, responses={201: RevenueOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Say what one of the lab's models earned; repeats are harmless."""
        self.viewer.require("finance")
        given = self.read(RevenueIn)
        mine = TrainedModel.objects.filter(lab=self.viewer.party)
        report = revenue.report_revenue(
            lab=self.viewer.party,
            model=get_object_or_404(mine, pk=given["model"]),
            asset=asset_by_code(given["asset"]),
            period=given["period"],
            revenue_units=given["revenue_units"],
            at=timezone.now(),
            by=self.person,
        )
        return Response(RevenueOut(report).data, status=status.HTTP_201_CREATED)


class PoolShareOut(serializers.ModelSerializer[PoolShare]):
    """One version's part: the floor of what its use is due, as docs/pricing.md says."""

    version = VersionRef()

    class Meta:
        model = PoolShare
        fields = ("version", "use", "amount_units", "number")


class PoolOut(serializers.ModelSerializer[Pool]):
    """An amount shared out for a month, and the viewer's part of it: a lab sees all of its own."""

    lab = PartyRef()
    asset = serializers.CharField(source="asset.code")
    shares = serializers.SerializerMethodField()

    class Meta:
        model = Pool
        fields = (
            "id", "kind", "lab", "asset", "period", "revision", "amount_units", "whole_use",
            "counted", "subscription", "opened_at", "settled_at", "shares",
        )  # fmt: skip

    @extend_schema_field(PoolShareOut(many=True))
    def get_shares(self, pool: Pool) -> Any:
        """Those that the viewer pays or gets."""
        viewer: Viewer = self.context["viewer"]
        seen = PoolShare.objects.visible_to(viewer).filter(pool=pool)
        rows = seen.select_related("version__dataset__owner").order_by("version")
        return PoolShareOut(rows, many=True).data


class PoolFilter(Filter):
    """Find pools by kind or month."""

    kind = filters.ChoiceFilter(choices=Pool.Kind.choices)
    period = filters.CharFilter()


class Pools(ListModelMixin, RetrieveModelMixin, Facts, GenericViewSet[Any]):
    """Subscriptions, minimums and shares of revenue, month by month."""

    serializer_class = PoolOut
    filterset_class = PoolFilter
    queryset = Pool.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-opened_at", "id")

    def get_queryset(self) -> QuerySet[Pool]:
        """Those that the viewer may see."""
        return Pool.objects.visible_to(self.viewer).select_related("lab", "asset")

    def owners_of(self, row: Pool) -> Iterable[Party]:
        """The lab."""
        return (row.lab,)
