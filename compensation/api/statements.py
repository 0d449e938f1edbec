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
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from compensation import exports, statements
from compensation.api.accounts import asset_by_code
from compensation.models import Account, Asset, Entry
from compensation.statements import PAGE, LabStatement, OwnerStatement, Period
from provenance.api.door import Door
from provenance.api.files import file_of, zip_of
from provenance.models import Party
from provenance.refusals import Refused

Statement = OwnerStatement | LabStatement
MOST_SHARES = 1_000
LAB, OWNER = "lab", "owner"
MAKERS: dict[str, Callable[..., Statement]] = {
    OWNER: statements.owner_statement,
    LAB: statements.lab_statement,
}
KINDS = {
    OWNER: (Account.Kind.OWNER, Account.Kind.OWNER_PENDING, Account.Kind.AWAITED),
    LAB: (Account.Kind.LAB,),
}


class ChooseStatement(Refused):
    """A table or a paper holds one statement."""

    code = "choose_statement"
    status = 400
    hint = "Name one: ?asset=CODE, and ?role=owner or ?role=lab where you are both."


class NoSuchCharge(Refused):
    """There is no such charge that you may see."""

    code = "not_found"
    status = 404
    hint = "Choose a charge from a line of your own statement."


class CsvAnswer(JSONRenderer):
    """The statement as a table; a refusal stays a problem as JSON."""

    media_type = "text/csv"
    format = "csv"
    charset = None


class PdfAnswer(JSONRenderer):
    """The statement as a paper; a refusal stays a problem as JSON."""

    media_type = "application/pdf"
    format = "pdf"
    charset = None


class StatementQuery(serializers.Serializer[Any]):
    """Which of the month's statements: role and asset (all unless said), and whose."""

    role = serializers.ChoiceField(choices=[OWNER, LAB], default=None)
    asset = serializers.CharField(default="", max_length=120)
    party = serializers.UUIDField(default=None, help_text="For operators: another party's.")
    format = serializers.ChoiceField(choices=["json", "csv", "pdf"], default="json")


class Statements(Door):
    """What a party earned and spent in a month."""

    renderer_classes = (JSONRenderer, CsvAnswer, PdfAnswer)

    @extend_schema(
        operation_id="statements",
        parameters=[StatementQuery],
        responses={
            (200, "application/json"): OpenApiTypes.OBJECT,
            (200, "text/csv"): OpenApiTypes.STR,
            (200, "application/pdf"): OpenApiTypes.BINARY,
        },
    )
    def get(self, request: Request, period: str) -> HttpResponseBase:
        """Opening, lines, closing; in words first. By role and asset; CSV and PDF hold one."""
        found = self._made(request, period)
        ending = request.accepted_renderer.format
        if ending not in ("csv", "pdf"):
            return Response({"statements": [statements.as_json(one) for one in found]})
        if len(found) != 1:
            raise ChooseStatement(f"There are {len(found)} statements of {period}.")
        (statement,) = found
        as_file = statements.as_csv if ending == "csv" else statements.as_pdf
        words = f"statement {statement.party.namespace} {period} {statement.asset.symbol}"
        return file_of(as_file(statement), words, ending)

    def _made(self, request: Request, name: str) -> list[Statement]:
        """The statements asked for, one for each role and asset in which the party has money."""
        given = self.read(StatementQuery, request.query_params)
        period, at = Period.month(name), timezone.now()
        party = party_of(self, given["party"])
        found: list[Statement] = []
        for role in [given["role"]] if given["role"] else [OWNER, LAB]:
            has_some = Account.objects.filter(party=party, kind__in=KINDS[role]).values("asset")
            assets = Asset.objects.filter(pk__in=has_some).order_by("code")
            wanted = [asset_by_code(given["asset"])] if given["asset"] else list(assets)
            made = MAKERS[role]
            found += [
                made(party=party, asset=asset, period=period, at=at)
                for asset in wanted
                if asset in assets or given["role"]
            ]
        return found


def party_of(door: Door, wanted: Any) -> Party:
    """Whose money is asked for: one's own, or for an operator anybody's, which is logged."""
    if wanted is None:
        return door.viewer.party
    party = get_object_or_404(Party.objects.visible_to(door.viewer), pk=wanted)
    door.log_looks([party])
    return party


class ExportQuery(serializers.Serializer[Any]):
    """Which months, and whose: one's own unless an operator says otherwise."""

    last = serializers.CharField(default="", help_text="The last month; the first unless said.")
    party = serializers.UUIDField(default=None, help_text="For operators: another party's.")
    whole = serializers.BooleanField(default=False, help_text="For operators: the whole journal.")


class Exports(Door):
    """All that it takes to recompute a party's money offline."""

    @extend_schema(
        operation_id="statement_export",
        parameters=[ExportQuery],
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, period: str) -> HttpResponseBase:
        """A zip for `tallymark replay`: reports, rates, divisions, charges, entries, leaves."""
        given = self.read(ExportQuery, request.query_params)
        if given["whole"]:
            self.require_operator("finance")
            self.log_looks(Party.objects.filter(accounts__isnull=False).distinct())
        party = None if given["whole"] else party_of(self, given["party"])
        scope = exports.scope_of(
            party=party,
            first=Period.month(period),
            last=Period.month(given["last"] or period),
            at=timezone.now(),
        )
        return zip_of(exports.export(scope), scope.file_name)


class Explanations(Door):
    """Why a charge is what it is."""

    @extend_schema(operation_id="charge_explanation", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, pk: int) -> Response:
        """Reports, rate, decision, division, entry, payout: each with its events and proofs."""
        found = statements.explain(pk, self.viewer)
        if found is None:
            raise NoSuchCharge
        self.log_looks(found.parties)
        return Response(found.as_json())


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
    weight = serializers.CharField(
        allow_null=True, help_text="Of weight_sum; may be longer than 2**53. Null for a lab."
    )
    weight_sum = serializers.CharField(allow_null=True)
    usage_events = serializers.ListField(child=serializers.IntegerField(allow_null=True))
    charge_event = serializers.IntegerField(allow_null=True)
    payout_epoch = serializers.IntegerField(source="leaf.epoch.number", default=None)


class LineQuery(serializers.Serializer[Any]):
    """Which of the entry's lines, and which page of the charges behind it."""

    weight_version = serializers.IntegerField(default=None, min_value=1)
    after = serializers.IntegerField(
        default=0, min_value=0, help_text="The last charge of the page before."
    )
    limit = serializers.IntegerField(default=PAGE, min_value=1, max_value=MOST_SHARES)


class Shares(Door):
    """What stands behind one line of a statement."""

    @extend_schema(
        operation_id="statement_line", parameters=[LineQuery], responses=ShareOut(many=True)
    )
    def get(self, request: Request, pk: int) -> Response:
        """The charges behind the party's line in an entry: those it earns by, those it pays."""
        entry = get_object_or_404(Entry.objects.visible_to(self.viewer), pk=pk)
        given = self.read(LineQuery, request.query_params)
        found = statements.shares_of(
            entry,
            self.viewer.party,
            weight_version_id=given["weight_version"],
            after=given["after"],
            limit=given["limit"],
        )
        return Response(ShareOut(found, many=True).data)
