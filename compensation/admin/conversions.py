"""Conversions between assets, and the treasury that funds them."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation import conversions, money
from compensation.admin.approving import done_or_put_forward
from compensation.admin.deposits import AmountForm
from compensation.models import Account, Asset, Conversion
from compensation.templatetags.money import amount
from provenance.admin.base import EVERYONE, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm
from provenance.models import Party, Proposal


class ConvertForm(VerbForm):
    """What is converted, into what, and at which price."""

    source = forms.ModelChoiceField(
        queryset=Account.objects.filter(kind__in=conversions.CONVERTIBLE)
        .select_related("party", "asset")
        .order_by("party__name", "pk"),
        label=_lazy("From"),
        empty_label=None,
    )
    amount = forms.CharField(help_text=_lazy("In the asset of that account, such as 1500.00"))
    target_asset = forms.ModelChoiceField(
        queryset=Asset.objects.order_by("symbol"), label=_lazy("Into"), empty_label=None
    )
    rate = forms.CharField(
        label=_lazy("Price"),
        help_text=_lazy(
            "What one of the first is worth in the second: 1.0842, or a fraction like 13/12"
        ),
    )
    reference = forms.CharField(max_length=150, help_text=_lazy("Yours; each converts once."))
    reason = forms.CharField(max_length=300)

    def clean_rate(self) -> Fraction:
        """The price, exactly."""
        try:
            return Fraction(self.cleaned_data["rate"].replace(" ", ""))
        except (ValueError, ZeroDivisionError) as error:
            raise forms.ValidationError(_("Write the price like 1.0842 or 13/12.")) from error

    def clean(self) -> dict[str, Any]:
        """The amount in whole units of the account's asset."""
        cleaned = super().clean() or {}
        if "amount" in cleaned and cleaned.get("source"):
            scale = cleaned["source"].asset.scale
            try:
                cleaned["units"] = money.to_units(cleaned.pop("amount"), scale)
            except money.BadAmount as error:
                self.add_error("amount", str(error))
        return cleaned


class FundForm(AmountForm):
    """Money of the platform itself that came in, or went out."""

    reference = forms.CharField(
        max_length=150, help_text=_lazy("The bank's own; each counts once.")
    )
    field_order = ("amount", "asset", "reference")


def _convert(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    source, target, rate = cleaned["source"], cleaned["target_asset"], cleaned["rate"]
    return done_or_put_forward(
        request,
        Proposal.Kind.CONVERSION,
        f"{source.asset_id}:{cleaned['reference']}",
        {
            "account": source.pk,
            "asset": target.code,
            "units": str(cleaned["units"]),
            "rate": f"{rate.numerator}/{rate.denominator}",
            "reference": cleaned["reference"],
            "reason": cleaned["reason"],
        },
        lambda made: (
            _("%(amount)s became %(amount_2)s.")
            % {
                "amount": amount(made.from_units, source.asset),
                "amount_2": amount(made.to_units, target),
            }
        ),
    )


def _fund(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    asset = cleaned["asset"]
    return done_or_put_forward(
        request,
        Proposal.Kind.FUNDING,
        f"{asset.pk}:{cleaned['reference']}",
        {
            "asset": asset.code,
            "units": str(cleaned["amount_units"]),
            "reference": cleaned["reference"],
        },
        lambda made: (
            _("%(amount)s are in the treasury.")
            % {"amount": amount(cleaned["amount_units"], asset)}
        ),
    )


class ConversionAdmin(ReadOnlyFacts):
    """Money that changed from one asset into another."""

    shown_to = EVERYONE
    page_template = "compensation/conversion.html"
    list_display = ("from_word", "to_word", "price_word", "party_word", "converted_at")
    list_select_related = ("from_account__asset", "from_account__party", "to_account__asset")
    ordering = ("-converted_at", "-id")
    list_words = _lazy(
        "Each at a stated price, out of the treasury. What is given is rounded down "
        "to a unit; the part of a unit that is left stays with the treasury."
    )
    empty_title = _lazy("Nothing was converted yet")
    empty_words = _lazy("Money stays in the asset in which it was earned or paid in.")
    list_verbs = (
        Verb(
            "convert", _lazy("Convert"), "finance", _convert, ConvertForm,
            _lazy("Two entries, one in each asset, that belong together."),
            offered=lambda viewer, subject: viewer.is_operator, tone="primary",
        ),
        Verb(
            "fund", _lazy("Fund the treasury"), "finance", _fund, FundForm,
            _lazy("The platform's own money, from outside; a negative amount goes out again."),
            offered=lambda viewer, subject: viewer.is_operator,
        ),
    )  # fmt: skip

    @column(_lazy("From"), ordering="from_units")
    def from_word(self, made: Conversion) -> str:
        return amount(made.from_units, made.from_account.asset)

    @column(_lazy("To"), ordering="to_units")
    def to_word(self, made: Conversion) -> str:
        return amount(made.to_units, made.to_account.asset)

    @column(_lazy("Price"))
    def price_word(self, made: Conversion) -> str:
        return f"{float(made.rate):.6g}"

    @column(_lazy("Whose"))
    def party_word(self, made: Conversion) -> str:
        return str(made.from_account.party or _("The platform"))

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.from_account.party] if subject.from_account.party else []

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {"title": _("Conversion %(pk)s") % {"pk": subject.pk}, "rate": subject.rate}


site.register(Conversion, ConversionAdmin)
