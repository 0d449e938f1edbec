"""Payouts: where a party wants its money, what it may claim, and what was paid."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from compensation import payees, payouts, proofs, settlement
from compensation.api.accounts import AssetOut, asset_by_code
from compensation.models import Asset, Payout, PayoutClaim, PayoutLeaf, PayoutMethod
from provenance import chains
from provenance.api.conditional import etag_of, headers_of, not_modified
from provenance.api.door import IDEMPOTENCY, Browse, Facts
from provenance.api.fields import HexField
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.models import Party


class MethodOut(serializers.ModelSerializer[PayoutMethod]):
    """Where to be paid: an address, in force once its holder has signed the challenge; or a bank
    account, its number masked. Nothing is paid there before `held_until`, nor while it is flagged.
    """

    asset = serializers.CharField(source="asset.code", allow_null=True, default=None)

    class Meta:
        model = PayoutMethod
        fields = (
            "id", "kind", "address", "asset", "bic", "holder", "challenge", "added_at",
            "verified_at", "held_until", "flagged_at", "flag_words", "removed_at",
        )  # fmt: skip


class MethodIn(serializers.Serializer[Any]):
    """An address on a chain (the ledger's own unless said), or a bank account for a currency.

    On a chain that is not an EVM's, `address` is a CAIP-10 account, such as `solana:..:..`.
    """

    address = serializers.CharField(max_length=120, required=False)
    chain_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False)
    asset = serializers.CharField(max_length=120, required=False, help_text="iso4217:EUR")
    iban = serializers.CharField(max_length=50, required=False)
    bic = serializers.CharField(max_length=11, required=False, allow_blank=True)
    holder = serializers.CharField(max_length=70, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two, and all of it."""
        chain, bank = {"address", "chain_id"} & set(attrs), {"asset", "iban", "holder"} & set(attrs)
        if "address" in chain and not bank and "bic" not in attrs:
            return attrs
        if len(bank) == 3 and not chain:
            return attrs
        raise serializers.ValidationError(
            "Give an address, or asset, iban and holder of a bank account."
        )


class SignatureIn(serializers.Serializer[Any]):
    """The challenge (EIP-4361), signed by the address's key or contract wallet (EIP-1271)."""

    signature = serializers.RegexField(r"^0x(?:[0-9a-fA-F]{2}){1,4096}$")
    message = serializers.CharField(
        max_length=4_000,
        default="",
        allow_blank=True,
        trim_whitespace=False,
        help_text="The text as it was signed; the challenge unless said.",
    )


class PayoutOut(serializers.ModelSerializer[Payout]):
    """Money that reached its payee."""

    asset = AssetOut()
    contract = serializers.CharField(source="contract.caip10")
    epoch = serializers.IntegerField(source="leaf.epoch.number")

    class Meta:
        model = Payout
        fields = (
            "id", "asset", "amount_units", "address", "contract", "epoch", "tx_hash",
            "block_number", "entry", "settled_at",
        )  # fmt: skip


class LeafOut(serializers.ModelSerializer[PayoutLeaf]):
    """What a party is owed in all in the active tree, with the way to its root."""

    asset = AssetOut(source="epoch.asset")
    epoch = serializers.IntegerField(source="epoch.number")
    contract = serializers.CharField(source="epoch.contract.caip10")
    root = HexField(source="epoch.root")  # type: ignore[assignment]  # not Field.root
    payee_id = HexField()
    proof = serializers.SerializerMethodField()

    class Meta:
        model = PayoutLeaf
        fields = (
            "asset", "epoch", "contract", "root", "payee_id", "address", "cumulative", "proof",
        )  # fmt: skip

    @extend_schema_field(serializers.ListField(child=HexField()))
    def get_proof(self, leaf: PayoutLeaf) -> list[str]:
        """The siblings from the leaf up to the root."""
        return ["0x" + one.hex() for one in payouts.proof_of(leaf)]


class PayoutClaimOut(serializers.ModelSerializer[PayoutClaim]):
    """A claim that the service sends for the party; it is paid when the chain says so."""

    tx_state = serializers.CharField(source="outbox.state")
    tx_hash = serializers.CharField(source="outbox.tx_hash")

    class Meta:
        model = PayoutClaim
        fields = ("id", "asked_at", "tx_state", "tx_hash")


class PayoutClaimableOut(serializers.Serializer[Any]):
    """What can be claimed now, and the claim under way if there is one."""

    open_units = serializers.IntegerField()
    leaf = LeafOut()
    claim = PayoutClaimOut(allow_null=True)


class PayoutClaimIn(serializers.Serializer[Any]):
    """Of which asset."""

    asset = serializers.CharField(max_length=120)


class PayoutFilter(Filter):
    """Find payouts by asset or time."""

    asset = filters.CharFilter(field_name="asset__code")
    settled_after = filters.IsoDateTimeFilter(field_name="settled_at", lookup_expr="gte")
    settled_before = filters.IsoDateTimeFilter(field_name="settled_at", lookup_expr="lt")


def proof_answer(request: Request, found: dict[str, Any], name: str) -> HttpResponseBase:
    """A proof file as a download; 304 where the client has the same."""
    etag = etag_of(request.path, JSONRenderer().render(found))
    disposition = f'attachment; filename="tallymark-{name}.json"'
    headers = {"Content-Disposition": disposition, **headers_of(etag)}
    return not_modified(request, etag) or Response(found, headers=headers)


class PayoutMethods(ListModelMixin, Facts, GenericViewSet[Any]):
    """Where the party wants its money."""

    serializer_class = MethodOut
    queryset = PayoutMethod.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-added_at", "id")

    def get_queryset(self) -> QuerySet[PayoutMethod]:
        """This party's, for an operator too."""
        return PayoutMethod.objects.filter(party=self.viewer.party).select_related("asset")

    @extend_schema(request=MethodIn, responses={201: MethodOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Name an address, and get the challenge that its holder signs; or name a bank account."""
        self.viewer.require("finance")
        given = self.read(MethodIn)
        who: dict[str, Any] = {
            "party": self.viewer.party,
            "by": self.person,
            "at": timezone.now(),
        }
        if "iban" in given:
            asset = asset_by_code(given.pop("asset"))
            made = payees.add_account(asset=asset, **given, **who)
        elif ":" in given["address"] and "chain_id" not in given:
            made = payees.add_other_account(account=given["address"], **who)
        else:
            made = payees.add_method(**{"chain_id": chains.home(), **given, **who})
        return Response(MethodOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=SignatureIn, responses=MethodOut)
    @action(detail=True, methods=["post"])
    def verify(self, request: Request, pk: str) -> Response:
        """Put the address in force by its holder's signature."""
        method = self.get_object()
        self.viewer.require("finance")
        done = payees.verify_method(method=method, at=timezone.now(), **self.read(SignatureIn))
        return Response(MethodOut(done).data)

    @extend_schema(request=None, responses=MethodOut)
    @action(detail=True, methods=["post"])
    def challenge(self, request: Request, pk: str) -> Response:
        """Ask anew for the text to sign, where it has expired."""
        method = self.get_object()
        self.viewer.require("finance")
        return Response(MethodOut(payees.challenge(method=method, at=timezone.now())).data)

    @extend_schema(request=None, responses=MethodOut)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: str) -> Response:
        """Say that a flagged account is right, so that payouts go there again."""
        method = self.get_object()
        self.viewer.require("finance")
        return Response(MethodOut(payees.confirm_method(method=method, at=timezone.now())).data)

    @extend_schema(request=None, responses=MethodOut)
    @action(detail=True, methods=["post"])
    def remove(self, request: Request, pk: str) -> Response:
        """Pay there no longer."""
        method = self.get_object()
        self.viewer.require("finance")
        return Response(MethodOut(payees.remove_method(method=method, at=timezone.now())).data)


class Payouts(Browse):
    """What the party was paid."""

    serializer_class = PayoutOut
    filterset_class = PayoutFilter
    queryset = Payout.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-settled_at", "id")

    def get_queryset(self) -> QuerySet[Payout]:
        """Those that the viewer may see."""
        seen = Payout.objects.visible_to(self.viewer)
        return seen.select_related("asset", "party", "contract", "leaf__epoch__contract")

    def owners_of(self, row: Payout) -> Iterable[Party]:
        """Who was paid."""
        return (row.party,)

    @extend_schema(responses={200: OpenApiTypes.OBJECT, 304: None})
    @action(detail=True, methods=["get"])
    def proof(self, request: Request, pk: str) -> HttpResponseBase:
        """A file that follows the money from a use to this payment, for `tallymark verify`."""
        payout = self.get_object()
        return proof_answer(request, proofs.payout_proof(payout), f"payout-{payout.pk}")

    @extend_schema(
        responses=PayoutClaimableOut(many=True), filters=False, operation_id="payouts_claimable"
    )
    @action(detail=False, methods=["get"], pagination_class=None, filterset_class=None)
    def claimable(self, request: Request) -> Response:
        """What the party can claim now, asset by asset."""
        found = (settlement.claimable(self.viewer.party, asset) for asset in Asset.objects.all())
        return Response(PayoutClaimableOut([one for one in found if one], many=True).data)

    @extend_schema(request=PayoutClaimIn, responses={202: PayoutClaimOut}, parameters=[IDEMPOTENCY])
    @action(detail=False, methods=["post"])
    @idempotent
    def claim(self, request: Request) -> Response:
        """Have the service send what is open to the party's address, and pay the gas."""
        self.viewer.require("finance")
        asset = asset_by_code(self.read(PayoutClaimIn)["asset"])
        made = settlement.claim(
            party=self.viewer.party, asset=asset, by=self.person, at=timezone.now()
        )
        return Response(PayoutClaimOut(made).data, status=status.HTTP_202_ACCEPTED)
