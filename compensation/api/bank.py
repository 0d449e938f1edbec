"""Payouts by bank, for operators: our account, payment runs, the bank's files, its bookings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import ListModelMixin
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from compensation import approvals, bank_files, bookings, payment_runs, terms
from compensation.api.accounts import AssetOut, asset_by_code
from compensation.api.payees import PayoutBoundsOut
from compensation.api.proposals import ProposalOut, put_forward
from compensation.bank import pain001, reading
from compensation.models import (
    BankAccount,
    BankBooking,
    BankFile,
    BankPayout,
    PaymentRun,
    Schedule,
)
from provenance.api.door import IDEMPOTENCY, Browse, Door, Facts
from provenance.api.fields import HexField, PartyRef, ReasonIn
from provenance.api.files import file_of
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.models import Party, Proposal


class BankAccountOut(serializers.ModelSerializer[BankAccount]):
    """An account of the operator's own, from which a currency is paid."""

    asset = AssetOut()

    class Meta:
        model = BankAccount
        fields = (
            "id", "asset", "holder", "iban", "bic", "message", "is_structured", "opened_at",
            "closed_at",
        )  # fmt: skip


class BankAccountIn(serializers.Serializer[Any]):
    """An account of the operator's own; it replaces the one before."""

    asset = serializers.CharField(max_length=120)
    holder = serializers.CharField(max_length=70)
    iban = serializers.CharField(max_length=50)
    bic = serializers.CharField(max_length=11, required=False, allow_blank=True)
    message = serializers.ChoiceField(choices=[(one, one) for one in pain001.VERSIONS], default="")
    is_structured = serializers.BooleanField(default=False)


class BankPayoutOut(serializers.ModelSerializer[BankPayout]):
    """One payment of a run; the account is masked."""

    party = PartyRef()
    to = serializers.CharField(source="method.address")

    class Meta:
        model = BankPayout
        fields = ("reference", "party", "to", "amount_units", "remittance", "state")


class PaymentRunOut(serializers.ModelSerializer[PaymentRun]):
    """An order to our bank."""

    asset = AssetOut(source="account.asset")
    file_digest = HexField()

    class Meta:
        model = PaymentRun
        fields = (
            "id", "number", "asset", "message_id", "message", "execute_on", "payout_count",
            "amount_units", "file_digest", "entry", "made_at",
        )  # fmt: skip


class PaymentRunIn(serializers.Serializer[Any]):
    """What is to be paid, and on which day."""

    asset = serializers.CharField(max_length=120)
    execute_on = serializers.DateField()


class WithdrawnOut(serializers.Serializer[Any]):
    """How many payments are payable again."""

    payout_count = serializers.IntegerField()


class BankFileOut(serializers.ModelSerializer[BankFile]):
    """A file of the bank, and of how many payments it told."""

    digest = HexField()

    class Meta:
        model = BankFile
        fields = ("id", "kind", "message", "name", "digest", "line_count", "brought_at")


class BankFileIn(serializers.Serializer[Any]):
    """A pain.002 or camt.053 as the bank gave it."""

    file = serializers.FileField(allow_empty_file=True)


class BankBookingOut(serializers.ModelSerializer[BankBooking]):
    """One payment that the bank booked; credits are positive, in the currency's minor unit."""

    asset = AssetOut(source="account.asset")
    payout = serializers.CharField(source="payout.reference", allow_null=True, default=None)

    class Meta:
        model = BankBooking
        fields = (
            "id", "asset", "statement_id", "entry_reference", "detail", "amount_minor",
            "booked_on", "end_to_end_id", "remittance", "counterparty", "is_return",
            "return_code", "state", "problem", "payout",
        )  # fmt: skip


class BookingFilter(Filter):
    """Find bookings by state or asset."""

    state = filters.ChoiceFilter(choices=BankBooking.State.choices)
    asset = filters.CharFilter(field_name="account__asset__code")


