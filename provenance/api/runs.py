"""Runs: a lab starts one, is heard of, says what it read and made, and ends it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from provenance import edges, signals, usage
from provenance.api.door import IDEMPOTENCY, Browse
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.api.planned import PLAN_LIMIT, PlannedIn
from provenance.models import DatasetVersion, Party, Purpose, Quote, Run, RunEdge, TrainedModel


class RunOut(serializers.ModelSerializer[Run]):
    """A run, as its lab sees it."""

    project = serializers.CharField(source="project.name", default=None, allow_null=True)

    class Meta:
        model = Run
        fields = (
            "id", "name", "pseudonym", "purpose", "state", "parent", "root", "started_at",
            "last_heard_at", "ended_at", "quote", "project", "cap_asset", "cap_units",
        )  # fmt: skip


class RunIn(serializers.Serializer[Any]):
    """A run to start; naming the `run_id` makes starting it safe to repeat."""

    purpose = serializers.ChoiceField(choices=Purpose.choices)
    name = serializers.CharField(max_length=200, default="", allow_blank=True)
    run_id = serializers.UUIDField(default=None, allow_null=True)
    parent = serializers.UUIDField(default=None, allow_null=True)  # type: ignore[assignment]
    quote = serializers.UUIDField(
        default=None, allow_null=True, help_text="Prices the run, if it is still valid."
    )
    started_at = serializers.DateTimeField(default=None, allow_null=True)
    plan = PlannedIn(  # type: ignore[call-arg]  # the stubs lack what many=True adds
        many=True,
        default=list,
        max_length=PLAN_LIMIT,
        help_text="What it will use; reports are held against it.",
    )


class RunEnd(serializers.Serializer[Any]):
    """The one thing about a run that changes by hand: it ended."""

    state = serializers.ChoiceField(choices=[Run.State.ENDED.value])
    ended_at = serializers.DateTimeField(default=None, allow_null=True)


class EdgeIn(serializers.Serializer[Any]):
    """A version or a model that the run consumed or produced: exactly one of the two."""

    direction = serializers.ChoiceField(choices=RunEdge.Direction.choices)
    version = serializers.UUIDField(default=None, allow_null=True)
    model = serializers.UUIDField(default=None, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one end."""
        if (attrs["version"] is None) == (attrs["model"] is None):
            raise serializers.ValidationError("Name either a version or a model.")
        return attrs


class EdgeOut(serializers.ModelSerializer[RunEdge]):
    """One step of lineage."""

    class Meta:
        model = RunEdge
        fields = ("id", "direction", "version", "model", "at")


class RunFilter(Filter):
    """Find runs by state, purpose or name."""

    state = filters.ChoiceFilter(choices=Run.State.choices)
    purpose = filters.ChoiceFilter(choices=Purpose.choices)
    name = filters.CharFilter()


class Runs(Browse):
    """The lab's runs. An outer app may read more of a start, and begin it in its own way."""

    serializer_class = RunOut
    start_shape: ClassVar[type[RunIn]] = RunIn
    filterset_class = RunFilter
    queryset = Run.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-started_at", "id")

    def get_queryset(self) -> QuerySet[Run]:
        """Those that the viewer may see."""
        return Run.objects.visible_to(self.viewer).select_related("lab", "root", "project")

    def owners_of(self, row: Run) -> Iterable[Party]:
        """The lab."""
        return (row.lab,)

    @extend_schema(request=RunIn, responses={201: RunOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Start a run, or join the one with this `run_id`."""
        self.viewer.require("develop")
        given = self.read(self.start_shape)
        mine = Run.objects.filter(lab=self.viewer.party)
        parent_id, started_at = given.pop("parent"), given.pop("started_at")
        parent = get_object_or_404(mine, pk=parent_id) if parent_id else None
        if quote_id := given.pop("quote"):
            quotes = Quote.objects.filter(lab=self.viewer.party)
            given["quote"] = get_object_or_404(quotes, pk=quote_id)
        now = timezone.now()
        planned = [signals.Planned(**one) for one in given.pop("plan")]
        with transaction.atomic():
            run = self.begin(
                lab=self.viewer.party, parent=parent, at=started_at or now, received_at=now, **given
            )
            if planned:
                signals.declare(run=run, planned=planned, at=now)
        return Response(RunOut(run).data, status=status.HTTP_201_CREATED)

    def begin(self, **facts: Any) -> Run:
        """Begin the run, as its start was read."""
        return usage.start_run(**facts)

    @extend_schema(request=RunEnd, responses=RunOut)
    def partial_update(self, request: Request, pk: str) -> Response:
        """End it: what it used is charged now rather than at the end of the day."""
        run, given = self._mine(), self.read(RunEnd)
        usage.end_run(run=run, at=given["ended_at"] or timezone.now())
        return Response(RunOut(super().get_object()).data)

    @extend_schema(request=None, responses=RunOut)
    @action(detail=True, methods=["post"])
    def heartbeat(self, request: Request, pk: str) -> Response:
        """Say that it still runs; silence for a day closes it as lapsed."""
        usage.heartbeat(run=self._mine(), at=timezone.now())
        return Response(RunOut(super().get_object()).data)

    @extend_schema(request=EdgeIn, responses={201: EdgeOut})
    @action(detail=True, methods=["post"])
    def edges(self, request: Request, pk: str) -> Response:
        """Say what the run consumed or produced; repeats are harmless."""
        run, given = self._mine(), self.read(EdgeIn)
        version = model = None
        if given["version"]:
            named = versions_to_name(self.viewer.party)
            version = get_object_or_404(named, pk=given["version"])
        else:
            mine = TrainedModel.objects.filter(lab=self.viewer.party)
            model = get_object_or_404(mine, pk=given["model"])
        edge = edges.add_edge(
            run=run,
            direction=given["direction"],
            version=version,
            model=model,
            at=timezone.now(),
        )
        return Response(EdgeOut(edge).data, status=status.HTTP_201_CREATED)

    def _mine(self) -> Run:
        """The run named in the address, if it is the viewer's own."""
        run: Run = self.get_object()
        self.require_own(run.lab, "develop")
        return run


def versions_to_name(lab: Party) -> QuerySet[DatasetVersion]:
    """What a lab may name: its own versions, and the sealed ones of the catalogue."""
    own = DatasetVersion.objects.filter(dataset__owner=lab)
    return own | DatasetVersion.objects.filter(state=DatasetVersion.State.SEALED)
