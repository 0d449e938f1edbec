"""Bundles and subscriptions: licences of one owner together, for a flat amount a month."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from provenance import licensing
from provenance.api.door import IDEMPOTENCY, Browse, OwnersOnly
from provenance.api.fields import PartyRef
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.models import Bundle, Licence, Party, Subscription


class BundleOut(serializers.ModelSerializer[Bundle]):
    """What is offered together; `price_units` are whole units of `asset`, a calendar month."""

    owner = PartyRef()

    class Meta:
        model = Bundle
        fields = (
            "id", "owner", "name", "licences", "price_units", "asset", "created_at", "retired_at",
        )  # fmt: skip


class BundleIn(serializers.Serializer[Any]):
    """Licences to offer together; offering them grants them to whoever subscribes."""

    name = serializers.CharField(max_length=200)
    licences = serializers.ListField(child=serializers.UUIDField(), max_length=200)
    price_units = serializers.IntegerField(min_value=1, max_value=licensing.LARGEST_PRICE)
    asset = serializers.CharField(max_length=120, help_text="CAIP-19, or iso4217:EUR.")


class SubscriptionOut(serializers.ModelSerializer[Subscription]):
    """A lab's subscription; its price is owed for every month it touches."""

    lab = PartyRef()
    bundle = BundleOut()

    class Meta:
        model = Subscription
        fields = ("id", "lab", "bundle", "started_at", "ends_at")


class SubscriptionIn(serializers.Serializer[Any]):
    """Which bundle the lab subscribes to, from now on."""

    bundle = serializers.UUIDField()


class BundleFilter(Filter):
    """Find bundles by owner or licence."""

    owner = filters.UUIDFilter(field_name="owner_id")
    licence = filters.UUIDFilter(field_name="licences")


class Bundles(Browse):
    """The viewer's bundles, and those on offer."""

    serializer_class = BundleOut
    filterset_class = BundleFilter
    queryset = Bundle.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-created_at", "id")

    def get_queryset(self) -> QuerySet[Bundle]:
        """Those that the viewer may see."""
        seen = Bundle.objects.visible_to(self.viewer)
        return seen.select_related("owner").prefetch_related("licences")

    @extend_schema(request=BundleIn, responses={201: BundleOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Offer licences of the viewer's own together."""
        self.viewer.require("rights")
        given = self.read(BundleIn)
        wanted = set(given.pop("licences"))
        own = Licence.objects.filter(dataset__owner=self.viewer.party, pk__in=wanted)
        licences = list(own.select_related("dataset__owner"))
        if len(licences) < len(wanted):
            raise licensing.BadBundle("One of the licences is not yours.")
        bundle = licensing.offer_bundle(
            owner=self.viewer.party, licences=licences, at=timezone.now(), **given
        )
        return Response(BundleOut(bundle).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=BundleOut)
    @action(detail=True, methods=["post"])
    def retire(self, request: Request, pk: str) -> Response:
        """Offer it no more; subscriptions to it go on."""
        bundle: Bundle = self.get_object()
        self.require_own(bundle.owner, "rights")
        licensing.retire_bundle(bundle=bundle, at=timezone.now())
        return Response(BundleOut(self.get_object()).data)


class Subscriptions(Browse):
    """Subscriptions of the viewer's, and those to its bundles."""

    serializer_class = SubscriptionOut
    queryset = Subscription.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-started_at", "id")

    def get_queryset(self) -> QuerySet[Subscription]:
        """Those that the viewer may see."""
        seen = Subscription.objects.visible_to(self.viewer)
        return seen.select_related("lab", "bundle__owner").prefetch_related("bundle__licences")

    def owners_of(self, row: Subscription) -> Iterable[Party]:
        """Both sides."""
        return (row.lab, row.bundle.owner)

    @extend_schema(
        request=SubscriptionIn, responses={201: SubscriptionOut}, parameters=[IDEMPOTENCY]
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Subscribe from now on: each licence of the bundle is granted at once."""
        self.viewer.require("rights")
        bundles = Bundle.objects.visible_to(self.viewer)
        found = bundles.filter(pk=self.read(SubscriptionIn)["bundle"]).first()
        if found is None:
            raise licensing.BadBundle(
                "There is no such bundle.", hint="Look at GET /api/v1/bundles."
            )
        made = licensing.subscribe(
            lab=self.viewer.party, bundle=found, at=timezone.now(), by=self.person
        )
        return Response(SubscriptionOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=SubscriptionOut)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: str) -> Response:
        """End it with this month, which is owed still; either side may."""
        subscription: Subscription = self.get_object()
        if self.viewer.party not in (subscription.lab, subscription.bundle.owner):
            raise OwnersOnly
        self.viewer.require("rights")
        licensing.unsubscribe(subscription=subscription, at=timezone.now())
        return Response(SubscriptionOut(self.get_object()).data)
