"""Statements: what a party earned or spent in a month, in words first, to the unit below."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from compensation import statements
from compensation.api.accounts import asset_by_code
from compensation.models import Account, Asset, Entry
from compensation.statements import LabStatement, OwnerStatement, Period
from provenance.api.door import Door
from provenance.api.files import file_of
from provenance.models import Party
from provenance.refusals import Refused

Statement = OwnerStatement | LabStatement
Maker = Callable[..., Statement]
LAB_KINDS = (Account.Kind.LAB,)
OWNER_KINDS = (Account.Kind.OWNER, Account.Kind.OWNER_PENDING, Account.Kind.AWAITED)


class ChooseAsset(Refused):
    """A table holds one asset."""

    code = "choose_asset"
    status = 400
    hint = "Name one of your assets: ?asset=CODE."


class StatementQuery(serializers.Serializer[Any]):
    """Which month (this one unless said), which asset (all unless said), and whose."""

    period = serializers.CharField(default="", help_text="2026-03")
    asset = serializers.CharField(default="", max_length=120)
    party = serializers.UUIDField(default=None, help_text="For operators: another party's.")


class Sheets(Door):
    """What owner and lab statements have in common."""

    maker: Maker
    kinds: tuple[Account.Kind, ...]

    def party(self, wanted: Any) -> Party:
        """Whose statement is asked for: one's own, or for an operator anybody's."""
        if wanted is None:
            return self.viewer.party
        party = get_object_or_404(Party.objects.visible_to(self.viewer), pk=wanted)
        self.log_looks([party])
        return party

    def made(self, request: Request) -> list[Statement]:
        """The statements asked for, one for each asset."""
        given = self.read(StatementQuery, request.query_params)
        party, at = self.party(given["party"]), timezone.now()
        period = Period.month(given["period"]) if given["period"] else Period.holding(at)
        has_some = Account.objects.filter(party=party, kind__in=self.kinds).values("asset")
        assets = Asset.objects.filter(pk__in=has_some).order_by("code")
        wanted = [asset_by_code(given["asset"])] if given["asset"] else list(assets)
        make = type(self).maker
        return [make(party=party, asset=asset, period=period, at=at) for asset in wanted]

    def table(self, request: Request, name: str) -> HttpResponseBase:
        """The one statement that is asked for, as CSV."""
        found = self.made(request)
        if len(found) != 1:
            raise ChooseAsset(f"There are statements in {len(found)} assets.")
        (statement,) = found
        words = f"{name} {statement.party.namespace} {statement.period.name}"
        return file_of(statements.as_csv(statement), words, "csv")


class OwnerStatements(Sheets):
    """What an owner earned."""

    maker = staticmethod(statements.owner_statement)
    kinds = OWNER_KINDS

    @extend_schema(
        operation_id="statements_owner", parameters=[StatementQuery], responses=OpenApiTypes.OBJECT
    )
    def get(self, request: Request) -> Response:
        """Earned; held, why, until when; next payout; what to do; then each line. By asset."""
        return Response({"statements": [statements.as_json(one) for one in self.made(request)]})


class OwnerTable(Sheets):
    """What an owner earned, as a table."""

    maker = staticmethod(statements.owner_statement)
    kinds = OWNER_KINDS

    @extend_schema(
        operation_id="statements_owner_csv",
        parameters=[StatementQuery],
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The lines of one asset; the amounts add up."""
        return self.table(request, "earned")


class LabStatements(Sheets):
    """What a lab spent."""

    maker = staticmethod(statements.lab_statement)
    kinds = LAB_KINDS

    @extend_schema(
        operation_id="statements_lab", parameters=[StatementQuery], responses=OpenApiTypes.OBJECT
    )
    def get(self, request: Request) -> Response:
        """Spent, left, what waits and why, what to do; then each line. By asset."""
        return Response({"statements": [statements.as_json(one) for one in self.made(request)]})


class LabTable(Sheets):
    """What a lab spent, as a table."""

    maker = staticmethod(statements.lab_statement)
    kinds = LAB_KINDS

    @extend_schema(
        operation_id="statements_lab_csv",
        parameters=[StatementQuery],
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The lines of one asset; the amounts add up."""
        return self.table(request, "spent")


class ShareOut(serializers.Serializer[Any]):
    """One charge behind a line: usage, rate, share, the events that prove it, the payout leaf."""

    charge = serializers.IntegerField(source="charge.pk")
    usage = serializers.UUIDField(source="charge.usage_id")
    lab = serializers.CharField()
    run = serializers.CharField()
    dataset = serializers.CharField()
    purpose = serializers.CharField()
    rate = serializers.CharField()
    used_at = serializers.DateTimeField()
    charged_units = serializers.IntegerField()
    share_units = serializers.IntegerField()
    weight = serializers.CharField(help_text="Of weight_sum; may be longer than 2**53.")
    weight_sum = serializers.CharField()
    usage_events = serializers.ListField(child=serializers.IntegerField(allow_null=True))
    charge_event = serializers.IntegerField(allow_null=True)
    payout_epoch = serializers.IntegerField(source="leaf.epoch.number", default=None)


class LineQuery(serializers.Serializer[Any]):
    """Which of the entry's lines."""

    weight_version = serializers.IntegerField(default=None, min_value=1)


class Shares(Door):
    """What stands behind one line of an owner's statement."""

    @extend_schema(
        operation_id="statement_line", parameters=[LineQuery], responses=ShareOut(many=True)
    )
    def get(self, request: Request, pk: int) -> Response:
        """The charges behind the party's line in an entry, each with its grounds."""
        entry = get_object_or_404(Entry.objects.visible_to(self.viewer), pk=pk)
        wanted = self.read(LineQuery, request.query_params)["weight_version"]
        found = statements.shares_of(entry, self.viewer.party, weight_version_id=wanted)
        return Response(ShareOut(found, many=True).data)
