"""Money on its way in: addresses that labs pay from, transfers, and payments at providers."""

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

from compensation import payments, transfers
from compensation.api.accounts import AssetOut
from compensation.models import PayingAddress, Payment, Transfer
from provenance.api.door import IDEMPOTENCY, Browse
from provenance.api.fields import PartyRef
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.models import Party


class PayingAddressOut(serializers.ModelSerializer[PayingAddress]):
    """An address that the lab pays from; it counts once its challenge was signed."""

    chain = serializers.CharField(read_only=True, help_text="CAIP-2.")
    pay_to = serializers.SerializerMethodField(help_text="Where deposits are sent, if anywhere.")

    class Meta:
        model = PayingAddress
        fields = (
            "id", "chain", "address", "challenge", "added_at", "verified_at", "removed_at",
            "pay_to",
        )  # fmt: skip

    def get_pay_to(self, row: PayingAddress) -> str:
        """The deposit address."""
        return transfers.pay_to()


class PayingAddressIn(serializers.Serializer[Any]):
    """An address to pay from, on the ledger's own chain unless another is named."""

    address = serializers.CharField(max_length=42)
    chain_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False)


class PayingSignatureIn(serializers.Serializer[Any]):
    """The challenge, signed by the holder of the address (EIP-191)."""

    signature = serializers.CharField(max_length=200)


class PayingAddresses(Browse):
    """The addresses that the lab pays from."""

    serializer_class = PayingAddressOut
    queryset = PayingAddress.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-added_at", "id")

    def get_queryset(self) -> QuerySet[PayingAddress]:
        """Those that the viewer may see."""
        return PayingAddress.objects.visible_to(self.viewer).select_related("lab")

    def owners_of(self, row: PayingAddress) -> Iterable[Party]:
        """The lab."""
        return (row.lab,)

    @extend_schema(
        request=PayingAddressIn, responses={201: PayingAddressOut}, parameters=[IDEMPOTENCY]
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Name an address; sign its challenge to let it count."""
        self.viewer.require("finance")
        made = transfers.name_address(
            lab=self.viewer.party, at=timezone.now(), by=self.person, **self.read(PayingAddressIn)
        )
        return Response(PayingAddressOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=PayingSignatureIn, responses=PayingAddressOut)
    @action(detail=True, methods=["post"])
    def verify(self, request: Request, pk: str) -> Response:
        """Prove the address; what came from it before is credited too."""
        named = self._mine()
        row = transfers.verify_address(
            named=named, at=timezone.now(), **self.read(PayingSignatureIn)
        )
        return Response(PayingAddressOut(row).data)

    @extend_schema(request=None, responses=PayingAddressOut)
    @action(detail=True, methods=["post"])
    def remove(self, request: Request, pk: str) -> Response:
        """Credit transfers from it no longer."""
        row = transfers.remove_address(named=self._mine(), at=timezone.now())
        return Response(PayingAddressOut(row).data)

    def _mine(self) -> PayingAddress:
        """The address named in the path, if it is the viewer's own."""
        row: PayingAddress = self.get_object()
        self.require_own(row.lab, "finance")
        return row


class AssignIn(serializers.Serializer[Any]):
    """Whose money it is, and how that is known."""

    lab = serializers.UUIDField()
    reason = serializers.CharField(max_length=300)


class TransferOut(serializers.ModelSerializer[Transfer]):
    """A final transfer to the deposit address; without a deposit nobody knows whose."""

    asset = AssetOut()
    chain = serializers.CharField(read_only=True, help_text="CAIP-2.")
    lab = PartyRef(source="deposit.lab", default=None, allow_null=True)
    token_amount = serializers.CharField(help_text="In the token's decimals.")

    class Meta:
        model = Transfer
        fields = (
            "id", "asset", "lab", "chain", "tx_hash", "log_index", "block_number", "sender",
            "token_amount", "amount_units", "deposit", "reason", "mined_at", "seen_at",
        )  # fmt: skip


class TransferFilter(Filter):
    """Find transfers that wait for somebody to say whose they are."""

    is_unassigned = filters.BooleanFilter(field_name="deposit", lookup_expr="isnull")
    sender = filters.CharFilter(lookup_expr="iexact")


class Transfers(Browse):
    """Transfers on the chain."""

    serializer_class = TransferOut
    filterset_class = TransferFilter
    queryset = Transfer.objects.none()
    lookup_value_converter = "int"
    ordering = ("-mined_at", "-id")

    def get_queryset(self) -> QuerySet[Transfer]:
        """Those that the viewer may see."""
        return Transfer.objects.visible_to(self.viewer).select_related("asset", "deposit__lab")

    def owners_of(self, row: Transfer) -> Iterable[Party | None]:
        """The lab, once it is known."""
        return (row.deposit.lab if row.deposit else None,)

    @extend_schema(request=AssignIn, responses=TransferOut)
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: int) -> Response:
        """Credit a lab with a transfer from an unknown address (operators only)."""
        self.require_operator("finance")
        given, row = self.read(AssignIn), self.get_object()
        lab = get_object_or_404(Party.objects.filter(is_lab=True), pk=given["lab"])
        row = transfers.assign(
            transfer=row, lab=lab, reason=given["reason"], at=timezone.now(), by=self.person
        )
        return Response(TransferOut(row).data)


class PaymentOut(serializers.ModelSerializer[Payment]):
    """A payment at a provider, as far as its events tell."""

    asset = AssetOut(allow_null=True)
    lab = PartyRef(allow_null=True)
    amount_units = serializers.IntegerField(
        source="deposit.amount_units", default=None, allow_null=True
    )

    class Meta:
        model = Payment
        fields = (
            "id", "provider", "key", "lab", "asset", "state", "note", "deposit", "amount_units",
            "taken_units", "short_units", "first_heard_at", "changed_at",
        )  # fmt: skip


class PaymentFilter(Filter):
    """Find payments by state."""

    state = filters.ChoiceFilter(choices=Payment.State.choices)


class Payments(Browse):
    """Payments at providers."""

    serializer_class = PaymentOut
    filterset_class = PaymentFilter
    queryset = Payment.objects.none()
    lookup_value_converter = "int"
    ordering = ("-changed_at", "-id")

    def get_queryset(self) -> QuerySet[Payment]:
        """Those that the viewer may see."""
        return Payment.objects.visible_to(self.viewer).select_related("asset", "lab", "deposit")

    def owners_of(self, row: Payment) -> Iterable[Party | None]:
        """The lab, once it is known."""
        return (row.lab,)

    @extend_schema(request=AssignIn, responses=PaymentOut)
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: int) -> Response:
        """Say whose a payment is that does not say so itself (operators only)."""
        self.require_operator("finance")
        given, row = self.read(AssignIn), self.get_object()
        lab = get_object_or_404(Party.objects.filter(is_lab=True), pk=given["lab"])
        row = payments.assign(
            payment=row, lab=lab, reason=given["reason"], at=timezone.now(), by=self.person
        )
        return Response(PaymentOut(row).data)
