"""Lineage as Marquez draws it: what came of what, walked from one node."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from provenance.api.conditional import facts_etag, headers_of, not_modified
from provenance.api.door import Door
from provenance.lineage import graph


class LineageQuery(serializers.Serializer[Any]):
    """From which node, how far, in which direction, and as of when."""

    nodeId = serializers.CharField(  # noqa: N815  (Marquez's spelling)
        max_length=400, help_text="dataset:NAMESPACE:NAME, model:LAB:NAME or job:LAB:NAME"
    )
    depth = serializers.IntegerField(min_value=0, max_value=100, default=20)
    direction = serializers.ChoiceField(choices=["both", "upstream", "downstream"], default="both")
    as_of = serializers.DateTimeField(
        default=None,
        allow_null=True,
        help_text="Shows what was known here at this moment, which may not lie in the future.",
    )
    limit = serializers.IntegerField(min_value=1, max_value=10_000, default=1000)

    def validate_as_of(self, as_of: datetime | None) -> datetime | None:
        """What will be known nobody knows."""
        if as_of is not None and as_of > timezone.now():
            raise serializers.ValidationError(
                "This moment lies in the future. Name one that has passed, or leave `as_of` out."
            )
        return as_of


class Lineage(Door):
    """The graph around a dataset, a run or a model."""

    @extend_schema(
        operation_id="lineage",
        parameters=[LineageQuery],
        responses={200: OpenApiTypes.OBJECT, 304: None},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Nodes and edges up to `depth` steps away; `truncated` says that there is more."""
        given = self.read(LineageQuery, request.query_params)
        etag = facts_etag(self.viewer, request.get_full_path())
        if unchanged := not_modified(request, etag):
            return unchanged
        found = graph(viewer=self.viewer, node_id=given.pop("nodeId"), **given)
        return Response(found, headers=headers_of(etag))
