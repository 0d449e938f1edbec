"""Licences and their rates: what an owner offers, and what it costs."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from provenance import licensing
from provenance.api.door import IDEMPOTENCY, Browse
from provenance.api.fields import DatasetRef, PurposesField
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.models import Dataset, Licence, Rate


class RateOut(serializers.ModelSerializer[Rate]):
    """A price and when it held; `price_units` are whole units of `asset`."""

    class Meta:
        model = Rate
        fields = ("id", "basis", "counter", "price_units", "asset", "valid_from", "valid_to")


class LicenceOut(serializers.ModelSerializer[Licence]):
    """Terms for a dataset, with every rate they ever had."""

    dataset = DatasetRef()
    rates = RateOut(many=True)

    class Meta:
        model = Licence
        fields = (
            "id", "dataset", "name", "spdx", "text", "purposes", "is_automatic", "is_offered",
            "shows_model_name", "term_days", "created_at", "retired_at", "rates",
        )  # fmt: skip


class LicenceIn(serializers.Serializer[Any]):
    """Terms to offer; each purpose is opt-in."""

    dataset = serializers.UUIDField()
    name = serializers.CharField(max_length=200)
    spdx = serializers.CharField(max_length=200, default="", allow_blank=True)
    text = serializers.CharField(default="", allow_blank=True)
    purposes = PurposesField()
    is_automatic = serializers.BooleanField(default=False)
    shows_model_name = serializers.BooleanField(default=False)
    term_days = serializers.IntegerField(min_value=1, max_value=36_500, default=365)


class RateIn(serializers.Serializer[Any]):
    """A price from a time on; it ends the rate in force."""

    basis = serializers.ChoiceField(choices=Rate.Basis.choices)
    price_units = serializers.IntegerField(min_value=0, max_value=2**63 - 1)
    asset = serializers.CharField(max_length=120, help_text="CAIP-19, or iso4217:EUR.")
    valid_from = serializers.DateTimeField(default=None, allow_null=True)


class LicenceFilter(Filter):
    """Find licences by dataset."""

    dataset = filters.UUIDFilter(field_name="dataset_id")
    is_offered = filters.BooleanFilter()


class Licences(Browse):
    """The viewer's licences, and those on offer to everybody."""

    serializer_class = LicenceOut
    filterset_class = LicenceFilter
    queryset = Licence.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-created_at", "id")

    def get_queryset(self) -> QuerySet[Licence]:
        """Those that the viewer may see."""
        seen = Licence.objects.visible_to(self.viewer)
        return seen.select_related("dataset__owner").prefetch_related("rates")

    @extend_schema(request=LicenceIn, responses={201: LicenceOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Offer terms for one of the viewer's datasets."""
        given = self.read(LicenceIn)
        seen = Dataset.objects.visible_to(self.viewer)
        dataset = get_object_or_404(seen, pk=given.pop("dataset"))
        self.require_own(dataset.owner, "rights")
        licence = licensing.offer_licence(
            dataset=dataset, by=self.person, at=timezone.now(), **given
        )
        return Response(LicenceOut(licence).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=LicenceOut)
    @action(detail=True, methods=["post"])
    def retire(self, request: Request, pk: str) -> Response:
        """Offer it no more; grants under it stay."""
        licence = self.get_object()
        self.require_own(licence.dataset.owner, "rights")
        licensing.retire_licence(licence=licence, at=timezone.now())
        return Response(LicenceOut(self.get_object()).data)

    @extend_schema(request=RateIn, responses={201: RateOut}, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"])
    @idempotent
    def rates(self, request: Request, pk: str) -> Response:
        """Set the price from `valid_from` on (from now, unless said)."""
        licence = self.get_object()
        self.require_own(licence.dataset.owner, "rights")
        given = self.read(RateIn)
        now = timezone.now()
        given["valid_from"] = given["valid_from"] or now
        rate = licensing.set_rate(licence=licence, at=now, **given)
        return Response(RateOut(rate).data, status=status.HTTP_201_CREATED)
