"""Reporting keys: who signs a lab's reports, what signatures are for, and whether they must."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from provenance import receipts, reporting_keys, signers
from provenance.api.door import Browse, Door
from provenance.models import Party, ReportingKey


class ReportingKeyOut(serializers.ModelSerializer[ReportingKey]):
    """A key that signs the lab's reports; the key itself stays with the lab."""

    class Meta:
        model = ReportingKey
        fields = ("id", "name", "address", "added_at", "revoked_at")


class ReportingKeyIn(serializers.Serializer[Any]):
    """A key's address, with its own signature of `ReportingKey(tenant, key)` (EIP-712)."""

    name = serializers.CharField(max_length=100)
    address = serializers.RegexField(r"^0x[0-9a-fA-F]{40}$")
    signature = serializers.RegexField(r"^0x[0-9a-fA-F]{130}$")


class SigningTermsOut(serializers.Serializer[Any]):
    """For whom reports are signed, whether they must be, and who signs for the service.

    `salt` of the domain is the Keccak-256 of `service`.
    """

    service = serializers.CharField()
    chain_id = serializers.IntegerField()
    tenant = serializers.UUIDField()
    is_required = serializers.BooleanField()
    countersigner = serializers.CharField(allow_null=True)


class SigningTermsIn(serializers.Serializer[Any]):
    """Whether reports without a signature are refused."""

    is_required = serializers.BooleanField()


class ReportingKeys(Browse):
    """The lab's keys."""

    serializer_class = ReportingKeyOut
    queryset = ReportingKey.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-added_at", "id")

    def get_queryset(self) -> QuerySet[ReportingKey]:
        """Those that the viewer may see."""
        return ReportingKey.objects.visible_to(self.viewer).select_related("party")

    def owners_of(self, row: ReportingKey) -> Iterable[Party]:
        """The lab."""
        return (row.party,)

    @extend_schema(request=ReportingKeyIn, responses={201: ReportingKeyOut})
    def create(self, request: Request) -> Response:
        """Let a key sign the lab's reports; safe to repeat."""
        self.viewer.require("develop")
        made = reporting_keys.register(
            party=self.viewer.party,
            at=timezone.now(),
            by=self.person,
            **self.read(ReportingKeyIn),
        )
        return Response(ReportingKeyOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=ReportingKeyOut)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """Take nothing more that this key signs."""
        key = self.get_object()
        self.require_own(key.party, "develop")
        done = reporting_keys.revoke(key=key, at=timezone.now())
        return Response(ReportingKeyOut(done).data)


class SigningTerms(Door):
    """What the party's reports are signed for."""

    @extend_schema(operation_id="signing_terms", responses=SigningTermsOut)
    def get(self, request: Request) -> Response:
        """For which service, chain and organisation a report is signed."""
        return Response(self._terms(self.viewer.party))

    @extend_schema(
        operation_id="signing_terms_set", request=SigningTermsIn, responses=SigningTermsOut
    )
    def post(self, request: Request) -> Response:
        """Refuse the party's reports that are not signed, or take them again."""
        self.viewer.require("develop")
        party = reporting_keys.require(
            party=self.viewer.party, at=timezone.now(), **self.read(SigningTermsIn)
        )
        return Response(self._terms(party))

    @staticmethod
    def _terms(party: Party) -> dict[str, Any]:
        domain = reporting_keys.domain()
        try:
            countersigner = signers.address(receipts.SIGNER)
        except signers.KeyMissing:
            countersigner = None
        facts = {
            "service": domain.service,
            "chain_id": domain.chain_id,
            "tenant": party.pk,
            "is_required": party.requires_signed_reports,
            "countersigner": countersigner,
        }
        return dict(SigningTermsOut(facts).data)
