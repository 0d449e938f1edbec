"""Test data in the shapes of the real API, marked as such and with what it would have cost."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from compensation import trials
from compensation.models import TrialEdge, TrialGrant, TrialModel, TrialQuote, TrialRun, TrialUsage
from provenance.api.grants import GrantOut
from provenance.api.models import ModelOut
from provenance.api.runs import EdgeOut, RunOut
from provenance.api.usages import UsageOut


class CostOut(serializers.Serializer[Any]):
    """What would have been charged, in whole units of an asset."""

    asset = serializers.CharField()
    amount_units = serializers.IntegerField()


class Marked(serializers.Serializer[Any]):
    """Says of a row that it is test data."""

    is_test = serializers.SerializerMethodField()

    def get_is_test(self, row: Any) -> bool:
        """It is."""
        return True


class TrialRunOut(Marked, RunOut):
    """A test run, and what all that it used would have cost."""

    project = serializers.CharField(allow_null=True)
    would_have_cost = serializers.SerializerMethodField()

    class Meta(RunOut.Meta):
        model = TrialRun  # type: ignore[assignment]
        fields = (*RunOut.Meta.fields, "is_test", "would_have_cost")  # type: ignore[assignment]

    @extend_schema_field(CostOut(many=True))
    def get_would_have_cost(self, run: TrialRun) -> Any:
        """Asset by asset."""
        return CostOut(trials.total_of(run.top.usages.all()), many=True).data


class TrialUsageOut(Marked, UsageOut):
    """A test usage, and what it would have cost; null where it has no price."""

    would_have_cost = serializers.SerializerMethodField()

    class Meta(UsageOut.Meta):
        model = TrialUsage  # type: ignore[assignment]
        fields = (*UsageOut.Meta.fields, "is_test", "would_have_cost")  # type: ignore[assignment]

    @extend_schema_field(CostOut(allow_null=True))
    def get_would_have_cost(self, usage: TrialUsage) -> Any:
        """Null where nothing says a price."""
        cost = self.context["costs"].get(usage.pk)
        return CostOut(cost).data if cost else None


class TrialEdgeOut(EdgeOut):
    """One step of a test run."""

    class Meta(EdgeOut.Meta):
        model = TrialEdge  # type: ignore[assignment]


class TrialModelOut(Marked, ModelOut):
    """A model of tests."""

    class Meta(ModelOut.Meta):
        model = TrialModel  # type: ignore[assignment]
        fields = (*ModelOut.Meta.fields, "is_test")  # type: ignore[assignment]


class TrialGrantOut(Marked, GrantOut):
    """A test grant: what a real one would say."""

    class Meta(GrantOut.Meta):
        model = TrialGrant  # type: ignore[assignment]
        fields = (*GrantOut.Meta.fields, "is_test")  # type: ignore[assignment]


class TrialQuoteOut(Marked, serializers.ModelSerializer[TrialQuote]):
    """A test quote; it binds test runs."""

    class Meta:
        model = TrialQuote
        fields = (
            "id", "purpose", "period", "created_at", "valid_until", "totals", "items", "is_test",
        )  # fmt: skip
