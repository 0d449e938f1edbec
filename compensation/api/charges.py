"""Charges: what usages cost the lab, and by what they were priced."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http.response import HttpResponseBase
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from compensation import proofs
from compensation.api.payouts import proof_answer
from compensation.models import Account, Charge
from provenance.api.door import Facts
from provenance.api.fields import PartyRef, VersionRef
from provenance.api.filters import Filter
from provenance.models import Party, Usage


class ChargeOut(serializers.ModelSerializer[Charge]):
    """One revision of a usage's price; the amount is what the price grew by.

    What is shared out of a subscription, a minimum or revenue has no run: its number of a usage is
    its own, and its explanation names the pool.
    """

    asset = serializers.CharField(source="account.asset.code", default=None, allow_null=True)
    lab = PartyRef(allow_null=True)
    run = serializers.CharField(source="reported.run.pseudonym", default=None, allow_null=True)
    version = VersionRef(allow_null=True)
    purpose = serializers.CharField(source="reported.purpose", default=None, allow_null=True)

    class Meta:
        model = Charge
        fields = (
            "id", "usage", "revision", "kind", "lab", "run", "version", "purpose", "grant", "rate",
            "record_count", "token_count", "asset", "amount_units", "total_units", "entry",
            "used_at", "charged_at",
        )  # fmt: skip


class ChargeFilter(Filter):
    """Find charges by usage, dataset, asset or time."""

    usage = filters.UUIDFilter(field_name="usage_id")
    dataset = filters.UUIDFilter(method="of_dataset")
    asset = filters.CharFilter(field_name="account__asset__code")
    charged_after = filters.IsoDateTimeFilter(field_name="charged_at", lookup_expr="gte")
    charged_before = filters.IsoDateTimeFilter(field_name="charged_at", lookup_expr="lt")

    def of_dataset(self, rows: QuerySet[Charge], _: str, dataset: UUID) -> QuerySet[Charge]:
        """Those of its use, and those of its parts in sums."""
        used = Usage.objects.filter(pk=OuterRef("usage_id"), version__dataset=dataset)
        return rows.filter(Q(weight_version__version__dataset=dataset) | Exists(used))


class Charges(ListModelMixin, RetrieveModelMixin, Facts, GenericViewSet[Any]):
    """Charges that the viewer pays or earns by."""

    serializer_class = ChargeOut
    filterset_class = ChargeFilter
    queryset = Charge.objects.none()
    lookup_value_converter = "int"
    ordering = ("-id",)

    def get_queryset(self) -> QuerySet[Charge]:
        """Those that the viewer may see."""
        seen = Charge.objects.visible_to(self.viewer)
        return seen.select_related(
            "account__asset", "account__party", "weight_version__version__dataset__owner"
        ).prefetch_related("usage__run__lab", "usage__version__dataset__owner")

    def owners_of(self, row: Charge) -> Iterable[Party | None]:
        """The lab, and the owner of the data."""
        return (row.lab, row.version.dataset.owner if row.version else None)

    @extend_schema(responses={200: OpenApiTypes.OBJECT, 304: None})
    @action(detail=True, methods=["get"])
    def proof(self, request: Request, pk: int) -> HttpResponseBase:
        """A file that follows this charge to the viewer's payment, as far as it has come."""
        charge, party = self.get_object(), self.viewer.party
        earns = Account.objects.filter(kind=Account.Kind.OWNER_PENDING, party=party)
        if not earns.exists():
            raise proofs.EarnsNothing
        found = proofs.payment_proof(party, charge)
        return proof_answer(request, found, f"charge-{charge.pk}")
