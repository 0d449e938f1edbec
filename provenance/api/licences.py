"""Licences and their rates: what an owner offers, and what it costs."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
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
from provenance.models import Dataset, Licence, Rate, RatePlan


class TierField(serializers.Serializer[Any]):
    """A price for each unit from a quantity of a month on."""

    from_quantity = serializers.IntegerField(min_value=0, max_value=licensing.LARGEST_QUANTITY)
    price_units = serializers.IntegerField(min_value=0, max_value=licensing.LARGEST_PRICE)


class PlanOut(serializers.ModelSerializer[RatePlan]):
    """Prices by quantity; quantities are counted per lab and month over all the owner's data."""

    tiers = serializers.SerializerMethodField()

    class Meta:
        model = RatePlan
        fields = ("id", "mode", "tiers", "free_quantity", "cap_units", "minimum_units", "digest")

    @extend_schema_field(TierField(many=True))
    def get_tiers(self, plan: RatePlan) -> list[dict[str, int]]:
        """The tiers, by name."""
        return [{"from_quantity": start, "price_units": price} for start, price in plan.tiers]


class RateOut(serializers.ModelSerializer[Rate]):
    """A price and when it held; `price_units` are whole units of `asset`, of the first tier."""

    plan = PlanOut(allow_null=True)

    class Meta:
        model = Rate
        fields = (
            "id", "basis", "counter", "price_units", "plan", "revenue_basis_points", "asset",
            "valid_from", "valid_to",
        )  # fmt: skip


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
    price_units = serializers.IntegerField(
        min_value=0,
        max_value=licensing.LARGEST_PRICE,
        required=False,
        help_text="For 1,000 records, 1,000,000 tokens, or one run, epoch or fetch. Or give tiers.",
    )
    asset = serializers.CharField(max_length=120, help_text="CAIP-19, or iso4217:EUR.")
    valid_from = serializers.DateTimeField(default=None, allow_null=True)
    tiers = TierField(many=True, required=False, help_text="Rising, the first from 0.")
    mode = serializers.ChoiceField(choices=RatePlan.Mode.choices, default=RatePlan.Mode.GRADUATED)
    free_quantity = serializers.IntegerField(min_value=0, default=0)
    cap_units = serializers.IntegerField(min_value=0, default=None, allow_null=True)
    minimum_units = serializers.IntegerField(min_value=0, default=0)
    revenue_basis_points = serializers.IntegerField(min_value=0, max_value=10_000, default=0)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Either one price or tiers; what makes a plan is put together."""
        tiers, price = attrs.pop("tiers", None), attrs.get("price_units")
        if (tiers is None) == (price is None):
            raise serializers.ValidationError("Give either price_units or tiers.")
        one: list[dict[str, Any]] = [{"from_quantity": 0, "price_units": price}]
        given = one if tiers is None else tiers
        terms = licensing.PlanTerms(
            tiers=[(each["from_quantity"], each["price_units"]) for each in given],
            **{
                name: attrs.pop(name)
                for name in ("mode", "free_quantity", "cap_units", "minimum_units")
            },
        )
        attrs["plan"] = terms if tiers is not None or terms.says_more_than_a_price else None
        return attrs


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
        return seen.select_related("dataset__owner").prefetch_related("rates__plan")

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
