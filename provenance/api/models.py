"""Models that labs made, and what went into them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from provenance import usage
from provenance.api.door import IDEMPOTENCY, Browse
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.models import Party, Run, TrainedModel


class ModelOut(serializers.ModelSerializer[TrainedModel]):
    """A model, as its lab sees it."""

    class Meta:
        model = TrainedModel
        fields = ("id", "name", "version", "is_published", "created_at")


class ModelIn(serializers.Serializer[Any]):
    """A model to register; naming the `run` that made it draws its lineage."""

    name = serializers.CharField(max_length=200)
    version = serializers.CharField(max_length=60, default="1")
    is_published = serializers.BooleanField(default=False)
    run = serializers.UUIDField(default=None, allow_null=True)


class ModelFilter(Filter):
    """Find models by name."""

    name = filters.CharFilter()
    version = filters.CharFilter()


class Models(Browse):
    """The lab's models."""

    serializer_class = ModelOut
    filterset_class = ModelFilter
    queryset = TrainedModel.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-created_at", "id")

    def get_queryset(self) -> QuerySet[TrainedModel]:
        """Those that the viewer may see."""
        return TrainedModel.objects.visible_to(self.viewer).select_related("lab")

    def owners_of(self, row: TrainedModel) -> Iterable[Party]:
        """The lab."""
        return (row.lab,)

    @extend_schema(request=ModelIn, responses={201: ModelOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Register a model, and the run that made it."""
        self.viewer.require("develop")
        given = self.read(ModelIn)
        run_id = given.pop("run")
        mine = Run.objects.filter(lab=self.viewer.party)
        run = get_object_or_404(mine, pk=run_id) if run_id else None
        model = usage.register_model(lab=self.viewer.party, run=run, at=timezone.now(), **given)
        return Response(ModelOut(model).data, status=status.HTTP_201_CREATED)
