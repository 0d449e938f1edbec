"""Offering a dataset to another party: by its owner, or by two operators who go by a paper."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from compensation import approvals
from compensation.api.proposals import ProposalOut, put_forward
from provenance import ownership
from provenance.api.door import IDEMPOTENCY, Door, OperatorsOnly
from provenance.api.idempotency import idempotent
from provenance.api.ownership import OwnershipTransferOut
from provenance.api.parties import NeedsPerson
from provenance.models import Dataset, Party, Proposal


class TransferIn(serializers.Serializer[Any]):
    """To whom a dataset passes, and why."""

    receiver = serializers.CharField(
        max_length=120, help_text="The receiver's namespace: what stands before its datasets."
    )
    reason = serializers.CharField(max_length=2000)
    paper = serializers.CharField(
        max_length=300,
        default="",
        allow_blank=True,
        help_text="Operators only: the paper that they go by, and where it is kept.",
    )

    def validate_receiver(self, value: str) -> Party:
        """The party of that namespace."""
        found = Party.objects.filter(namespace=value).first()
        if found is None:
            raise serializers.ValidationError(
                "There is no such party: ask the receiver how its datasets' names begin."
            )
        return found


class DatasetTransfer(Door):
    """A dataset's way to another owner."""

    @extend_schema(
        request=TransferIn,
        responses={201: OwnershipTransferOut, 202: ProposalOut},
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request, pk: UUID) -> Response:
        """Offer it; it stays yours until the other accepts. 202 where a second operator must."""
        dataset = get_object_or_404(Dataset.objects.visible_to(self.viewer), pk=pk)
        self.viewer.require("rights")
        given, at = self.read(TransferIn), timezone.now()
        if dataset.owner_id == self.viewer.party.pk:
            if given.pop("paper"):
                raise OperatorsOnly("Only operators go by a paper.")
            made = ownership.propose_transfer(dataset=dataset, by=self.person, at=at, **given)
            return Response(OwnershipTransferOut(made).data, status=status.HTTP_201_CREATED)
        self.log_looks([dataset.owner])
        if self.person is None:
            raise NeedsPerson
        if not given["paper"].strip():
            raise ownership.PaperMissing
        body = {**given, "receiver": str(given["receiver"].pk), "dataset": str(dataset.pk)}
        proposal = approvals.attempt(
            kind=Proposal.Kind.TRANSFER, subject=str(dataset.pk), body=body, by=self.person, at=at
        )
        return put_forward(proposal)
