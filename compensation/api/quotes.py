"""Quotes: a lab asks what a use will cost, and the answer binds for some days."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from compensation import quotes
from compensation.pricing import Count
from compensation.quotes import Wanted
from compensation.wording import price_in_words
from provenance import licensing
from provenance.api.door import IDEMPOTENCY, Browse
from provenance.api.fields import VersionRef
from provenance.api.idempotency import idempotent
from provenance.api.licences import RateOut
from provenance.models import DatasetVersion, Party, Purpose, Quote, QuoteItem
from provenance.usage import find_version


class QuoteItemOut(serializers.ModelSerializer[QuoteItem]):
    """One version in a quote; `used_quantity` was counted in before it."""

    version = VersionRef()
    rate = RateOut(allow_null=True)
    asset = serializers.CharField(source="rate.asset", default=None, allow_null=True)
    words = serializers.SerializerMethodField()

    class Meta:
        model = QuoteItem
        fields = (
            "version", "licence", "rate", "words", "record_count", "token_count", "epoch_count",
            "fetch_count", "quantity", "used_quantity", "asset", "amount_units",
        )  # fmt: skip

    def get_words(self, item: QuoteItem) -> str:
        """All that the rate asks for."""
        return price_in_words(item.rate)


class TotalOut(serializers.Serializer[Any]):
    """What a quote comes to in one asset."""

    asset = serializers.CharField()
    amount_units = serializers.IntegerField()


class QuoteOut(serializers.ModelSerializer[Quote]):
    """A quote; name its id when you start the run."""

    items = QuoteItemOut(many=True)
    totals = serializers.SerializerMethodField()

    class Meta:
        model = Quote
        fields = ("id", "purpose", "period", "created_at", "valid_until", "totals", "items")

    @extend_schema_field(TotalOut(many=True))
    def get_totals(self, quote: Quote) -> list[dict[str, Any]]:
        """The sum of the items, asset by asset."""
        return quotes.totals_of(list(quote.items.all()))


def _expectation(words: str) -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=0, max_value=licensing.LARGEST_QUANTITY, default=0, help_text=words
    )


class WantedIn(serializers.Serializer[Any]):
    """How much of a version is expected to be used."""

    subject = serializers.CharField(
        max_length=300, help_text="A version's id, namespace/name@number, or namespace/name."
    )
    licence = serializers.UUIDField(default=None, allow_null=True)
    records = _expectation("With repeats; unless said, epochs times the version's records.")
    tokens = _expectation("Only where no records are counted.")
    epochs = _expectation("How often the version is gone through.")
    fetches = _expectation("How often it is fetched.")


class QuoteIn(serializers.Serializer[Any]):
    """What a job is going to use, and what for."""

    purpose = serializers.ChoiceField(choices=Purpose.choices)
    items = WantedIn(many=True)


def wanted_of(given: dict[str, Any]) -> Wanted:
    """An item as the use case takes it."""
    version: DatasetVersion | None = find_version(given["subject"])
    if version is None:
        raise quotes.BadQuote(f"There is no sealed version '{given['subject']}'.")
    counts = (given[name] for name in ("records", "tokens", "epochs", "fetches"))
    return Wanted(version=version, count=Count(*counts), licence=given["licence"])


class Quotes(Browse):
    """The lab's quotes."""

    serializer_class = QuoteOut
    queryset = Quote.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-created_at", "id")

    def get_queryset(self) -> QuerySet[Quote]:
        """Those that the viewer may see."""
        seen = Quote.objects.visible_to(self.viewer).select_related("lab")
        return seen.prefetch_related("items__rate__plan", "items__version__dataset__owner")

    def owners_of(self, row: Quote) -> Iterable[Party]:
        """The lab."""
        return (row.lab,)

    @extend_schema(request=QuoteIn, responses={201: QuoteOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Ask what a use will cost; the prices bind until `valid_until`."""
        self.viewer.require("develop")
        given = self.read(QuoteIn)
        quote = quotes.make_quote(
            lab=self.viewer.party,
            purpose=given["purpose"],
            wanted=[wanted_of(each) for each in given["items"]],
            at=timezone.now(),
            by=self.person,
        )
        shown = get_object_or_404(self.get_queryset(), pk=quote.pk)
        return Response(QuoteOut(shown).data, status=status.HTTP_201_CREATED)
