"""Datasets: register one, find one, and see which models came of it."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from provenance import lineage, registry
from provenance.api.derivations import SourceIn, declare
from provenance.api.door import IDEMPOTENCY, Browse, Facts
from provenance.api.fields import DatasetRef, PartyRef
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.api.licences import LicenceOut
from provenance.models import Dataset, DatasetVersion, Licence, Party


class DatasetOut(DatasetRef):
    """A dataset of the viewer's own."""

    class Meta:
        model = Dataset
        fields = (
            "id", "name", "title", "description", "kind", "is_fingerprint_only", "owner",
            "created_at",
        )  # fmt: skip


class DatasetIn(serializers.ModelSerializer[Dataset]):
    """A dataset to register; registering grants nothing."""

    made_from = SourceIn(
        many=True, default=list, help_text="Versions that it was made from, and what it owes them."
    )

    class Meta:
        model = Dataset
        fields = ("name", "title", "description", "kind", "is_fingerprint_only", "made_from")


class OfferedVersion(serializers.ModelSerializer[DatasetVersion]):
    """A sealed version, as a lab finds it."""

    class Meta:
        model = DatasetVersion
        fields = ("id", "number", "record_count", "token_count", "sealed_at")


class CatalogueOut(serializers.ModelSerializer[Dataset]):
    """A dataset on show: what it is, its sealed versions, and the licences on offer."""

    name = serializers.SerializerMethodField(help_text="namespace/name")
    owner = PartyRef()
    versions = OfferedVersion(many=True, source="sealed_versions")
    licences = LicenceOut(many=True, source="offered_licences")

    class Meta:
        model = Dataset
        fields = ("id", "name", "title", "description", "kind", "owner", "versions", "licences")

    def get_name(self, dataset: Dataset) -> str:
        """The name that is unique everywhere."""
        return str(dataset)


class DatasetFilter(Filter):
    """Find datasets by kind, by name, or by words of the title."""

    name = filters.CharFilter(field_name="name")
    namespace = filters.CharFilter(field_name="owner__namespace")
    kind = filters.ChoiceFilter(choices=Dataset.Kind.choices)
    search = filters.CharFilter(method="with_words", label="Words of the title or description.")

    def with_words(self, rows: QuerySet[Dataset], name: str, value: str) -> QuerySet[Dataset]:
        """Those whose title or description has every word."""
        for word in value.split():
            rows = rows.filter(Q(title__icontains=word) | Q(description__icontains=word))
        return rows


class Datasets(Browse):
    """The viewer's datasets."""

    serializer_class = DatasetOut
    filterset_class = DatasetFilter
    queryset = Dataset.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-created_at", "id")

    def get_queryset(self) -> QuerySet[Dataset]:
        """Those that the viewer may see."""
        return Dataset.objects.visible_to(self.viewer).select_related("owner")

    def owners_of(self, row: Dataset) -> Iterable[Party]:
        """The dataset's owner."""
        return (row.owner,)

    @extend_schema(request=DatasetIn, responses={201: DatasetOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Register a dataset; upload its first version next."""
        self.viewer.require("rights")
        given = self.read(DatasetIn)
        made_from = given.pop("made_from")
        with transaction.atomic():
            dataset = registry.register_dataset(
                owner=self.viewer.party, by=self.person, at=timezone.now(), **given
            )
            for each in made_from:
                declare(self, dataset, each)
        return Response(DatasetOut(dataset).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["get"])
    def models(self, request: Request, pk: str) -> Response:
        """The models made with this dataset, as far as the owner may know them."""
        return Response({"results": lineage.models_of(self.get_object(), self.viewer)})


class Catalogue(Facts, ListAPIView[Dataset]):
    """What labs may find: every dataset with a sealed version, and what it may be licensed for."""

    serializer_class = CatalogueOut
    filterset_class = DatasetFilter
    queryset = Dataset.objects.none()
    ordering = ("-created_at", "id")

    def get_queryset(self) -> QuerySet[Dataset]:
        """Listed datasets with their sealed versions and offered licences."""
        sealed = DatasetVersion.objects.filter(state=DatasetVersion.State.SEALED)
        offered = Licence.objects.filter(is_offered=True, retired_at=None)
        return (
            Dataset.objects.listed_for(self.viewer)
            .select_related("owner")
            .prefetch_related(
                Prefetch("versions", sealed.order_by("-number"), to_attr="sealed_versions"),
                Prefetch(
                    "licences",
                    offered.select_related("dataset__owner").prefetch_related("rates"),
                    to_attr="offered_licences",
                ),
            )
        )
