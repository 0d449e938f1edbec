"""The ledger: its events, their proofs, its head, and whether its chain holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from provenance import anchor, ledger
from provenance.api.conditional import etag_of, headers_of, not_modified
from provenance.api.door import Door, Facts
from provenance.api.fields import HexField
from provenance.api.filters import Filter
from provenance.models import Anchor, Event, Party

# How far back whoever is no operator may have the chain checked in one request.
VERIFY_SPAN = 10_000


class EventOut(serializers.ModelSerializer[Event]):
    """One fact; `hash` commits to it and to every event before it."""

    previous_hash = HexField()
    hash = HexField()

    class Meta:
        model = Event
        fields = (
            "sequence", "kind", "subject_kind", "subject_id", "body", "occurred_at",
            "recorded_at", "previous_hash", "hash",
        )  # fmt: skip


class EventFilter(Filter):
    """Find events by kind or subject."""

    kind = filters.CharFilter()
    subject_kind = filters.CharFilter()
    subject_id = filters.UUIDFilter()
    after = filters.NumberFilter(field_name="sequence", lookup_expr="gt")


class Events(ListModelMixin, RetrieveModelMixin, Facts, GenericViewSet[Event]):
    """Sealed events that concern the viewer's party, in the order of the ledger."""

    serializer_class = EventOut
    filterset_class = EventFilter
    queryset = Event.objects.none()
    lookup_field = "sequence"
    lookup_value_converter = "int"
    ordering = ("sequence",)

    def get_queryset(self) -> QuerySet[Event]:
        """Those that the viewer may see."""
        seen = Event.objects.visible_to(self.viewer).filter(sequence__isnull=False)
        return seen.select_related("party", "other_party")

    def owners_of(self, row: Event) -> Iterable[Party | None]:
        """The parties whom it concerns."""
        return (row.party, row.other_party)

    @extend_schema(responses={200: OpenApiTypes.OBJECT, 304: None})
    @action(detail=True, methods=["get"])
    def proof(self, request: Request, sequence: int) -> HttpResponseBase:
        """A file that proves the event's place, checked by `tallymark verify` or at /verify."""
        event = self.get_object()
        batch = anchor.batch_of(event.sequence)
        sent = batch.outbox.tx_hash if batch.outbox else batch.tx_hash
        etag = etag_of("proof", bytes(event.hash).hex(), batch.pk, sent)
        if unchanged := not_modified(request, etag):
            return unchanged
        name = f'attachment; filename="tallymark-proof-{event.sequence}.json"'
        headers = {"Content-Disposition": name, **headers_of(etag)}
        return Response(anchor.proof_for(event), headers=headers)


class HeadOut(serializers.Serializer[Any]):
    """The last sealed event, and the last batch that is final on the chain."""

    sequence = serializers.IntegerField()
    hash = serializers.CharField(allow_null=True)
    anchored_to = serializers.IntegerField(help_text="The last sequence that is final on chain.")
    batch = serializers.IntegerField(allow_null=True)
    tx_hash = serializers.CharField(allow_null=True)


class Head(Door):
    """Where the ledger stands."""

    @extend_schema(operation_id="ledger_head", responses=HeadOut)
    def get(self, request: Request) -> Response:
        """The head of the chain of events, and how far it is anchored."""
        last = Event.objects.filter(sequence__isnull=False).order_by("-sequence").first()
        final = Anchor.objects.filter(final_at__isnull=False).order_by("-batch").first()
        return Response(
            {
                "sequence": last.sequence if last else 0,
                "hash": "0x" + bytes(last.hash).hex() if last and last.hash else None,
                "anchored_to": final.last_sequence if final else 0,
                "batch": final.batch if final else None,
                "tx_hash": final.tx_hash if final else None,
            }
        )


class VerifyOut(serializers.Serializer[Any]):
    """Whether the chain of hashes holds from one sequence to the head."""

    holds = serializers.BooleanField()
    from_sequence = serializers.IntegerField()
    to_sequence = serializers.IntegerField()
    first_break = serializers.IntegerField(allow_null=True)


class Verify(Door):
    """Has the chain of hashes been tampered with?"""

    @extend_schema(
        operation_id="ledger_verify",
        parameters=[OpenApiParameter("from", int, description="Check from this sequence on.")],
        responses=VerifyOut,
    )
    def get(self, request: Request) -> Response:
        """Recompute the hashes; an operator from anywhere, others over the last 10,000 events."""
        last = Event.objects.filter(sequence__isnull=False).order_by("-sequence").first()
        head = last.sequence or 0 if last else 0
        wanted = _first(request.query_params.get("from", ""))
        if not self.viewer.is_operator or not wanted:
            wanted = max(wanted, head - VERIFY_SPAN + 1, 1)
        broken = ledger.first_break(wanted)
        return Response(
            {
                "holds": broken is None,
                "from_sequence": wanted,
                "to_sequence": head,
                "first_break": broken,
            }
        )


def _first(text: str) -> int:
    """The sequence to begin at; 0 where none was named."""
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise serializers.ValidationError({"from": "Name a sequence: a whole number from 1."})
    return int(text)
