"""Models that labs made, and what went into them."""

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
from rest_framework.generics import get_object_or_404
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from provenance import lineage, usage
from provenance.api.conditional import etag_of, headers_of, not_modified
from provenance.api.door import IDEMPOTENCY, Browse
from provenance.api.files import file_of
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.documents import ingredients as papers
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


class IngredientOut(serializers.Serializer[Any]):
    """One dataset version in a model; `parts` are its tokens of all tokens, in millionths."""

    version_id = serializers.UUIDField(allow_null=True)
    dataset = serializers.CharField()
    owner = serializers.CharField()
    purpose = serializers.CharField()
    licence = serializers.CharField()
    spdx = serializers.CharField()
    grant_id = serializers.UUIDField(allow_null=True)
    grant_state = serializers.CharField()
    run = serializers.CharField()
    record_count = serializers.IntegerField()
    token_count = serializers.IntegerField()
    epoch_count = serializers.IntegerField()
    parts = serializers.IntegerField(allow_null=True)
    used_at = serializers.DateTimeField()
    is_unknown = serializers.BooleanField()
    is_ungranted = serializers.BooleanField()
    is_of_withdrawn = serializers.BooleanField()


class IngredientsOut(serializers.Serializer[Any]):
    """All that is known to have gone into a model, and in words what is missing."""

    model_id = serializers.UUIDField()
    model = serializers.CharField()
    version = serializers.CharField()
    lab = serializers.CharField()
    runs = serializers.ListField(child=serializers.CharField())
    rows = IngredientOut(many=True)
    base_models = serializers.ListField(child=serializers.CharField())
    record_count = serializers.IntegerField()
    token_count = serializers.IntegerField()
    gaps = serializers.ListField(child=serializers.CharField())


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

    @extend_schema(responses={200: IngredientsOut, 304: None})
    @action(detail=True, methods=["get"])
    def ingredients(self, request: Request, pk: str) -> HttpResponseBase:
        """What went into the model: owners, licences, shares, grants and gaps."""
        shown = papers.ingredients_dict(lineage.ingredients(self.get_object(), self.viewer))
        etag = etag_of(request.path, JSONRenderer().render(shown))
        return not_modified(request, etag) or Response(shown, headers=headers_of(etag))

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    @action(detail=True, methods=["get"], url_path="ingredients.csv")
    def ingredients_csv(self, request: Request, pk: str) -> HttpResponseBase:
        """The same as a table: one line for each use."""
        model = self.get_object()
        found = lineage.ingredients(model, self.viewer)
        return file_of(papers.ingredients_csv(found), f"ingredients {model}", "csv")

    @extend_schema(responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], url_path="ingredients.pdf")
    def ingredients_pdf(self, request: Request, pk: str) -> HttpResponseBase:
        """The same as a paper."""
        model = self.get_object()
        found = lineage.ingredients(model, self.viewer)
        return file_of(papers.ingredients_pdf(found), f"ingredients {model}", "pdf")