class AssignmentIn(serializers.Serializer[Any]):
    """To which payout a booking belongs, and why."""

    payout = serializers.CharField(max_length=35)
    note = serializers.CharField(max_length=500)
    is_charged = serializers.BooleanField(
        default=False, help_text="A return that lacks what the bank kept of it."
    )


class NoteIn(serializers.Serializer[Any]):
    """How one knows."""

    note = serializers.CharField(max_length=bookings.NOTE_LIMIT)


class PartIn(serializers.Serializer[Any]):
    """One payment of a batch."""

    reference = serializers.CharField(max_length=35, help_text="The payout's.")
    amount_minor = serializers.IntegerField(min_value=1, max_value=2**53)


class PartsIn(NoteIn):
    """The payments of a batch; they add up to it."""

    parts = PartIn(many=True)


class PayoutBoundsIn(serializers.Serializer[Any]):
    """Between what payees of an asset may choose."""

    asset = serializers.CharField(max_length=120)
    least_units = serializers.IntegerField(min_value=0, max_value=2**63 - 1)
    most_units = serializers.IntegerField(
        min_value=0, max_value=2**63 - 1, required=False, allow_null=True
    )
    schedules = serializers.ListField(child=serializers.ChoiceField(choices=Schedule.choices))


class OperatorFacts(Facts):
    """Rows that only operators see."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse everybody else before anything is read."""
        super().initial(request, *args, **kwargs)
        self.require_operator("read")


class BankAccounts(ListModelMixin, OperatorFacts, GenericViewSet[Any]):
    """The operator's accounts (operators only)."""

    serializer_class = BankAccountOut
    queryset = BankAccount.objects.select_related("asset")
    ordering = ("-opened_at", "-id")

    @extend_schema(request=BankAccountIn, responses={201: BankAccountOut})
    def create(self, request: Request) -> Response:
        """Name the account from which a currency is paid (operators only)."""
        self.viewer.require("finance")
        given = {key: value for key, value in self.read(BankAccountIn).items() if value != ""}
        asset = asset_by_code(given.pop("asset"))
        made = payment_runs.name_account(asset=asset, at=timezone.now(), **given)
        return Response(BankAccountOut(made).data, status=status.HTTP_201_CREATED)


