"""Transfers of ownership that the viewer gives or receives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from provenance import ownership
from provenance.access import Viewer
from provenance.api.door import IDEMPOTENCY, Browse
from provenance.api.fields import DatasetRef, PartyRef
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.models import OwnershipTransfer, Party


class OwnershipTransferOut(serializers.ModelSerializer[OwnershipTransfer]):
    """A dataset that one party hands over to another, and what came of it."""

    dataset = DatasetRef()
    giver = PartyRef()
    receiver = PartyRef()
    is_by_operator = serializers.BooleanField()

    class Meta:
        model = OwnershipTransfer
        fields = (
            "id", "dataset", "giver", "receiver", "state", "reason", "paper", "is_by_operator",
            "proposed_at", "expires_at", "decided_at", "answer",
        )  # fmt: skip


class WhyIn(serializers.Serializer[Any]):
    """Why, where somebody says so."""

    reason = serializers.CharField(max_length=2000, default="", allow_blank=True)


class OwnershipTransferFilter(Filter):
    """Find transfers by dataset or state."""

    dataset = filters.UUIDFilter(field_name="dataset_id")
    state = filters.ChoiceFilter(choices=OwnershipTransfer.State.choices)


class OwnershipTransfers(Browse):
    """Transfers that the viewer gives or receives; all for an operator."""

    serializer_class = OwnershipTransferOut
    filterset_class = OwnershipTransferFilter
    queryset = OwnershipTransfer.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-proposed_at", "id")

    def get_queryset(self) -> QuerySet[OwnershipTransfer]:
        """Those that the viewer may see."""
        rows = OwnershipTransfer.objects.visible_to(self.viewer)
        return rows.select_related("dataset__owner", "giver", "receiver")

    def owners_of(self, row: OwnershipTransfer) -> Iterable[Party]:
        """Both sides."""
        return (row.giver, row.receiver)

    @extend_schema(request=None, responses=OwnershipTransferOut)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: str) -> Response:
        """Take the dataset over: from now on it is yours, and earns for you."""
        viewer, found = self._asked()
        ownership.accept_transfer(
            transfer=found, party=viewer.party, by=self.person, at=timezone.now()
        )
        return self._now()

    @extend_schema(request=WhyIn, responses=OwnershipTransferOut, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"])
    @idempotent
    def refuse(self, request: Request, pk: str) -> Response:
        """Do not take it; say why if you like."""
        viewer, found = self._asked()
        ownership.refuse_transfer(
            transfer=found, party=viewer.party, by=self.person, at=timezone.now(),
            **self.read(WhyIn),
        )  # fmt: skip
        return self._now()

    @extend_schema(request=WhyIn, responses=OwnershipTransferOut, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"])
    @idempotent
    def withdraw(self, request: Request, pk: str) -> Response:
        """Take back what you proposed, while nobody has accepted it."""
        viewer, found = self._asked()
        ownership.withdraw_transfer(
            transfer=found, party=viewer.party, by=self.person, at=timezone.now(),
            **self.read(WhyIn),
        )  # fmt: skip
        return self._now()

    def _asked(self) -> tuple[Viewer, OwnershipTransfer]:
        found: OwnershipTransfer = self.get_object()
        self.viewer.require("rights")
        return self.viewer, found

    def _now(self) -> Response:
        return Response(OwnershipTransferOut(super().get_object()).data)
