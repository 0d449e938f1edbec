"""Grants: a lab asks under a licence, the owner gives, refuses or revokes."""

from __future__ import annotations

from collections.abc import Iterable
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
from provenance.api.fields import DatasetRef, PartyRef, PurposesField, ReasonIn
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.models import Grant, Licence, Party


class GrantOut(serializers.ModelSerializer[Grant]):
    """A grant; `terms` holds what was frozen when it was given."""

    lab = PartyRef()
    dataset = DatasetRef()

    class Meta:
        model = Grant
        fields = (
            "id", "lab", "dataset", "licence", "rate", "purposes", "state", "terms", "message",
            "requested_at", "decided_at", "decided_automatically", "reason", "valid_from",
            "valid_to",
        )  # fmt: skip


class GrantIn(serializers.Serializer[Any]):
    """What a lab asks for; asking accepts the licence's terms as they stand."""

    licence = serializers.UUIDField()
    purposes = PurposesField()
    message = serializers.CharField(max_length=2000, default="", allow_blank=True)


class GrantFilter(Filter):
    """Find grants by state, dataset or lab."""

    state = filters.ChoiceFilter(choices=Grant.State.choices)
    dataset = filters.UUIDFilter(field_name="dataset_id")
    lab = filters.UUIDFilter(field_name="lab_id")


class Grants(Browse):
    """Grants that the viewer asked for, or gives."""

    serializer_class = GrantOut
    filterset_class = GrantFilter
    queryset = Grant.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-requested_at", "id")

    def get_queryset(self) -> QuerySet[Grant]:
        """Those that the viewer may see."""
        seen = Grant.objects.visible_to(self.viewer)
        return seen.select_related("lab", "dataset__owner", "licence")

    def owners_of(self, row: Grant) -> Iterable[Party]:
        """Both sides."""
        return (row.lab, row.dataset.owner)

    @extend_schema(request=GrantIn, responses={201: GrantOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Ask for a grant; an automatic licence gives it at once."""
        self.viewer.require("rights")
        given = self.read(GrantIn)
        seen = Licence.objects.visible_to(self.viewer)
        licence = get_object_or_404(seen, pk=given.pop("licence"))
        grant = licensing.request_grant(
            lab=self.viewer.party,
            licence=licence,
            by=self.person,
            at=timezone.now(),
            **given,
        )
        return Response(GrantOut(grant).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=GrantOut)
    @action(detail=True, methods=["post"])
    def give(self, request: Request, pk: str) -> Response:
        """Give it: text, price and term are frozen in it now."""
        grant = self._asked_of_me()
        licensing.give_grant(grant=grant, at=timezone.now(), by=self.person)
        return self._now()

    @extend_schema(request=ReasonIn, responses=GrantOut)
    @action(detail=True, methods=["post"])
    def refuse(self, request: Request, pk: str) -> Response:
        """Refuse it, with a reason the lab will read."""
        grant, reason = self._asked_of_me(), self.read(ReasonIn)["reason"]
        licensing.refuse_grant(grant=grant, reason=reason, at=timezone.now(), by=self.person)
        return self._now()

    @extend_schema(request=ReasonIn, responses=GrantOut)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """End it from now on; what was used under it stays granted."""
        grant, reason = self._asked_of_me(), self.read(ReasonIn)["reason"]
        licensing.revoke_grant(grant=grant, reason=reason, at=timezone.now(), by=self.person)
        return self._now()

    def _asked_of_me(self) -> Grant:
        """The grant named in the address, if it is the viewer's to give."""
        grant: Grant = self.get_object()
        self.require_own(grant.dataset.owner, "rights")
        return grant

    def _now(self) -> Response:
        """The grant as it stands after the act."""
        return Response(GrantOut(super().get_object()).data)
