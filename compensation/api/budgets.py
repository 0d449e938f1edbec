"""Budgets: what a lab means to spend, how far it is spent, and what it was told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from compensation import budgets
from compensation.api.accounts import AssetOut, asset_by_code
from compensation.models import Budget, BudgetNotice
from provenance import projects
from provenance.api.door import IDEMPOTENCY, Browse, Facts
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.models import Party


class BudgetOut(serializers.ModelSerializer[Budget]):
    """A budget, and how far it is spent in the period that now is."""

    asset = AssetOut()
    project = serializers.CharField(source="project.name", default=None, allow_null=True)
    spent_units = serializers.SerializerMethodField()
    open_caps_units = serializers.SerializerMethodField(
        help_text="What runs under way may still cost before they reach their caps."
    )

    class Meta:
        model = Budget
        fields = (
            "id", "project", "asset", "every", "limit_units", "spent_units", "open_caps_units",
            "set_at", "ended_at",
        )  # fmt: skip

    def get_spent_units(self, row: Budget) -> int:
        """What was charged in the period."""
        return budgets.look(row, timezone.now()).spent_units

    def get_open_caps_units(self, row: Budget) -> int:
        """What runs under way may still cost."""
        return budgets.open_caps(row)


class BudgetIn(serializers.Serializer[Any]):
    """A budget to set; it replaces the one of the same project, asset and period."""

    project = serializers.CharField(
        max_length=100, default="", allow_blank=True, help_text="Its name; empty: all runs."
    )
    asset = serializers.CharField(max_length=120)
    every = serializers.ChoiceField(choices=Budget.Every.choices)
    limit_units = serializers.IntegerField(min_value=0, max_value=2**63 - 1)


class BudgetFilter(Filter):
    """Find budgets in force, or of a project."""

    is_in_force = filters.BooleanFilter(field_name="ended_at", lookup_expr="isnull")
    project = filters.CharFilter(field_name="project__name")


class Budgets(Browse):
    """The lab's budgets, those of before too."""

    serializer_class = BudgetOut
    filterset_class = BudgetFilter
    queryset = Budget.objects.none()
    lookup_value_converter = "int"
    ordering = ("-set_at", "-id")

    def get_queryset(self) -> QuerySet[Budget]:
        """Those that the viewer may see."""
        return Budget.objects.visible_to(self.viewer).select_related("lab", "asset", "project")

    def owners_of(self, row: Budget) -> Iterable[Party]:
        """The lab."""
        return (row.lab,)

    @extend_schema(request=BudgetIn, responses={201: BudgetOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Set a budget: when it is spent no new run starts."""
        self.viewer.require("finance")
        given, lab = self.read(BudgetIn), self.viewer.party
        name = given.pop("project")
        made = budgets.set_budget(
            lab=lab,
            project=projects.project_named(lab, name) if name else None,
            asset=asset_by_code(given.pop("asset")),
            at=timezone.now(),
            by=self.person,
            **given,
        )
        return Response(BudgetOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=BudgetOut)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: int) -> Response:
        """Let it count no longer."""
        row: Budget = self.get_object()
        self.require_own(row.lab, "finance")
        return Response(BudgetOut(budgets.end_budget(budget=row, at=timezone.now())).data)


class BudgetNoticeOut(serializers.ModelSerializer[BudgetNotice]):
    """The lab was told how much of a budget, or of a run's cap, is spent."""

    asset = AssetOut()

    class Meta:
        model = BudgetNotice
        fields = (
            "id", "budget", "run", "period", "percent", "asset", "limit_units", "spent_units",
            "noticed_at",
        )  # fmt: skip


class Notices(ListModelMixin, Facts, GenericViewSet[BudgetNotice]):
    """What the lab was told at 50, 80 and 100 %."""

    serializer_class = BudgetNoticeOut
    queryset = BudgetNotice.objects.none()
    ordering = ("-noticed_at", "-id")

    def get_queryset(self) -> QuerySet[BudgetNotice]:
        """Those that the viewer may see."""
        return BudgetNotice.objects.visible_to(self.viewer).select_related("lab", "asset")

    def owners_of(self, row: BudgetNotice) -> Iterable[Party]:
        """The lab."""
        return (row.lab,)
