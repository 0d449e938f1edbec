"""Acts that take two people: what waits, and what a second person says to it."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from compensation import approvals
from provenance import proposals
from provenance.api.door import IDEMPOTENCY, Browse
from provenance.api.fields import HexField, ReasonIn
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.api.parties import NeedsPerson
from provenance.models import Proposal, User


class ProposalOut(serializers.ModelSerializer[Proposal]):
    """An act over its limit, as one operator put it forward."""

    digest = HexField()
    proposed_by = serializers.CharField(source="proposed_by.email")
    decided_by = serializers.CharField(source="decided_by.email", default=None)

    class Meta:
        model = Proposal
        fields = (
            "id", "kind", "subject", "words", "stake", "body", "basis", "digest", "state",
            "proposed_by", "proposed_at", "expires_at", "decided_by", "decided_at", "reason",
            "outcome",
        )  # fmt: skip


class ApprovalIn(serializers.Serializer[Any]):
    """What a second person adds to a yes."""

    reason = serializers.CharField(max_length=2000, default="", allow_blank=True)


class ProposalFilter(Filter):
    """Find proposals by kind or state."""

    kind = filters.ChoiceFilter(choices=Proposal.Kind.choices)
    state = filters.ChoiceFilter(choices=Proposal.State.choices)


class Proposals(Browse):
    """What takes a second operator (operators only)."""

    serializer_class = ProposalOut
    filterset_class = ProposalFilter
    queryset = Proposal.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-proposed_at", "id")

    def get_queryset(self) -> QuerySet[Proposal]:
        """All of them, for an operator."""
        rows = Proposal.objects.visible_to(self.viewer)
        return rows.select_related("proposed_by", "decided_by")

    @extend_schema(request=ApprovalIn, responses=ProposalOut, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"])
    @idempotent
    def approve(self, request: Request, pk: str) -> Response:
        """Do what was put forward; not for the person who did."""
        proposal, by = self._asked()
        given = self.read(ApprovalIn)
        approvals.approve(proposal=proposal, by=by, at=timezone.now(), **given)
        return self._now()

    @extend_schema(request=ReasonIn, responses=ProposalOut, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"])
    @idempotent
    def refuse(self, request: Request, pk: str) -> Response:
        """Say no, with a reason; not for the person who put it forward."""
        proposal, by = self._asked()
        proposals.refuse(proposal=proposal, by=by, at=timezone.now(), **self.read(ReasonIn))
        return self._now()

    @extend_schema(request=None, responses=ProposalOut)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        """Take back what one put forward."""
        proposal, by = self._asked()
        proposals.withdraw(proposal=proposal, by=by, at=timezone.now())
        return self._now()

    def _asked(self) -> tuple[Proposal, User]:
        """The proposal, and the person who speaks to it with the right that the act needs."""
        proposal: Proposal = self.get_object()
        self.viewer.require(approvals.right_for(proposal))
        if self.person is None:
            raise NeedsPerson
        return proposal, self.person

    def _now(self) -> Response:
        return Response(ProposalOut(super().get_object()).data)


def put_forward(proposal: Proposal) -> Response:
    """202: nothing was done yet, because it takes a second person."""
    shown = Proposal.objects.select_related("proposed_by", "decided_by").get(pk=proposal.pk)
    return Response(ProposalOut(shown).data, status=status.HTTP_202_ACCEPTED)
