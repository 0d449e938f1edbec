"""Overlaps: what was found alike between two versions, and the evidence seen at match time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from provenance.access import Viewer
from provenance.api.door import Browse
from provenance.api.fields import VersionRef
from provenance.api.filters import Filter
from provenance.models import Match, MatchKind, Overlap, Party, Record


class RecordRef(serializers.Serializer[Any]):
    """A record: its owner sees key and place, the other side only that it exists."""

    id = serializers.IntegerField()
    key = serializers.CharField(allow_null=True)
    ordinal = serializers.IntegerField(allow_null=True)
    token_count = serializers.IntegerField()


def record_for(viewer: Viewer, record: Record, owner_id: Any) -> dict[str, Any]:
    """A record as `viewer` may see it."""
    is_own = viewer.is_operator or viewer.party.pk == owner_id
    return {
        "id": record.pk,
        "key": record.key if is_own else None,
        "ordinal": record.ordinal if is_own else None,
        "token_count": record.token_count,
    }


class OverlapOut(serializers.ModelSerializer[Overlap]):
    """Counts by kind, the interval, and how often this detector accuses falsely."""

    later = VersionRef()
    earlier = VersionRef()
    conflict = serializers.SerializerMethodField()

    class Meta:
        model = Overlap
        fields = (
            "id", "later", "earlier", "detector", "exact_count", "near_count", "contained_count",
            "semantic_count", "matching_count", "possible_count", "estimate_count", "interval_low",
            "interval_high", "false_accusation_rate", "details", "found_at", "conflict",
        )  # fmt: skip

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_conflict(self, overlap: Overlap) -> Any:
        """The conflict that this overlap opened, if it did."""
        conflicts = list(overlap.conflicts.all())
        return conflicts[0].pk if conflicts else None


class MatchOut(serializers.ModelSerializer[Match]):
    """Two records found alike; `evidence` holds the passages with a little context, no more."""

    later = serializers.SerializerMethodField()
    earlier = serializers.SerializerMethodField()

    class Meta:
        model = Match
        fields = (
            "id", "later", "earlier", "kind", "score", "holds", "jaccard", "containment",
            "evidence",
        )  # fmt: skip

    @extend_schema_field(RecordRef)
    def get_later(self, match: Match) -> dict[str, Any]:
        """The record that was registered later."""
        owner_id = match.overlap.later.dataset.owner_id
        return record_for(self.context["viewer"], match.later, owner_id)

    @extend_schema_field(RecordRef)
    def get_earlier(self, match: Match) -> dict[str, Any]:
        """The record that was registered earlier."""
        owner_id = match.overlap.earlier.dataset.owner_id
        return record_for(self.context["viewer"], match.earlier, owner_id)


class OverlapFilter(Filter):
    """Find overlaps by version or dataset, on either side."""

    version = filters.UUIDFilter(method="with_version", label="A version on either side.")
    dataset = filters.UUIDFilter(method="with_dataset", label="A dataset on either side.")

    def with_version(self, rows: QuerySet[Overlap], name: str, value: Any) -> QuerySet[Overlap]:
        """Those of one version."""
        return rows.filter(Q(later=value) | Q(earlier=value))

    def with_dataset(self, rows: QuerySet[Overlap], name: str, value: Any) -> QuerySet[Overlap]:
        """Those of one dataset."""
        return rows.filter(Q(later__dataset=value) | Q(earlier__dataset=value))


class Overlaps(Browse):
    """Overlaps that touch the viewer's data."""

    serializer_class = OverlapOut
    filterset_class = OverlapFilter
    queryset = Overlap.objects.none()
    lookup_value_converter = "uuid"
    ordering: tuple[str, ...] = ("-found_at", "id")

    def get_queryset(self) -> QuerySet[Overlap]:
        """Those that the viewer may see."""
        seen = Overlap.objects.visible_to(self.viewer)
        sides = seen.select_related("later__dataset__owner", "earlier__dataset__owner")
        return sides.prefetch_related("conflicts")

    def owners_of(self, row: Overlap) -> Iterable[Party]:
        """Both sides."""
        return (row.later.dataset.owner, row.earlier.dataset.owner)

    @action(
        detail=True,
        methods=["get"],
        serializer_class=MatchOut,
        filterset_class=None,
        ordering=("id",),
    )
    def matches(self, request: Request, pk: str) -> Response:
        """The matching pairs, page by page; `?kind=` keeps one kind, `?holds=` what (not) holds."""
        overlap = super().get_object()
        self.log_looks(self.owners_of(overlap))
        rows = overlap.matches.select_related(
            "later", "earlier", "overlap__later__dataset", "overlap__earlier__dataset"
        )
        if (kind := request.query_params.get("kind")) in MatchKind.values:
            rows = rows.filter(kind=kind)
        if (holds := request.query_params.get("holds")) in ("true", "false"):
            rows = rows.filter(holds=holds == "true")
        return self.page(rows)
