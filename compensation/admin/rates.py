"""Prices of licences: set by owners, seen in the catalogue, frozen in grants."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import Q
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation import money
from compensation.models import Asset
from compensation.simulation import simulate
from compensation.wording import asset_of, assets_named, price_in_words
from provenance import licensing
from provenance.access import Viewer
from provenance.admin.columns import column
from provenance.admin.site import Panel, site
from provenance.admin.verbs import Outcome, Verb, VerbForm
from provenance.models import Grant, Licence, Rate, RatePlan

DAYS_A_MONTH = 30.4375


class RateForm(VerbForm):
    """What use costs from now on; what is left empty does not apply."""

    basis = forms.ChoiceField(
        label=_lazy("Counted"), choices=Rate.Basis.choices, widget=forms.RadioSelect
    )
    price = forms.CharField(
        label=_lazy("Price"), help_text=_lazy("Such as 12.50. Zero makes use free.")
    )
    asset = forms.ModelChoiceField(
        queryset=Asset.objects.order_by("symbol"), label=_lazy("In"), empty_label=None
    )
    tiers = forms.CharField(
        label=_lazy("Other prices for more"),
        required=False,
        widget=forms.Textarea,
        help_text=_lazy(
            "One on each line: the quantity in a month from which it holds, a colon, the "
            "price. Such as 100000: 1.50"
        ),
    )
    mode = forms.ChoiceField(
        label=_lazy("With several prices"),
        choices=RatePlan.Mode.choices,
        initial=RatePlan.Mode.GRADUATED,
        widget=forms.RadioSelect,
    )
    free_quantity = forms.IntegerField(
        label=_lazy("Free in a month"),
        required=False,
        min_value=0,
        help_text=_lazy("Counts towards the tiers."),
    )
    minimum = forms.CharField(
        label=_lazy("At least, in a month of use"),
        required=False,
        help_text=_lazy("What is missing is charged when the month has ended."),
    )
    cap = forms.CharField(label=_lazy("At most, in a month"), required=False)
    revenue_percent = forms.DecimalField(
        label=_lazy("Share of a model's revenue, in %"),
        required=False,
        min_value=0,
        max_value=100,
        decimal_places=2,
        help_text=_lazy("Of what a lab reports for models made with the data, shared by use."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rate = licensing.rate_in_force(self.subject, timezone.now())
        asset = asset_of(rate.asset) if rate is not None else None
        if rate is None or asset is None:
            return
        self.initial = {**self.initial, **_as_written(rate, asset)}
        now = _("In force now: %(price)s.") % {"price": price_in_words(rate)}
        self.fields["price"].help_text = f"{self.fields['price'].help_text} {now}"

    def clean(self) -> dict[str, Any]:
        """The terms in whole units of their asset."""
        cleaned = super().clean() or {}
        if not cleaned.get("asset"):
            return cleaned
        for name in ("price", "minimum", "cap"):
            cleaned[f"{name}_units"] = self._units(name, cleaned.get(name) or "")
        cleaned["more"] = self._tiers(cleaned.get("tiers") or "")
        return cleaned

    def _units(self, name: str, text: str) -> int | None:
        """The units that a person wrote; None for nothing, or with the error at its field."""
        if not text:
            return None
        try:
            return money.to_units(text, self.cleaned_data["asset"].scale)
        except money.BadAmount as error:
            self.add_error(name, str(error))
            return None

    def _tiers(self, text: str) -> list[tuple[int, int]]:
        """What each line says; a line that says nothing is named."""
        found = []
        for line in filter(str.strip, text.splitlines()):
            start, colon, price = line.partition(":")
            digits = start.strip().replace(",", "")
            units = self._units("tiers", price.strip()) if colon else None
            if not digits.isdecimal() or units is None:
                self.add_error(
                    "tiers", _("'%(line)s': write it like 100000: 1.50") % {"line": line.strip()}
                )
            else:
                found.append((int(digits), units))
        return found


def _as_written(rate: Rate, asset: Asset) -> dict[str, Any]:
    """A rate as its form holds it."""
    written = {
        "basis": rate.basis,
        "price": money.to_text(rate.price_units, asset.scale),
        "asset": asset,
        "revenue_percent": money.to_text(rate.revenue_basis_points, 2)
        if rate.revenue_basis_points
        else "",
    }
    plan = rate.plan
    if plan is None:
        return written
    tiers = [f"{start}: {money.to_text(units, asset.scale)}" for start, units in plan.tiers[1:]]
    return written | {
        "tiers": "\n".join(tiers),
        "mode": plan.mode,
        "free_quantity": plan.free_quantity or None,
        "minimum": money.to_text(plan.minimum_units, asset.scale) if plan.minimum_units else "",
        "cap": money.to_text(plan.cap_units, asset.scale) if plan.cap_units is not None else "",
    }


def _set(request: HttpRequest, licence: Any, cleaned: dict[str, Any]) -> str:
    at = timezone.now()
    rate = licensing.set_rate(
        licence=licence,
        basis=cleaned["basis"],
        price_units=cleaned["price_units"],
        asset=cleaned["asset"].code,
        valid_from=at,
        at=at,
        plan=_plan(cleaned),
        revenue_basis_points=int((cleaned["revenue_percent"] or 0) * 100),
    )
    words = price_in_words(rate)
    return _("From now on: %(words)s. Grants that were given keep the price in their terms.") % {
        "words": words
    }


class SimulationForm(RateForm):
    """A price to try, and over how much of the past."""

    past_months = forms.TypedChoiceField(
        label=_lazy("On the use of"),
        coerce=int,
        choices=[
            (3, _lazy("the last 3 months")),
            (12, _lazy("the last 12 months")),
            (24, _lazy("2 years")),
        ],
        initial=12,
    )
    field_order = ("past_months",)


def _simulate(request: HttpRequest, licence: Any, cleaned: dict[str, Any]) -> Outcome:
    """What past use would have brought: a page, and nothing kept."""
    at = timezone.now()
    rate = licensing.draft_rate(
        licence=licence,
        basis=cleaned["basis"],
        price_units=cleaned["price_units"],
        asset=cleaned["asset"].code,
        at=at,
        plan=_plan(cleaned),
    )
    since = at - timedelta(days=DAYS_A_MONTH * cleaned["past_months"])
    context = {
        **site.each_context(request),
        "title": _lazy("What this price would have brought"),
        "above": [(str(licence), reverse("admin:provenance_licence_change", args=[licence.pk]))],
        "licence": licence,
        "price": price_in_words(rate),
        "asset": cleaned["asset"],
        "found": simulate(licence=licence, rate=rate, since=since, until=at),
    }
    return TemplateResponse(request, "compensation/simulation.html", context)


def _plan(cleaned: dict[str, Any]) -> licensing.PlanTerms | None:
    """The plan of a form, if it says more than one price."""
    terms = licensing.PlanTerms(
        tiers=[(0, cleaned["price_units"]), *cleaned["more"]],
        mode=cleaned["mode"],
        free_quantity=cleaned["free_quantity"] or 0,
        cap_units=cleaned["cap_units"],
        minimum_units=cleaned["minimum_units"] or 0,
    )
    return terms if terms.says_more_than_a_price else None


def _is_own(viewer: Viewer, licence: Any) -> bool:
    return licence.dataset.owner_id == viewer.party.pk and licence.retired_at is None


@column(_lazy("Price"))
def price_column(licence: Licence) -> str:
    """The price in force, on lists of licences."""
    words: str = licence.price_words  # type: ignore[attr-defined]
    return words


def _look_up_prices(rows: list[Licence]) -> None:
    """The prices in force of a page of licences, in two queries however many there are."""
    at = timezone.now()
    in_force = Rate.objects.filter(Q(valid_to=None) | Q(valid_to__gt=at), valid_from__lte=at)
    found = in_force.filter(licence__in=[row.pk for row in rows]).select_related("plan")
    rates = {rate.licence_id: rate for rate in found.order_by("valid_from", "id")}
    assets = assets_named(rate.asset for rate in rates.values())
    for row in rows:
        row.price_words = price_in_words(rates.get(row.pk), assets)  # type: ignore[attr-defined]


def _rates(request: HttpRequest, licence: Any) -> Panel | None:
    versions = licence.rates.select_related("plan").order_by("-valid_from", "-id")
    rates = [(rate, price_in_words(rate)) for rate in versions]
    rate = licensing.rate_in_force(licence, timezone.now())
    context = {
        "rates": rates,
        "now": price_in_words(rate),
        "is_free": rate is None,
        "may_set": _is_own_of(request, licence),
    }
    return Panel(_("Price"), "compensation/rates_panel.html", context)


def _is_own_of(request: HttpRequest, licence: Any) -> bool:
    viewer = getattr(request, "viewer", None)
    return viewer is not None and _is_own(viewer, licence)


def _frozen_price(request: HttpRequest, grant: Any) -> Panel | None:
    if grant.subscription_id is not None:
        words = _("Paid for by the subscription to %(bundle)s.") % {
            "bundle": grant.subscription.bundle
        }
    elif grant.state == Grant.State.REQUESTED:
        now = licensing.rate_in_force(grant.licence, timezone.now())
        words = _("As it stands now: %(price_in_words)s. It is frozen when the grant is given.") % {
            "price_in_words": price_in_words(now)
        }
    else:
        words = _("Frozen in this grant: %(price_in_words)s.") % {
            "price_in_words": price_in_words(grant.rate)
        }
    return Panel(_("Price"), "provenance/parts/words.html", {"words": words})


site.add_verb(
    Licence,
    Verb(
        "price",
        _lazy("Set the price"),
        "rights",
        _set,
        RateForm,
        _lazy(
            "The price in force ends now and this one begins; grants given before are "
            "not changed. Quantities are counted per lab and calendar month over all "
            "your data at these same prices."
        ),
        offered=_is_own,
    ),
)
site.add_verb(
    Licence,
    Verb(
        "simulate",
        _lazy("Try a price on past use"),
        "rights",
        _simulate,
        SimulationForm,
        _lazy(
            "What the use of this dataset in the past would have brought at another price. Nothing "
            "is set, and nobody is charged."
        ),
        offered=_is_own,
    ),
)
site.add_panel(Licence, _rates)
site.add_panel(Grant, _frozen_price)
site.add_column(Licence, price_column, _look_up_prices)
