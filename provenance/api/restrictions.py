"""Suspensions and legal holds of the viewer; operators set and lift them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from provenance import restrictions
from provenance.api.door import IDEMPOTENCY, Browse
from provenance.api.fields import DatasetRef, PartyRef, ReasonIn
from provenance.api.idempotency import idempotent
from provenance.api.parties import NeedsPerson
from provenance.models import Dataset, Party, Restriction, User


class RestrictionOut(serializers.ModelSerializer[Restriction]):
    """What is stopped, why, and until when."""

    party = PartyRef()
    dataset = DatasetRef(allow_null=True)

    class Meta:
        model = Restriction
        fields = (
            "id", "kind", "party", "dataset", "reason", "begins_at", "ends_at", "lifted_at",
            "lifted_reason",
        )  # fmt: skip


class RestrictionIn(serializers.Serializer[Any]):
    """A suspension of a party, or a legal hold on it or on one of its datasets."""

    kind = serializers.ChoiceField(choices=Restriction.Kind.choices)
    party = serializers.UUIDField()
    dataset = serializers.UUIDField(required=False, allow_null=True, default=None)
    reason = serializers.CharField(max_length=2000)
    until = serializers.DateTimeField(required=False, allow_null=True, default=None)


class Restrictions(Browse):
    """The viewer's restrictions; all for an operator."""

    serializer_class = RestrictionOut
    queryset = Restriction.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-begins_at", "id")

    def get_queryset(self) -> QuerySet[Restriction]:
        """Those that the viewer may see."""
        rows = Restriction.objects.visible_to(self.viewer)
        return rows.select_related("party", "dataset__owner")

    def owners_of(self, row: Restriction) -> Iterable[Party]:
        """Whose it is."""
        return (row.party,)

    @extend_schema(request=RestrictionIn, responses={201: RestrictionOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Suspend a party, or place it or a dataset under a legal hold (operators only)."""
        by, given = self._operator(), self.read(RestrictionIn)
        party = get_object_or_404(Party.objects.all(), pk=given.pop("party"))
        wanted = given.pop("dataset")
        dataset = get_object_or_404(Dataset.objects.all(), pk=wanted) if wanted else None
        made = restrictions.restrict(
            party=party, dataset=dataset, by=by, at=timezone.now(), **given
        )
        return Response(RestrictionOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=ReasonIn, responses=RestrictionOut, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"])
    @idempotent
    def lift(self, request: Request, pk: str) -> Response:
        """End it now (operators only)."""
        found = self.get_object()
        by, given = self._operator(), self.read(ReasonIn)
        made = restrictions.lift(restriction=found, by=by, at=timezone.now(), **given)
        return Response(RestrictionOut(made).data)

    def _operator(self) -> User:
        self.require_operator("rights")
        if self.person is None:
            raise NeedsPerson
        return self.person
