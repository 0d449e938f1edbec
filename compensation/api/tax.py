"""Tax data of the viewer's party, for its admins alone; and the operator's rules for VAT."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from compensation import invoices
from compensation.models import Side, TaxProfile, TaxRule
from provenance.api.door import Door, Facts
from provenance.refusals import Refused


class NoTaxData(Refused):
    """There are no tax data of your party yet."""

    code = "no_tax_data"
    status = 404
    hint = "Enter them with PUT /api/v1/tax-data."


class TaxDataOut(serializers.ModelSerializer[TaxProfile]):
    """Who a party is to the tax office."""

    class Meta:
        model = TaxProfile
        fields = (
            "legal_name", "street", "postal_code", "city", "country", "tax_country", "vat_id",
            "registration", "payment_details", "set_at",
        )  # fmt: skip


class TaxDataIn(serializers.Serializer[Any]):
    """A party's tax data; documents that were issued keep what they said."""

    legal_name = serializers.CharField(max_length=200)
    street = serializers.CharField(max_length=200)
    postal_code = serializers.CharField(max_length=20, default="", allow_blank=True)
    city = serializers.CharField(max_length=100)
    country = serializers.CharField(max_length=2, help_text="Of the address; ISO 3166-1.")
    tax_country = serializers.CharField(max_length=2, help_text="Where it is liable for tax.")
    vat_id = serializers.CharField(
        max_length=30, default="", allow_blank=True, help_text="Its format is checked, not more."
    )
    registration = serializers.CharField(max_length=100, default="", allow_blank=True)
    payment_details = serializers.CharField(
        max_length=300, default="", allow_blank=True, help_text="For the operator: its account."
    )


class TaxRuleOut(serializers.ModelSerializer[TaxRule]):
    """What VAT there is with parties of a country, from a moment on."""

    class Meta:
        model = TaxRule
        fields = (
            "id", "side", "country", "category", "basis_points", "wording", "valid_from", "set_at",
        )  # fmt: skip


class TaxRuleIn(serializers.Serializer[Any]):
    """A rule to set; without a rate, the law's wording is needed."""

    side = serializers.ChoiceField(choices=Side.choices)
    country = serializers.CharField(max_length=2)
    category = serializers.ChoiceField(choices=TaxRule.Category.choices)
    basis_points = serializers.IntegerField(min_value=0, max_value=10_000, default=0)
    wording = serializers.CharField(max_length=300, default="", allow_blank=True)
    valid_from = serializers.DateTimeField()


class TaxData(Door):
    """The tax data of one's own party, for its admins: signed in, or by no key at all."""

    @extend_schema(operation_id="tax_data", responses=TaxDataOut)
    def get(self, request: Request) -> Response:
        """What is on file now."""
        self.viewer.require("members")
        found = invoices.profile_of(self.viewer.party)
        if found is None:
            raise NoTaxData
        return Response(TaxDataOut(found).data)

    @extend_schema(operation_id="tax_data_set", request=TaxDataIn, responses=TaxDataOut)
    def put(self, request: Request) -> Response:
        """Say who the party is to the tax office, from now on; what waited for it is issued."""
        self.viewer.require("members")
        party, at = self.viewer.party, timezone.now()
        made = invoices.set_profile(party=party, by=self.person, at=at, **self.read(TaxDataIn))
        invoices.issue_waiting(party=party, at=at)
        return Response(TaxDataOut(made).data)


class TaxRules(ListModelMixin, Facts, GenericViewSet[TaxRule]):
    """The operator's rules; none for anybody else."""

    serializer_class = TaxRuleOut
    queryset = TaxRule.objects.none()
    ordering = ("side", "country", "-valid_from")

    def get_queryset(self) -> QuerySet[TaxRule]:
        """All for an operator, none for anybody else."""
        return TaxRule.objects.all() if self.viewer.is_operator else TaxRule.objects.none()

    @extend_schema(request=TaxRuleIn, responses={201: TaxRuleOut})
    def create(self, request: Request) -> Response:
        """Set a rule (operators only); it counts for periods that end after `valid_from`."""
        self.require_operator("finance")
        made = invoices.set_rule(by=self.person, at=timezone.now(), **self.read(TaxRuleIn))
        return Response(TaxRuleOut(made).data, status=status.HTTP_201_CREATED)
