"""Tax data of a party, for its admins alone; and the operator's rules for VAT."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import pgettext_lazy

from compensation import invoices, money
from compensation.models import Side, TaxProfile, TaxRule
from provenance.access import Viewer
from provenance.admin.base import OPERATORS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb, VerbForm, person_of, viewer_of

FIELDS = (
    "legal_name", "street", "postal_code", "city", "country", "tax_country", "vat_id",
    "registration", "payment_details",
)  # fmt: skip


class ProfileForm(VerbForm):
    """Who the party is to the tax office."""

    legal_name = forms.CharField(max_length=200)
    street = forms.CharField(max_length=200, label=_lazy("Street and number"))
    postal_code = forms.CharField(max_length=20, required=False)
    city = forms.CharField(max_length=100)
    country = forms.CharField(max_length=2, help_text=_lazy("Two letters, as FR."))
    tax_country = forms.CharField(
        max_length=2, label=_lazy("Country of tax"), help_text=_lazy("Where it is liable for tax.")
    )
    vat_id = forms.CharField(
        max_length=30,
        required=False,
        label=_lazy("VAT id"),
        help_text=_lazy("With its prefix; if it has one."),
    )
    registration = forms.CharField(
        max_length=100, required=False, help_text=_lazy("Its number in a register of companies.")
    )
    payment_details = forms.CharField(
        max_length=300,
        required=False,
        help_text=_lazy("For the operator: where labs pay what is due."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        last = invoices.profile_of(self.viewer.party)
        for name in FIELDS if last is not None else ():
            self.initial[name] = getattr(last, name)
        if not self.viewer.is_operator:
            del self.fields["payment_details"]


class RuleForm(VerbForm):
    """VAT with parties of a country."""

    side = forms.ChoiceField(choices=Side.choices, label=pgettext_lazy("what VAT is on", "On"))
    country = forms.CharField(max_length=2, help_text=_lazy("Of the lab, or of the owner; as FR."))
    category = forms.ChoiceField(choices=TaxRule.Category.choices)
    rate = forms.CharField(
        required=False, label=_lazy("Rate in percent"), help_text=_lazy("Such as 19.00")
    )
    wording = forms.CharField(
        max_length=300,
        required=False,
        help_text=_lazy("What the law asks for where there is no VAT."),
    )
    valid_from = forms.DateField(widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words = _("The first day on which it counts, in the zone %(zone)s.")
        self.fields["valid_from"].help_text = words % {"zone": settings.PERIOD_ZONE}

    def clean_rate(self) -> int:
        """Hundredths of a percent."""
        try:
            return money.to_units(self.cleaned_data["rate"] or "0", 2)
        except money.BadAmount as error:
            raise forms.ValidationError(str(error)) from error


def _set_profile(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    party, at = viewer_of(request).party, timezone.now()
    invoices.set_profile(party=party, by=person_of(request), at=at, **cleaned)
    words = _("Kept. Documents that were issued keep what they said.")
    if count := invoices.issue_waiting(party=party, at=at):
        return f"{words} " + _("What waited for these data is issued: %(count)s.") % {
            "count": count
        }
    return words


def _set_rule(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    zone = ZoneInfo(settings.PERIOD_ZONE)
    day = cleaned.pop("valid_from")
    made = invoices.set_rule(
        basis_points=cleaned.pop("rate"),
        valid_from=datetime(day.year, day.month, day.day, tzinfo=zone),
        by=person_of(request),
        at=timezone.now(),
        **cleaned,
    )
    return _("%(made)s: set. What waits for it is issued within the hour.") % {"made": made}


class TaxProfileAdmin(ReadOnlyFacts):
    """A party's tax data, the last row first."""

    list_title = _lazy("Tax data")
    page_template = "compensation/tax_profile.html"
    list_display = ("legal_name", "vat_word", "tax_country", "set_at")
    list_select_related = ("party", "set_by")
    ordering = ("-id",)
    list_words = _lazy(
        "Who you are to the tax office: the newest row stands on the documents to "
        "come. Only admins of an organisation see this page."
    )
    operator_words = _lazy(
        "Who each party is to the tax office: its newest row stands on the documents to come. "
        "Of a party's own people, only admins see it."
    )
    empty_title = _lazy("No tax data yet")
    empty_words = _lazy(
        "Enter the legal name, the address and the VAT id, so that invoices can be issued."
    )
    list_verbs: ClassVar = (
        Verb(
            "set",
            _lazy("Enter tax data"),
            "members",
            _set_profile,
            ProfileForm,
            _lazy("They count from now on."),
            tone="primary",
        ),
    )

    def has_module_permission(self, request: HttpRequest) -> bool:
        """For admins alone."""
        return super().has_module_permission(request) and viewer_of(request).may("members")

    @column(_lazy("Legal name"), header=True)
    def name_and_party(self, profile: TaxProfile) -> list[str]:
        return [profile.legal_name, str(profile.party)]

    @column(_lazy("VAT id"))
    def vat_word(self, profile: TaxProfile) -> str:
        return profile.vat_id or _("none")

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """An operator sees whose they are."""
        shown = super().get_list_display(request)
        return ["name_and_party", *shown[1:]] if viewer_of(request).is_operator else shown


class TaxRuleAdmin(ReadOnlyFacts):
    """What VAT there is, by side and country."""

    list_title = _lazy("VAT")
    shown_to = OPERATORS
    page_template = "compensation/tax_rule.html"
    list_display = ("country_and_side", "rate_word", "wording", "valid_from", "set_at")
    list_filter = ("side", "category")
    list_select_related = ("set_by",)
    search_fields = ("country",)
    ordering = ("country", "side", "-valid_from")
    list_words = _lazy(
        "What VAT stands on documents, by the country of the lab or the owner. "
        "Nothing is guessed: without a rule a document waits."
    )
    empty_title = _lazy("No rule yet")
    empty_words = _lazy("Set one for each country in which labs or owners are liable for tax.")
    list_verbs: ClassVar = (
        Verb(
            "set",
            _lazy("Set a rule"),
            "finance",
            _set_rule,
            RuleForm,
            _lazy("The rule in force at the end of a month counts for it."),
            offered=lambda viewer, subject: viewer.is_operator,
            tone="primary",
        ),
    )

    def scope(self, viewer: Viewer) -> Any:
        rows = TaxRule.objects.select_related(*self.list_select_related)
        return rows if viewer.is_operator else rows.none()

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {"rate": money.to_text(subject.basis_points, 2)}

    @column(_lazy("Country, side"), header=True)
    def country_and_side(self, rule: TaxRule) -> list[str]:
        return [rule.country, rule.get_side_display()]

    @column(_lazy("VAT"))
    def rate_word(self, rule: TaxRule) -> str:
        if rule.category != TaxRule.Category.STANDARD:
            return str(rule.get_category_display())
        return f"{money.to_text(rule.basis_points, 2)} %"


site.register(TaxProfile, TaxProfileAdmin)
site.register(TaxRule, TaxRuleAdmin)
