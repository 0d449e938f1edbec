"""Prices of licences: set by owners, seen in the catalogue, frozen in grants."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone

from compensation import money
from compensation.models import Asset
from compensation.templatetags.money import amount
from provenance import licensing
from provenance.access import Viewer
from provenance.admin.columns import column
from provenance.admin.site import Panel, site
from provenance.admin.verbs import Verb, VerbForm
from provenance.models import Grant, Licence, Rate


class RateForm(VerbForm):
    """What use costs from now on."""

    basis = forms.ChoiceField(label="Counted", choices=Rate.Basis.choices, widget=forms.RadioSelect)
    price = forms.CharField(label="Price", help_text="Such as 12.50. Zero makes use free.")
    asset = forms.ModelChoiceField(
        queryset=Asset.objects.order_by("symbol"), label="In", empty_label=None
    )

    def clean(self) -> dict[str, Any]:
        """The price in whole units of its asset."""
        cleaned = super().clean() or {}
        if "price" in cleaned and cleaned.get("asset"):
            try:
                cleaned["price_units"] = money.to_units(cleaned["price"], cleaned["asset"].scale)
            except money.BadAmount as error:
                self.add_error("price", str(error))
        return cleaned


def _set(request: HttpRequest, licence: Any, cleaned: dict[str, Any]) -> str:
    at = timezone.now()
    licensing.set_rate(
        licence=licence,
        basis=cleaned["basis"],
        price_units=cleaned["price_units"],
        asset=cleaned["asset"].code,
        valid_from=at,
        at=at,
    )
    return "The price is set, from now on. Grants that were given keep the price in their terms."


def _is_own(viewer: Viewer, licence: Any) -> bool:
    return licence.dataset.owner_id == viewer.party.pk and licence.retired_at is None


def price_in_words(rate: Rate | None) -> str:
    """A rate as people read it."""
    if rate is None:
        return "free"
    asset = Asset.objects.filter(code=rate.asset).first()
    if asset is None:
        return f"{rate.price_units:,} units of {rate.asset} {rate.get_basis_display()}"
    return f"{amount(rate.price_units, asset)} {rate.get_basis_display()}"


@column("Price")
def price_column(licence: Licence) -> str:
    """The price in force, on lists of licences."""
    return price_in_words(licensing.rate_in_force(licence, timezone.now()))


def _rates(request: HttpRequest, licence: Any) -> Panel | None:
    rates = [(rate, price_in_words(rate)) for rate in licence.rates.order_by("-valid_from")]
    now = price_in_words(licensing.rate_in_force(licence, timezone.now()))
    context = {"rates": rates, "now": now, "may_set": _is_own_of(request, licence)}
    return Panel("Price", "compensation/rates_panel.html", context)


def _is_own_of(request: HttpRequest, licence: Any) -> bool:
    viewer = getattr(request, "viewer", None)
    return viewer is not None and _is_own(viewer, licence)


def _frozen_price(request: HttpRequest, grant: Any) -> Panel | None:
    if grant.state == Grant.State.REQUESTED:
        now = licensing.rate_in_force(grant.licence, timezone.now())
        words = f"As it stands now: {price_in_words(now)}. It is frozen when the grant is given."
    else:
        words = f"Frozen in this grant: {price_in_words(grant.rate)}."
    return Panel("Price", "provenance/parts/words.html", {"words": words})


site.add_verb(
    Licence,
    Verb(
        "price",
        "Set the price",
        "rights",
        _set,
        RateForm,
        "The price in force ends now and this one begins; grants given before are not changed.",
        offered=_is_own,
    ),
)
site.add_panel(Licence, _rates)
site.add_panel(Grant, _frozen_price)
site.add_column(Licence, price_column)
