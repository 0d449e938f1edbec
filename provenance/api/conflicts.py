"""Conflicts: what is in question between two owners, and what each may do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from provenance import conflicts
from provenance.api.conflict_facts import (
    AnswerIn,
    ClaimIn,
    ClaimRef,
    ClaimRejection,
    ConcessionIn,
    ConflictOut,
    ContestedOut,
    OpeningIn,
    OpeningOut,
    StatementOut,
    TextIn,
)
from provenance.api.door import IDEMPOTENCY, Browse
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.api.parties import NeedsPerson
from provenance.models import (
    Conflict,
    ContestedRecord,
    Opening,
    Party,
    Record,
    StatementOfReasons,
    User,
)


class ConflictFilter(Filter):
    """Find conflicts by state, dataset, or whose turn it is."""

    state = filters.ChoiceFilter(choices=Conflict.State.choices)
    dataset = filters.UUIDFilter(method="with_dataset", label="A dataset on either side.")
    awaits = filters.UUIDFilter(field_name="awaits_id")

    def with_dataset(self, rows: QuerySet[Conflict], name: str, value: Any) -> QuerySet[Conflict]:
        """Those of one dataset."""
        return rows.filter(Q(later=value) | Q(earlier=value))


class Conflicts(Browse):
    """Conflicts that the viewer is a side of."""

    serializer_class = ConflictOut
    filterset_class = ConflictFilter
    queryset = Conflict.objects.none()
    lookup_value_converter = "uuid"
    ordering: tuple[str, ...] = ("-opened_at", "id")

    def get_queryset(self) -> QuerySet[Conflict]:
        """Those that the viewer may see."""
        seen = Conflict.objects.visible_to(self.viewer)
        sides = seen.select_related("later__owner", "earlier__owner", "awaits")
        return sides.prefetch_related("claims__claimant", "submissions__party", "resolutions")

    def owners_of(self, row: Conflict) -> Iterable[Party]:
        """Both sides."""
        return (row.later.owner, row.earlier.owner)

    @extend_schema(responses=ContestedOut(many=True))
    @action(detail=True, filterset_class=None, ordering=("id",), serializer_class=ContestedOut)
    def contested(self, request: Request, pk: str) -> Response:
        """The records in question, page by page; the other side's are shown without key."""
        rows = ContestedRecord.objects.filter(conflict=self.get_object())
        return self.page(rows.select_related("record__dataset", "counterpart__dataset"))

    @extend_schema(responses=StatementOut(many=True))
    @action(detail=True, filterset_class=None, ordering=("id",), serializer_class=StatementOut)
    def statements(self, request: Request, pk: str) -> Response:
        """The statements of reasons that the viewer was given."""
        rows = StatementOfReasons.objects.filter(conflict=self.get_object())
        if not self.viewer.is_operator:
            rows = rows.filter(party=self.viewer.party)
        return self.page(rows.select_related("party"))

    @extend_schema(request=ClaimIn, responses=ConflictOut, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"])
    @idempotent
    def claim(self, request: Request, pk: str) -> Response:
        """Claim the contested records as one's own."""
        conflict = self._mine()
        conflicts.claim(
            conflict=conflict,
            claimant=self.viewer.party,
            by=self.person,
            at=timezone.now(),
            **self.read(ClaimIn),
        )
        return self.now()

    @extend_schema(request=None, responses=ConflictOut)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        """Take one's own claim back: what it held is released."""
        conflict = self._mine()
        own = conflict.claims.filter(claimant=self.viewer.party, round=conflict.round)
        claim = get_object_or_404(own)
        conflicts.withdraw_claim(claim=claim, at=timezone.now())
        return self.now()

    @extend_schema(request=ConcessionIn, responses=ConflictOut, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"])
    @idempotent
    def concede(self, request: Request, pk: str) -> Response:
        """Settle all pairs, or those that a filter names, in the other side's favour."""
        conflicts.concede(**self._said(ConcessionIn))
        return self.now()

    @extend_schema(request=AnswerIn, responses=ConflictOut, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"])
    @idempotent
    def answer(self, request: Request, pk: str) -> Response:
        """Answer the other side's claim."""
        conflicts.answer(**self._said(AnswerIn))
        return self.now()

    @extend_schema(request=TextIn, responses=ConflictOut, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"])
    @idempotent
    def reply(self, request: Request, pk: str) -> Response:
        """Reply to the answer."""
        conflicts.reply(**self._said(TextIn))
        return self.now()

    @extend_schema(request=TextIn, responses=ConflictOut, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"])
    @idempotent
    def appeal(self, request: Request, pk: str) -> Response:
        """Appeal the decision, once, within its time."""
        conflicts.appeal(**self._said(TextIn))
        return self.now()

    @extend_schema(request=ClaimRef, responses=ConflictOut)
    @action(detail=True, methods=["post"])
    def admit(self, request: Request, pk: str) -> Response:
        """Let a claim against an earlier registration in; its records are held from now."""
        conflict, by = self.judged()
        claim = get_object_or_404(conflict.claims.all(), pk=self.read(ClaimRef)["claim"])
        conflicts.admit_claim(claim=claim, by=by, at=timezone.now())
        return self.now()

    @extend_schema(request=ClaimRejection, responses=ConflictOut)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        """Do not let a claim in."""
        conflict, by = self.judged()
        given = self.read(ClaimRejection)
        claim = get_object_or_404(conflict.claims.all(), pk=given["claim"])
        conflicts.reject_claim(claim=claim, reason=given["reason"], by=by, at=timezone.now())
        return self.now()

    @extend_schema(methods=["get"], responses=OpeningOut(many=True))
    @extend_schema(methods=["post"], request=OpeningIn, responses=OpeningOut)
    @action(
        detail=True,
        methods=["get", "post"],
        filterset_class=None,
        ordering=("id",),
        serializer_class=OpeningOut,
    )
    def openings(self, request: Request, pk: str) -> Response:
        """Records that a fingerprint-only claimant is asked to open; POST opens one."""
        if request.method == "GET":
            return self.page(self._openings(self.get_object()))
        conflict, given = self._mine(), self.read(OpeningIn)
        own = Record.objects.filter(dataset__owner=self.viewer.party)
        record = get_object_or_404(own, pk=given["record"])
        conflicts.open_record(
            conflict=conflict, record=record, text=given["text"], at=timezone.now()
        )
        opening = Opening.objects.get(conflict=conflict, record=record)
        return Response(OpeningOut(opening).data)

    def _openings(self, conflict: Conflict) -> QuerySet[Opening]:
        """Those asked of the viewer; all for an operator."""
        rows = Opening.objects.filter(conflict=conflict).select_related("record")
        if self.viewer.is_operator:
            return rows
        return rows.filter(record__dataset__owner=self.viewer.party)

    def _mine(self) -> Conflict:
        """The conflict named in the address, which the viewer may act in as a side."""
        conflict: Conflict = self.get_object()
        self.viewer.require("rights")
        return conflict

    def _said(self, shape: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """What a side says, as the use cases take it."""
        return {
            "conflict": self._mine(),
            "party": self.viewer.party,
            "by": self.person,
            "at": timezone.now(),
            **self.read(shape),
        }

    def judged(self) -> tuple[Conflict, User]:
        """The conflict and the person who judges it: an operator with a name."""
        self.require_operator("rights")
        if self.person is None:
            raise NeedsPerson
        return self.get_object(), self.person

    def now(self) -> Response:
        """The conflict as it stands after the act."""
        return Response(ConflictOut(super().get_object()).data)
