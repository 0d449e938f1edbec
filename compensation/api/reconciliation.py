"""The journal held against bank and chain, for operators."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from compensation import reconciliation
from compensation.models import Difference
from provenance.api.door import Door


class DifferenceOut(serializers.Serializer[Any]):
    """What differs: the world less the journal, since when, and what to do."""

    id = serializers.IntegerField()
    key = serializers.CharField()
    side = serializers.ChoiceField(choices=Difference.Side.choices)
    asset = serializers.CharField()
    amount_units = serializers.CharField()
    amount = serializers.CharField()
    words = serializers.CharField()
    advice = serializers.CharField()
    since = serializers.DateTimeField()
    age_days = serializers.IntegerField()
    is_explained = serializers.BooleanField()
    explanation = serializers.CharField(allow_null=True)


class OutcomeOut(serializers.Serializer[Any]):
    """A comparison; clean where all was read and whatever differs is explained."""

    compared_at = serializers.DateTimeField()
    is_clean = serializers.BooleanField()
    unread = serializers.ListField(child=serializers.CharField())
    differences = DifferenceOut(many=True)


class ExplanationIn(serializers.Serializer[Any]):
    """What a difference is."""

    note = serializers.CharField(max_length=500)


class Reconciliation(Door):
    """Where journal, bank and chain differ."""

    @extend_schema(request=None, responses=OutcomeOut)
    def post(self, request: Request) -> Response:
        """Compare now, and list what differs (operators only)."""
        self.require_operator("finance")
        outcome = reconciliation.reconcile(at=timezone.now())
        return Response(reconciliation.as_json(outcome))


class Explanations(Door):
    """What an operator found out about a difference."""

    @extend_schema(request=ExplanationIn, responses={204: None})
    def post(self, request: Request, pk: int) -> Response:
        """Explain it (operators only); that holds while its amount stays what it is."""
        self.require_operator("finance")
        difference = get_object_or_404(Difference, pk=pk)
        note = self.read(ExplanationIn)["note"]
        reconciliation.explain(difference=difference, note=note, at=timezone.now(), by=self.person)
        return Response(status=204)
