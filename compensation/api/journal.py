"""The journal: entries, months, balances of the past, holds and conversions."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.generics import ListAPIView, get_object_or_404
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from compensation import approvals, journal, periods
from compensation.api.accounts import asset_by_code
from compensation.api.proposals import ProposalOut, put_forward
from compensation.models import Account, Conversion, Entry, Hold, Line, Period
from provenance.api.door import IDEMPOTENCY, Browse, Door, Facts
from provenance.api.fields import HexField, ReasonIn
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.models import Party, Proposal


class LineOut(serializers.ModelSerializer[Line]):
    """What an entry did to one account; credits are positive."""

    kind = serializers.ChoiceField(source="account.kind", choices=Account.Kind.choices)

    class Meta:
        model = Line
        fields = ("account", "kind", "amount_units")


class EntryOut(serializers.ModelSerializer[Entry]):
    """Money that moved at one moment; a party sees the lines of its own accounts."""

    number = serializers.IntegerField(source="pk")
    asset = serializers.SlugRelatedField[Any](slug_field="code", read_only=True)
    period = serializers.CharField(
        source="period_id", allow_null=True, help_text="The month that it was posted to."
    )
    reverses = serializers.IntegerField(source="reverses_id", allow_null=True)
    lines = LineOut(many=True)
    hash = HexField()
    previous_hash = HexField()

    class Meta:
        model = Entry
        fields = (
            "number", "kind", "asset", "effective_at", "posted_at", "period", "reverses",
            "matures_at", "charge_count", "lines", "previous_hash", "hash",
        )  # fmt: skip


class CorrectionIn(serializers.Serializer[Any]):
    """An amount that a person posts; a reference counts once, however often it is sent."""

    units = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    reference = serializers.CharField(max_length=50)
    reason = serializers.CharField(max_length=300)


class AdjustmentIn(CorrectionIn):
    """An entry by hand: from one account to another of the same asset."""

    from_account = serializers.IntegerField(min_value=1)
    to_account = serializers.IntegerField(min_value=1)


class RefundIn(CorrectionIn):
    """A deposit that goes back to its lab."""

    lab = serializers.UUIDField()
    asset = serializers.CharField(max_length=120)


POSTED = {201: EntryOut, 202: ProposalOut}


class EntryFilter(Filter):
    """Find entries by kind, asset or month."""

    kind = filters.ChoiceFilter(choices=Entry.Kind.choices)
    asset = filters.CharFilter(field_name="asset__code")
    period = filters.CharFilter(field_name="period_id")


class Entries(Browse):
    """The entries that moved money on the viewer's accounts; all for an operator."""

    serializer_class = EntryOut
    filterset_class = EntryFilter
    queryset = Entry.objects.none()
    ordering = ("id",)
    lookup_url_kwarg = "number"
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[Entry]:
        """Those that the viewer may see, each with the lines that it may see."""
        lines = Line.objects.select_related("account__party").order_by("account")
        if not self.viewer.is_operator:
            lines = lines.filter(account__party=self.viewer.party)
        rows = Entry.objects.visible_to(self.viewer).select_related("asset")
        return rows.prefetch_related(Prefetch("lines", lines))

    def owners_of(self, row: Entry) -> Iterable[Party | None]:
        """Whose accounts it moved."""
        return (line.account.party for line in row.lines.all())

    @extend_schema(request=AdjustmentIn, responses=POSTED, parameters=[IDEMPOTENCY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Post an entry by hand (operators only); 202 where a second one must agree."""
        self.require_operator("finance")
        given = self.read(AdjustmentIn)
        accounts = Account.objects.all()
        source = get_object_or_404(accounts, pk=given["from_account"])
        target = get_object_or_404(accounts, pk=given["to_account"])
        return self._attempt(
            Proposal.Kind.ADJUSTMENT,
            f"{source.asset_id}:{given['reference']}",
            {
                "source": source.pk,
                "target": target.pk,
                "units": str(given["units"]),
                "reference": given["reference"],
                "reason": given["reason"],
            },
        )

    @extend_schema(request=ReasonIn, responses=POSTED, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"])
    @idempotent
    def reverse(self, request: Request, number: int) -> Response:
        """Take a deposit or an adjustment back (operators only); 202 where it takes two."""
        self.require_operator("finance")
        given = self.read(ReasonIn)
        entry = get_object_or_404(self.get_queryset(), pk=number)
        body = {"entry": entry.pk, "reason": given["reason"]}
        return self._attempt(Proposal.Kind.REVERSAL, str(entry.pk), body)

    @extend_schema(request=RefundIn, responses=POSTED, parameters=[IDEMPOTENCY])
    @action(detail=False, methods=["post"])
    @idempotent
    def refund(self, request: Request) -> Response:
        """Pay back what a lab has left (operators only); 202 where a second one must agree."""
        self.require_operator("finance")
        given = self.read(RefundIn)
        lab = get_object_or_404(Party.objects.filter(is_lab=True), pk=given["lab"])
        asset = asset_by_code(given["asset"])
        return self._attempt(
            Proposal.Kind.REFUND,
            f"{asset.pk}:{given['reference']}",
            {**given, "lab": str(lab.pk), "asset": asset.code, "units": str(given["units"])},
        )

    def _attempt(self, kind: Proposal.Kind, subject: str, body: dict[str, Any]) -> Response:
        """The entry that was posted, or what was put forward."""
        made = approvals.attempt(
            kind=kind, subject=subject[:64], body=body, by=self.person, at=timezone.now()
        )
        if isinstance(made, Proposal):
            return put_forward(made)
        shown = self.get_queryset().get(pk=made.pk)
        return Response(EntryOut(shown).data, status=status.HTTP_201_CREATED)


class PeriodOut(serializers.ModelSerializer[Period]):
    """A month of the journal; nothing enters a closed one."""

    class Meta:
        model = Period
        fields = ("name", "starts_at", "ends_at", "closed_at", "last_number")


class Periods(Browse):
    """The months of the journal, the latest first."""

    serializer_class = PeriodOut
    queryset = Period.objects.all()
    ordering = ("-name",)
    lookup_url_kwarg = "name"
    lookup_value_converter = "str"

    @extend_schema(request=None, responses=PeriodOut)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, name: str) -> Response:
        """Close a month that is over, for good (operators only). Safe to repeat."""
        self.require_operator("finance")
        closed = periods.close_period(name=name, at=timezone.now(), by=self.person)
        return Response(PeriodOut(closed).data)


class BalanceIn(serializers.Serializer[Any]):
    """A past moment, and by which of an entry's dates."""

    at = serializers.DateTimeField(required=False, help_text="Now, unless it is given.")
    by = serializers.ChoiceField(
        choices=[one.value for one in journal.By],
        default=journal.By.POSTED.value,
        help_text="`posted`: what was known then. `effective`: what is known now about then.",
    )


class BalanceOut(serializers.Serializer[Any]):
    """What an account held at a moment."""

    account = serializers.IntegerField()
    asset = serializers.CharField()
    at = serializers.DateTimeField()
    by = serializers.CharField()
    units = serializers.IntegerField()


class BalanceAt(Door):
    """What one account held at any past moment."""

    @extend_schema(parameters=[BalanceIn], responses=BalanceOut, operation_id="account_balance")
    def get(self, request: Request, pk: int) -> Response:
        """The sum of the lines until then, that moment included."""
        given = self.read(BalanceIn, data=request.query_params)
        rows = Account.objects.visible_to(self.viewer).select_related("asset", "party")
        account = get_object_or_404(rows, pk=pk)
        self.log_looks((account.party,))
        at, by = given.get("at") or timezone.now(), journal.By(given["by"])
        shown = {
            "account": account.pk,
            "asset": account.asset.code,
            "at": at,
            "by": by.value,
            "units": journal.balance_at(account, at, by=by),
        }
        return Response(BalanceOut(shown).data)


class HoldOut(serializers.ModelSerializer[Hold]):
    """Money set aside on an account."""

    asset = serializers.CharField(source="account.asset.code")

    class Meta:
        model = Hold
        fields = (
            "id", "account", "asset", "amount_units", "remaining_units", "state", "expires_at",
            "created_at", "ended_at",
        )  # fmt: skip


class HoldFilter(Filter):
    """Find holds by state or account."""

    state = filters.ChoiceFilter(choices=Hold.State.choices)
    account = filters.NumberFilter(field_name="account_id")


class Holds(Facts, ListAPIView[Hold]):
    """What is set aside on the viewer's accounts."""

    serializer_class = HoldOut
    filterset_class = HoldFilter
    queryset = Hold.objects.none()
    ordering = ("-id",)

    def get_queryset(self) -> QuerySet[Hold]:
        """Those that the viewer may see."""
        rows = Hold.objects.visible_to(self.viewer)
        return rows.select_related("account__asset", "account__party")

    def owners_of(self, row: Hold) -> Iterable[Party | None]:
        """Whose money it is."""
        return (row.account.party,)


@extend_schema_field(OpenApiTypes.STR)
class RateField(serializers.Field[Fraction, Any, str, Any]):
    """An exact price: a decimal number or a fraction, as text."""

    def to_internal_value(self, data: Any) -> Fraction:
        """The fraction; a JSON number is refused, as it would be rounded."""
        if isinstance(data, str) and len(data) <= 80:
            try:
                return Fraction(data)
            except (ValueError, ZeroDivisionError):
                pass
        raise serializers.ValidationError("Write the price as text, like 1.0842 or 13/12.")

    def to_representation(self, value: Fraction) -> str:
        """A fraction in lowest terms."""
        return f"{value.numerator}/{value.denominator}"


class ConversionOut(serializers.ModelSerializer[Conversion]):
    """Money that changed from one asset into another, in two entries that belong together."""

    from_asset = serializers.CharField(source="from_account.asset.code")
    to_asset = serializers.CharField(source="to_account.asset.code")
    rate = RateField(help_text="Whole amounts of the second for one of the first.")

    class Meta:
        model = Conversion
        fields = (
            "id", "from_account", "from_asset", "from_units", "to_account", "to_asset", "to_units",
            "rate", "out_entry", "in_entry", "reason", "converted_at",
        )  # fmt: skip


class ConversionIn(serializers.Serializer[Any]):
    """What is converted; a reference converts once, however often it is sent."""

    account = serializers.IntegerField(min_value=1)
    asset = serializers.CharField(max_length=120, help_text="Into which asset.")
    units = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    rate = RateField(help_text="Whole amounts of the second for one of the first, as text.")
    reference = serializers.CharField(max_length=150)
    reason = serializers.CharField(max_length=300)


class Conversions(ListModelMixin, Facts, GenericViewSet[Conversion]):
    """Conversions of the viewer's money."""

    serializer_class = ConversionOut
    queryset = Conversion.objects.none()
    ordering = ("-id",)

    def get_queryset(self) -> QuerySet[Conversion]:
        """Those that the viewer may see."""
        rows = Conversion.objects.visible_to(self.viewer)
        return rows.select_related(
            "from_account__asset", "from_account__party", "to_account__asset"
        )

    def owners_of(self, row: Conversion) -> Iterable[Party | None]:
        """Whose money it was."""
        return (row.from_account.party,)

    @extend_schema(
        request=ConversionIn,
        responses={201: ConversionOut, 202: ProposalOut},
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Convert an account's money out of the treasury (operators only); 202 where it takes two.

        The price is stated, and exact.
        """
        self.require_operator("finance")
        given = self.read(ConversionIn)
        source = get_object_or_404(Account.objects.all(), pk=given["account"])
        rate: Fraction = given["rate"]
        made = approvals.attempt(
            kind=Proposal.Kind.CONVERSION,
            subject=f"{source.asset_id}:{given['reference']}"[:64],
            body={
                **given,
                "asset": asset_by_code(given["asset"]).code,
                "units": str(given["units"]),
                "rate": f"{rate.numerator}/{rate.denominator}",
            },
            by=self.person,
            at=timezone.now(),
        )
        if isinstance(made, Proposal):
            return put_forward(made)
        return Response(ConversionOut(made).data, status=status.HTTP_201_CREATED)