class PaymentRuns(OperatorFacts, Browse):
    """Orders to our bank (operators only)."""

    serializer_class = PaymentRunOut
    queryset = PaymentRun.objects.select_related("account__asset")
    lookup_value_converter = "uuid"
    ordering = ("-made_at", "id")

    def get_queryset(self) -> QuerySet[PaymentRun]:
        """All of them."""
        return PaymentRun.objects.select_related("account__asset", "entry")

    @extend_schema(
        request=PaymentRunIn,
        responses={201: PaymentRunOut, 202: ProposalOut},
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Order all that is due in an asset (operators only); 202 where a second one must agree."""
        self.viewer.require("finance")
        given = self.read(PaymentRunIn)
        asset = asset_by_code(given["asset"])
        made = approvals.attempt(
            kind=Proposal.Kind.RUN,
            subject=str(asset.pk),
            body={"asset": asset.code, "execute_on": given["execute_on"].isoformat()},
            by=self.person,
            at=timezone.now(),
        )
        if isinstance(made, Proposal):
            return put_forward(made)
        return Response(PaymentRunOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={(200, "application/xml"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"])
    def file(self, request: Request, pk: str) -> HttpResponse:
        """The order for the bank (operators only), always the same; its payments exist once."""
        run = self.get_object()
        self.viewer.require("finance")
        self.log_looks(payout.party for payout in run.payouts.select_related("party"))
        return file_of(payment_runs.file_of(run), run.message_id, "xml")

    @extend_schema(responses=BankPayoutOut(many=True))
    @action(detail=True, methods=["get"])
    def payouts(self, request: Request, pk: str) -> Response:
        """Its payments, and where each stands (operators only)."""
        run = self.get_object()
        rows = list(run.payouts.select_related("party", "method").order_by("reference"))
        self.log_looks(payout.party for payout in rows)
        return Response(BankPayoutOut(rows, many=True).data)

    @extend_schema(request=ReasonIn, responses=WithdrawnOut)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        """Take back an order that never reached the bank (operators only)."""
        run = self.get_object()
        self.viewer.require("finance")
        count = payment_runs.withdraw_run(
            run=run, reason=self.read(ReasonIn)["reason"], at=timezone.now(), by=self.person
        )
        return Response({"payout_count": count})


class BankFiles(ListModelMixin, OperatorFacts, GenericViewSet[Any]):
    """What the bank gave us (operators only)."""

    serializer_class = BankFileOut
    queryset = BankFile.objects.all()
    ordering = ("-brought_at", "id")
    parser_classes = (MultiPartParser, FormParser)

    @extend_schema(request={"multipart/form-data": BankFileIn}, responses={201: BankFileOut})
    def create(self, request: Request) -> Response:
        """Read a pain.002 or camt.053 (operators only); the same file again changes nothing."""
        self.viewer.require("finance")
        given = self.read(BankFileIn)["file"]
        made = bank_files.take_file(
            content=given.read(reading.LIMIT_BYTES + 1),
            name=given.name,
            at=timezone.now(),
            by=self.person,
        )
        return Response(BankFileOut(made).data, status=status.HTTP_201_CREATED)


class BankBookings(OperatorFacts, Browse):
    """What the bank booked, payment by payment (operators only)."""

    serializer_class = BankBookingOut
    filterset_class = BookingFilter
    queryset = BankBooking.objects.select_related("account__asset", "payout__party")
    lookup_value_converter = "int"
    ordering = ("-booked_on", "-id")

    def owners_of(self, row: BankBooking) -> Iterable[Party]:
        """Whose payout it is."""
        return (row.payout.party,) if row.payout else ()

    @extend_schema(request=AssignmentIn, responses=BankBookingOut)
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: int) -> Response:
        """Say to which payout it belongs (operators only); amount and direction must fit."""
        booking = self.get_object()
        self.viewer.require("finance")
        given = self.read(AssignmentIn)
        payout = get_object_or_404(
            BankPayout.objects.select_related("party", "asset", "method__party", "run"),
            reference=given["payout"],
        )
        done = bank_files.assign_booking(
            booking=booking,
            payout=payout,
            note=given["note"],
            is_charged=given["is_charged"],
            at=timezone.now(),
            by=self.person,
        )
        return Response(BankBookingOut(done).data)

    @extend_schema(request=NoteIn, responses=BankBookingOut)
    @action(detail=True, methods=["post"])
    def charge(self, request: Request, pk: int) -> Response:
        """Book an open debit as a charge of the bank (operators only); the platform bears it."""
        booking = self.get_object()
        self.viewer.require("finance")
        note = self.read(NoteIn)["note"]
        done = bookings.book_charge(booking=booking, note=note, at=timezone.now(), by=self.person)
        return Response(BankBookingOut(done).data)

    @extend_schema(request=PartsIn, responses=BankBookingOut(many=True))
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    def split(self, request: Request, pk: int) -> Response:
        """Put the payments of a batch in its place (operators only); each finds its payout."""
        booking = self.get_object()
        self.viewer.require("finance")
        given = self.read(PartsIn)
        done = bookings.split_booking(
            booking=booking,
            parts=[bookings.Part(**part) for part in given["parts"]],
            note=given["note"],
            at=timezone.now(),
            by=self.person,
        )
        return Response(BankBookingOut(done, many=True).data)


class PayoutBoundsDoor(Door):
    """The operator's bounds of what payees may choose."""

    @extend_schema(request=PayoutBoundsIn, responses={201: PayoutBoundsOut})
    def post(self, request: Request) -> Response:
        """Set them for an asset, from now on (operators only)."""
        self.require_operator("finance")
        given = {"most_units": None, **self.read(PayoutBoundsIn)}
        asset = asset_by_code(given.pop("asset"))
        terms.set_bounds(asset=asset, at=timezone.now(), by=self.person, **given)
        shown = PayoutBoundsOut(terms.bounds_of(asset)).data
        return Response(shown, status=status.HTTP_201_CREATED)
