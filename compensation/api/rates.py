"""Rates in words: what each version of a price says, in its asset's own scale."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework import serializers

from compensation.wording import price_in_words
from provenance.api.door import Browse
from provenance.api.filters import Filter
from provenance.api.licences import RateOut
from provenance.models import Party, Rate


class RateInWords(RateOut):
    """A version of a price with what it says."""

    words = serializers.SerializerMethodField()

    class Meta(RateOut.Meta):
        fields = (*RateOut.Meta.fields, "licence", "words")  # type: ignore[assignment]

    def get_words(self, rate: Rate) -> str:
        """All that the rate asks for."""
        return price_in_words(rate)


class RateFilter(Filter):
    """Find rates by licence or dataset."""

    licence = filters.UUIDFilter(field_name="licence_id")
    dataset = filters.UUIDFilter(field_name="licence__dataset_id")


class Rates(Browse):
    """Versions of prices, of the viewer's licences and of those on offer."""

    serializer_class = RateInWords
    filterset_class = RateFilter
    queryset = Rate.objects.none()
    lookup_value_converter = "int"
    ordering = ("-valid_from", "-id")

    def get_queryset(self) -> QuerySet[Any]:
        """Those that the viewer may see."""
        return Rate.objects.visible_to(self.viewer).select_related(
            "plan", "licence__dataset__owner"
        )

    def owners_of(self, row: Rate) -> Iterable[Party]:
        """The owner of the licence."""
        return (row.licence.dataset.owner,)
