"""Deposits: what labs paid in, recorded by an operator; and how far a lab may owe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from compensation import approvals
from compensation.api.accounts import AssetOut, asset_by_code
from compensation.api.proposals import ProposalOut, put_forward
from compensation.models import Deposit
from provenance.api.door import IDEMPOTENCY, Facts
from provenance.api.fields import PartyRef
from provenance.api.idempotency import idempotent
from provenance.models import Party, Proposal


class DepositOut(serializers.ModelSerializer[Deposit]):
    """Money a lab paid in."""

    lab = PartyRef()
    asset = AssetOut()

    class Meta:
        model = Deposit
        fields = ("id", "lab", "asset", "amount_units", "reference", "entry", "received_at")


class DepositIn(serializers.Serializer[Any]):
    """Money that arrived; a reference counts once, however often it is sent."""

    lab = serializers.UUIDField()
    asset = serializers.CharField(max_length=120)
    amount_units = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    reference = serializers.CharField(max_length=150)


class Deposits(ListModelMixin, Facts, GenericViewSet[Deposit]):
    """The viewer's deposits."""

    serializer_class = DepositOut
    queryset = Deposit.objects.none()
    ordering = ("-received_at", "-id")

    def get_queryset(self) -> QuerySet[Deposit]:
        """Those that the viewer may see."""
        return Deposit.objects.visible_to(self.viewer).select_related("lab", "asset")

    def owners_of(self, row: Deposit) -> Iterable[Party]:
        """The lab."""
        return (row.lab,)

    @extend_schema(
        request=DepositIn,
        responses={201: DepositOut, 202: ProposalOut},
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Record money that arrived (operators only); 202 where a second one must agree."""
        self.require_operator("finance")
        given = self.read(DepositIn)
        lab = get_object_or_404(Party.objects.filter(is_lab=True), pk=given.pop("lab"))
        asset = asset_by_code(given.pop("asset"))
        made = approvals.attempt(
            kind=Proposal.Kind.DEPOSIT,
            subject=f"{asset.pk}:{given['reference']}"[:64],
            body={
                "lab": str(lab.pk),
                "asset": asset.code,
                "units": str(given["amount_units"]),
                "reference": given["reference"],
            },
            by=self.person,
            at=timezone.now(),
        )
        if isinstance(made, Proposal):
            return put_forward(made)
        return Response(DepositOut(made).data, status=status.HTTP_201_CREATED)
