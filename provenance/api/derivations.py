"""Derivations: what a dataset was made from and owes for it, and what licences ask for that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from provenance import derivation
from provenance.api.door import IDEMPOTENCY, Browse, Door, Facts
from provenance.api.fields import DatasetRef, ReasonIn, VersionRef
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.models import (
    Dataset,
    DatasetVersion,
    Derivation,
    DerivativeTerms,
    Licence,
    Party,
)
from provenance.models.splits import Policy


class DerivationOut(serializers.ModelSerializer[Derivation]):
    """That a dataset was made from a version of another, and what it owes for it."""

    child = DatasetRef()
    parent_version = VersionRef(source="source")

    class Meta:
        model = Derivation
        fields = (
            "id", "child", "parent_version", "policy", "basis_points", "from_the_start", "state",
            "reason", "terms", "declared_at", "accepted_at", "ended_at",
        )  # fmt: skip


class PartIn(serializers.Serializer[Any]):
    """What is owed: `relative` of what the child earns, `absolute` of the whole."""

    policy = serializers.ChoiceField(choices=Policy.choices)
    basis_points = serializers.IntegerField(
        min_value=0, max_value=10_000, help_text="Hundredths of a percent."
    )


class SourceIn(PartIn):
    """One version that a dataset was made from."""

    parent_version = serializers.UUIDField(help_text="A sealed version, of any owner.")
    from_the_start = serializers.BooleanField(
        default=True, help_text="Past revenue is divided by it, too."
    )


class DerivationIn(SourceIn):
    """A derivation to declare."""

    child = serializers.UUIDField(help_text="One of your datasets.")


class DebtsOut(serializers.Serializer[Any]):
    """What stands between a dataset and others."""

    stack_basis_points = serializers.IntegerField(
        help_text="What it owes in all, what is only declared included."
    )
    derivations = DerivationOut(many=True)


class DerivationFilter(Filter):
    """Find derivations by state, child or parent."""

    state = filters.ChoiceFilter(choices=Derivation.State.choices)
    child = filters.UUIDFilter(field_name="child_id")
    parent = filters.UUIDFilter(field_name="parent_id")


def declare(door: Door, child: Dataset, given: dict[str, Any]) -> Derivation:
    """Declare one parent of the viewer's dataset; 404 where there is no such sealed version."""
    listed = Dataset.objects.listed_for(door.viewer)
    rows = DatasetVersion.objects.filter(
        dataset__in=listed, state=DatasetVersion.State.SEALED
    ).select_related("dataset__owner")
    source = get_object_or_404(rows, pk=given.pop("parent_version"))
    return derivation.declare(
        child=child, source=source, by=door.person, at=timezone.now(), **given
    )


class Derivations(Browse):
    """Derivations of the viewer's datasets, and from them."""

    serializer_class = DerivationOut
    filterset_class = DerivationFilter
    queryset = Derivation.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-declared_at", "id")

    def get_queryset(self) -> QuerySet[Derivation]:
        """Those that the viewer may see."""
        seen = Derivation.objects.visible_to(self.viewer)
        return seen.select_related("child__owner", "source__dataset__owner")

    def owners_of(self, row: Derivation) -> Iterable[Party]:
        """Both sides."""
        return (row.child.owner, row.source.dataset.owner)

    @extend_schema(request=DerivationIn, responses={201: DerivationOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Declare what a dataset was made from; the other owner, or its licence, accepts."""
        given = self.read(DerivationIn)
        seen = Dataset.objects.visible_to(self.viewer).select_related("owner")
        child = get_object_or_404(seen, pk=given.pop("child"))
        self.require_own(child.owner, "rights")
        made = declare(self, child, given)
        return Response(DerivationOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=DerivationOut)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: str) -> Response:
        """Agree: from then on the parent's part is divided off."""
        return self._decide(derivation.accept, by=self.person)

    @extend_schema(request=ReasonIn, responses=DerivationOut)
    @action(detail=True, methods=["post"])
    def refuse(self, request: Request, pk: str) -> Response:
        """Do not agree, with a reason that the other owner reads."""
        return self._decide(derivation.refuse, ReasonIn, by=self.person)

    @extend_schema(request=ReasonIn, responses=DerivationOut)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: str) -> Response:
        """Ask for no more, from now on."""
        return self._decide(derivation.end, ReasonIn, by=self.person)

    @extend_schema(request=None, responses=DerivationOut)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        """Take back what nobody has accepted."""
        return self._decide(derivation.withdraw)

    def _decide(
        self, act: Callable[..., None], shape: type[ReasonIn] | None = None, **how: Any
    ) -> Response:
        row: Derivation = self.get_object()
        self.viewer.require("rights")
        how |= self.read(shape) if shape else {}
        act(derivation=row, party=self.viewer.party, at=timezone.now(), **how)
        return Response(DerivationOut(super().get_object()).data)


class Debts(Door):
    """What one of the viewer's datasets owes, and is owed."""

    @extend_schema(operation_id="dataset_debts", responses=DebtsOut)
    def get(self, request: Request, pk: UUID) -> Response:
        """The sum of its stack, and the derivations that stand."""
        seen = Dataset.objects.visible_to(self.viewer).select_related("owner")
        dataset = get_object_or_404(seen, pk=pk)
        self.log_looks([dataset.owner])
        facts = {
            "stack_basis_points": derivation.owed(dataset),
            "derivations": derivation.of_dataset(dataset.pk),
        }
        return Response(DebtsOut(facts).data)


class DerivativeTermsOut(serializers.ModelSerializer[DerivativeTerms]):
    """What a licence asks of datasets made from this one."""

    class Meta:
        model = DerivativeTerms
        fields = ("id", "licence", "policy", "basis_points", "valid_from", "valid_to")


class TermsIn(PartIn):
    """What to ask from now on."""

    licence = serializers.UUIDField()


class TermsFilter(Filter):
    """Find terms by licence or dataset."""

    licence = filters.UUIDFilter(field_name="licence_id")
    dataset = filters.UUIDFilter(field_name="licence__dataset_id")


class Terms(ListModelMixin, Facts, GenericViewSet[DerivativeTerms]):
    """What licences ask of derivatives: whoever declares as much is accepted."""

    serializer_class = DerivativeTermsOut
    filterset_class = TermsFilter
    queryset = DerivativeTerms.objects.none()
    lookup_value_converter = "int"
    ordering = ("-valid_from", "id")

    def get_queryset(self) -> QuerySet[DerivativeTerms]:
        """Those that the viewer may see."""
        seen = DerivativeTerms.objects.visible_to(self.viewer)
        return seen.select_related("licence__dataset__owner")

    @extend_schema(request=TermsIn, responses={201: DerivativeTermsOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Ask this from now on; it ends what the licence asked before."""
        given = self.read(TermsIn)
        seen = Licence.objects.visible_to(self.viewer).select_related("dataset__owner")
        licence = get_object_or_404(seen, pk=given.pop("licence"))
        self.require_own(licence.dataset.owner, "rights")
        made = derivation.offer_terms(licence=licence, at=timezone.now(), **given)
        return Response(DerivativeTermsOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=DerivativeTermsOut)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: str) -> Response:
        """Be asked again for each derivative; what was accepted stays."""
        terms: DerivativeTerms = self.get_object()
        self.require_own(terms.licence.dataset.owner, "rights")
        derivation.end_terms(licence=terms.licence, at=timezone.now())
        return Response(DerivativeTermsOut(super().get_object()).data)
