"""Deposits of labs: what came in, and what an operator writes down when it arrives."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation import deposits, money
from compensation.admin.approving import done_or_put_forward, limited
from compensation.admin.paying_in import ways_of
from compensation.bank.currency import PREFIX
from compensation.limits import Act
from compensation.models import Account, Asset, Deposit
from compensation.templatetags.money import amount
from provenance.admin.base import LABS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm, viewer_of
from provenance.models import Party, Proposal

CURRENCY_SCALE = 6
"""Of a currency: a millionth of its unit is the least that is counted."""


class AmountForm(VerbForm):
    """An amount in an asset, exact."""

    asset = forms.ModelChoiceField(
        queryset=Asset.objects.order_by("symbol"), label=_lazy("In"), empty_label=None
    )
    amount = forms.CharField(help_text=_lazy("Such as 1500.00"))

    def clean(self) -> dict[str, Any]:
        """The amount in whole units of its asset."""
        cleaned = super().clean() or {}
        if "amount" in cleaned and cleaned.get("asset"):
            try:
                cleaned["amount_units"] = money.to_units(cleaned["amount"], cleaned["asset"].scale)
            except money.BadAmount as error:
                self.add_error("amount", str(error))
        return cleaned


class DepositForm(AmountForm):
    """Money that arrived."""

    lab = forms.ModelChoiceField(
        queryset=Party.objects.filter(is_lab=True).order_by("name"), empty_label=None
    )
    reference = forms.CharField(
        max_length=150, help_text=_lazy("The bank's or processor's own; each counts once.")
    )
    field_order = ("lab", "amount", "asset", "reference")


class LimitForm(AmountForm):
    """How far a lab may owe."""

    lab = forms.ModelChoiceField(
        queryset=Party.objects.filter(is_lab=True).order_by("name"), empty_label=None
    )
    reason = forms.CharField(max_length=300)
    field_order = ("lab", "amount", "asset", "reason")


def _record(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    asset, lab = cleaned["asset"], cleaned["lab"]
    return done_or_put_forward(
        request,
        Proposal.Kind.DEPOSIT,
        f"{asset.pk}:{cleaned['reference']}",
        {
            "lab": str(lab.pk),
            "asset": asset.code,
            "units": str(cleaned["amount_units"]),
            "reference": cleaned["reference"],
        },
        lambda made: (
            _("%(amount)s are credited to %(lab)s.")
            % {"amount": amount(made.amount_units, made.asset), "lab": made.lab}
        ),
    )


class RefundForm(AmountForm):
    """What goes back to its lab."""

    lab = forms.ModelChoiceField(
        queryset=Party.objects.filter(is_lab=True).order_by("name"), empty_label=None
    )
    reference = forms.CharField(max_length=50, help_text=_lazy("Each counts once."))
    reason = forms.CharField(max_length=300, help_text=_lazy("It is kept with the entry."))
    field_order = ("lab", "amount", "asset", "reference", "reason")


def _refund(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    asset = cleaned["asset"]
    return done_or_put_forward(
        request,
        Proposal.Kind.REFUND,
        f"{asset.pk}:{cleaned['reference']}",
        {
            "lab": str(cleaned["lab"].pk),
            "asset": asset.code,
            "units": str(cleaned["amount_units"]),
            "reference": cleaned["reference"],
            "reason": cleaned["reason"],
        },
        lambda made: (
            _("Posted as entry %(number)s; order the payment from the bank or the chain.")
            % {"number": made.pk}
        ),
    )


def _limit(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    asset, lab = cleaned["asset"], cleaned["lab"]
    return done_or_put_forward(
        request,
        Proposal.Kind.CREDIT,
        f"{asset.pk}:{lab.pk}",
        {
            "lab": str(lab.pk),
            "asset": asset.code,
            "units": str(cleaned["amount_units"]),
            "reason": cleaned["reason"],
        },
        lambda made: (
            _("%(lab)s may owe up to %(amount)s.")
            % {"lab": lab, "amount": amount(cleaned["amount_units"], asset)}
        ),
    )


class CurrencyForm(VerbForm):
    """A currency that banks know."""

    code = forms.RegexField(
        "^[A-Z]{3}$", label=_lazy("Currency"), help_text=_lazy("Its ISO 4217 code, such as EUR.")
    )
    name = forms.CharField(max_length=60, label=_lazy("Name"), help_text=_lazy("Such as Euro."))


def _register_currency(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    code = cleaned["code"]
    deposits.register_asset(
        code=f"{PREFIX}{code}", symbol=code, scale=CURRENCY_SCALE, name=cleaned["name"]
    )
    words = _("%(code)s is registered: owners may ask prices in it, and labs pay in.")
    return words % {"code": code}


class DepositAdmin(ReadOnlyFacts):
    """Money that labs paid in."""

    shown_to = LABS
    page_template = "compensation/deposit.html"
    list_before_template = "compensation/deposits_head.html"
    list_display = ("amount_word", "lab", "reference", "received_at")
    list_select_related = ("lab", "asset", "entry", "recorded_by")
    search_fields = ("reference", "lab__name")
    ordering = ("-received_at",)
    list_words = _lazy("Money that labs paid in, each time under a reference that counts once.")
    empty_title = _lazy("No deposit yet")
    empty_words = _lazy(
        "Send money to the operator under your reference; it stands here once it arrived."
    )
    list_verbs = (
        Verb(
            "record",
            _lazy("Record a deposit"),
            "finance",
            _record,
            DepositForm,
            limited(
                Act.DEPOSIT,
                _lazy("Money of a lab that has arrived. The same reference never counts twice."),
            ),
            offered=lambda viewer, subject: viewer.is_operator,
            tone="primary",
        ),
        Verb(
            "refund",
            _lazy("Pay a deposit back"),
            "finance",
            _refund,
            RefundForm,
            limited(Act.REFUND, _lazy("What a lab has left goes back to it.")),
            offered=lambda viewer, subject: viewer.is_operator,
        ),
        Verb(
            "limit",
            _lazy("Set a credit limit"),
            "finance",
            _limit,
            LimitForm,
            limited(
                Act.CREDIT,
                _lazy("How far a lab's account may go under zero. Zero means prepaid."),
            ),
            offered=lambda viewer, subject: viewer.is_operator,
        ),
        Verb(
            "currency",
            _lazy("Register a currency"),
            "finance",
            _register_currency,
            CurrencyForm,
            _lazy(
                "What owners may ask and banks pay. Amounts in it are counted exactly to a "
                "millionth, so that one record may cost less than a cent."
            ),
            offered=lambda viewer, subject: viewer.is_operator,
        ),
    )

    @column(_lazy("Amount"), ordering="amount_units")
    def amount_word(self, deposit: Deposit) -> str:
        return amount(deposit.amount_units, deposit.asset)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """A lab reads above its deposits how to pay in, and what it has left."""
        party = viewer_of(request).party
        own = {"ways": ways_of(party), "list_words": balance_in_words(request)}
        extra = {**(own if party.is_lab else {}), **(extra_context or {})}
        return super().changelist_view(request, extra)


def balance_in_words(request: HttpRequest) -> str:
    """What a lab has left, asset by asset."""
    own = Account.objects.filter(kind=Account.Kind.LAB, party=viewer_of(request).party)
    rows = [
        amount(account.balance.available, account.asset)
        for account in own.select_related("asset", "balance")
    ]
    return (
        _("You have %(names)s left.") % {"names": _(" and ").join(rows)}
        if rows
        else _("You have paid nothing in yet.")
    )


site.register(Deposit, DepositAdmin)
