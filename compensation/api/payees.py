"""When a payee is paid, and where each of its payouts stands."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from compensation import progress, terms
from compensation.api.accounts import AssetOut, asset_by_code
from compensation.models import Asset, PayoutMethod, Schedule
from provenance.api.door import Door

ASSET = OpenApiParameter("asset", str, description="The code of an asset; all unless said.")


class PayoutBoundsOut(serializers.Serializer[Any]):
    """Between what a payee may choose; null where there is no most."""

    least_units = serializers.IntegerField()
    most_units = serializers.IntegerField(allow_null=True)
    schedules = serializers.ListField(child=serializers.ChoiceField(choices=Schedule.choices))


class PayoutTermsOut(serializers.Serializer[Any]):
    """From which amount on and how often the party is paid an asset."""

    asset = AssetOut()
    threshold_units = serializers.IntegerField()
    schedule = serializers.ChoiceField(choices=Schedule.choices)
    day = serializers.IntegerField(
        allow_null=True, help_text="Of the week from Monday as 1, or of the month up to 28."
    )
    set_at = serializers.DateTimeField(allow_null=True)
    bounds = PayoutBoundsOut()


class PayoutTermsIn(serializers.Serializer[Any]):
    """The party's choice."""

    asset = serializers.CharField(max_length=120)
    threshold_units = serializers.IntegerField(min_value=0, max_value=2**63 - 1)
    schedule = serializers.ChoiceField(choices=Schedule.choices)
    day = serializers.IntegerField(min_value=1, max_value=28, required=False)


class PayoutStageOut(serializers.Serializer[Any]):
    """A state that a payout was in, since when and why."""

    state = serializers.ChoiceField(choices=progress.CHOICES)
    at = serializers.DateTimeField(allow_null=True)
    words = serializers.CharField()


class PayoutProgressOut(serializers.Serializer[Any]):
    """A payout by bank or on the chain as it stands; without a reference while it gathers."""

    reference = serializers.CharField()
    way = serializers.ChoiceField(choices=PayoutMethod.Kind.choices)
    asset = AssetOut()
    amount_units = serializers.IntegerField()
    state = serializers.ChoiceField(choices=progress.CHOICES)
    words = serializers.CharField()
    to = serializers.CharField()
    made_at = serializers.DateTimeField(allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)


class PaidLineOut(serializers.Serializer[Any]):
    """One line that a payout pays; they add up to it."""

    entry_id = serializers.IntegerField()
    at = serializers.DateTimeField()
    words = serializers.CharField()
    amount_units = serializers.IntegerField()


class PayoutWholeOut(PayoutProgressOut):
    """A payout with every state that it went through, and exactly its lines."""

    stages = PayoutStageOut(many=True)
    lines = serializers.SerializerMethodField()

    @extend_schema_field(PaidLineOut(many=True))
    def get_lines(self, made: progress.Progress) -> list[dict[str, Any]]:
        """What it pays."""
        return list(PaidLineOut(progress.lines_of(made), many=True).data)


class PayoutChoices(Door):
    """From which amount on and how often the party is paid."""

    @extend_schema(responses=PayoutTermsOut(many=True), operation_id="payout_terms_list")
    def get(self, request: Request) -> Response:
        """What holds now, asset by asset."""
        assets = Asset.objects.order_by("pk")
        return Response([self._shown(asset) for asset in assets])

    @extend_schema(request=PayoutTermsIn, responses={201: PayoutTermsOut})
    def post(self, request: Request) -> Response:
        """Choose, within the operator's bounds."""
        self.viewer.require("finance")
        given = self.read(PayoutTermsIn)
        asset = asset_by_code(given.pop("asset"))
        terms.set_terms(
            party=self.viewer.party, asset=asset, at=timezone.now(), by=self.person, **given
        )
        return Response(self._shown(asset), status=status.HTTP_201_CREATED)

    def _shown(self, asset: Asset) -> dict[str, Any]:
        found = terms.terms_of(self.viewer.party, asset)
        bounds = terms.bounds_of(asset)
        return dict(PayoutTermsOut({**found.__dict__, "asset": asset, "bounds": bounds}).data)


class PayoutsInProgress(Door):
    """Every payout of the party, by bank and on the chain alike, with its state."""

    @extend_schema(
        responses=PayoutProgressOut(many=True),
        operation_id="payouts_progress_list",
        parameters=[
            ASSET,
            OpenApiParameter(
                "before",
                str,
                description="Payouts made before this moment; the latest hundred unless said.",
            ),
        ],
    )
    def get(self, request: Request) -> Response:
        """What gathers, then what was made, the newest first."""
        party, code = self.viewer.party, request.query_params.get("asset")
        asset = asset_by_code(code) if code else None
        said = request.query_params.get("before")
        before = serializers.DateTimeField().to_internal_value(said) if said else None
        found: list[progress.Progress] = []
        if before is None:
            for one in [asset] if asset else Asset.objects.order_by("pk"):
                found += progress.gathering(party=party, asset=one, at=timezone.now())
        found += progress.payouts_of(party=party, asset=asset, before=before)
        return Response(PayoutProgressOut(found, many=True).data)


class PayoutInProgress(Door):
    """One payout of the party."""

    @extend_schema(responses=PayoutWholeOut, operation_id="payouts_progress_retrieve")
    def get(self, request: Request, reference: str) -> Response:
        """The payout with this reference, its states and its lines."""
        found = progress.payout_of(party=self.viewer.party, reference=reference)
        if found is None:
            raise Http404
        return Response(PayoutWholeOut(found).data)
