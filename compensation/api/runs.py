"""Runs as they are started here: with a project, a cap, and money to pay for them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from compensation import budgets
from compensation.api.accounts import asset_by_code
from provenance import projects
from provenance.api.door import IDEMPOTENCY
from provenance.api.runs import RunIn, RunOut, Runs
from provenance.models import Run


class RunStart(RunIn):
    """A run to start: it is refused with 402 where funds or a budget are spent."""

    project = serializers.CharField(
        max_length=100, default="", allow_blank=True, help_text="Its name; see /projects."
    )
    cap_asset = serializers.CharField(
        max_length=120, default="", allow_blank=True, help_text="In which asset the cap is."
    )
    cap_units = serializers.IntegerField(
        default=None,
        allow_null=True,
        min_value=0,
        max_value=2**63 - 1,
        help_text="What it may cost before its usage waits; else what the budget has left.",
    )


class CapIn(serializers.Serializer[Any]):
    """A higher cap."""

    cap_asset = serializers.CharField(max_length=120)
    cap_units = serializers.IntegerField(min_value=0, max_value=2**63 - 1)


@extend_schema_view(
    create=extend_schema(request=RunStart, responses={201: RunOut}, parameters=[IDEMPOTENCY])
)
class PaidRuns(Runs):
    """The lab's runs."""

    start_shape: ClassVar[type[RunIn]] = RunStart

    def begin(self, **facts: Any) -> Run:
        """Begin the run where money allows it."""
        cap = budgets.cap_given(facts.pop("cap_asset"), facts.pop("cap_units"))
        return budgets.start_run(cap=cap, asked_at=facts["received_at"], **facts)

    @extend_schema(request=CapIn, responses=RunOut)
    @action(detail=True, methods=["post"])
    def cap(self, request: Request, pk: str) -> Response:
        """Let the run cost more than was accepted; what waits for that is charged then."""
        run: Run = self.get_object()
        self.require_own(run.lab, "finance")
        given = self.read(CapIn)
        cap = projects.Cap(asset_by_code(given["cap_asset"]).code, given["cap_units"])
        projects.raise_cap(run=run, cap=cap, at=timezone.now())
        return Response(RunOut(super().get_object()).data)
