"""Assets, and what the viewer's accounts hold of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework import serializers
from rest_framework.generics import ListAPIView

from compensation.models import Account, Asset
from provenance.api.door import Facts
from provenance.api.filters import Filter
from provenance.models import Party


class AssetOut(serializers.ModelSerializer[Asset]):
    """A currency or token; one unit is 10 ** -scale of it."""

    class Meta:
        model = Asset
        fields = ("code", "symbol", "name", "scale", "token_decimals")


class AccountOut(serializers.ModelSerializer[Account]):
    """An account and its balance, in whole units of its asset."""

    asset = AssetOut()
    posted_units = serializers.IntegerField(source="balance.posted")
    held_units = serializers.IntegerField(source="balance.held")
    available_units = serializers.IntegerField(source="balance.available")

    class Meta:
        model = Account
        fields = (
            "id", "kind", "asset", "conflict", "posted_units", "held_units", "available_units",
        )  # fmt: skip


class AccountFilter(Filter):
    """Find accounts by kind or asset."""

    kind = filters.ChoiceFilter(choices=Account.Kind.choices)
    asset = filters.CharFilter(field_name="asset__code")


class Assets(Facts, ListAPIView[Asset]):
    """What amounts are counted in here."""

    serializer_class = AssetOut
    queryset = Asset.objects.all()
    ordering = ("id",)


class Accounts(Facts, ListAPIView[Account]):
    """The viewer's accounts with their balances."""

    serializer_class = AccountOut
    filterset_class = AccountFilter
    queryset = Account.objects.none()
    ordering = ("id",)

    def get_queryset(self) -> QuerySet[Account]:
        """Those that the viewer may see."""
        return Account.objects.visible_to(self.viewer).select_related("asset", "party", "balance")

    def owners_of(self, row: Account) -> Iterable[Party | None]:
        """Whose money it is."""
        return (row.party,)


def asset_by_code(code: Any) -> Asset:
    """The asset with this code; raises ValidationError where there is none."""
    asset = Asset.objects.filter(code=code).first()
    if asset is None:
        raise serializers.ValidationError({"asset": f"'{code}' is not registered: see /assets."})
    return asset
