"""Deposits of labs: what came in, and what an operator writes down when it arrives."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone

from compensation import deposits, money
from compensation.models import Account, Asset, Deposit
from compensation.templatetags.money import amount
from provenance.admin.base import LABS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb, VerbForm, person_of, viewer_of
from provenance.models import Party


class AmountForm(VerbForm):
    """An amount in an asset, exact."""

    asset = forms.ModelChoiceField(
        queryset=Asset.objects.order_by("symbol"), label="In", empty_label=None
    )
    amount = forms.CharField(help_text="Such as 1500.00")

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
        max_length=150, help_text="The bank's or processor's own; each counts once."
    )
    field_order = ("lab", "amount", "asset", "reference")


class LimitForm(AmountForm):
    """How far a lab may owe."""

    lab = forms.ModelChoiceField(
        queryset=Party.objects.filter(is_lab=True).order_by("name"), empty_label=None
    )
    reason = forms.CharField(max_length=300)
    field_order = ("lab", "amount", "asset", "reason")


def _record(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    made = deposits.deposit(
        lab=cleaned["lab"],
        asset=cleaned["asset"],
        amount_units=cleaned["amount_units"],
        reference=cleaned["reference"],
        at=timezone.now(),
        by=person_of(request),
    )
    return f"{amount(made.amount_units, made.asset)} are credited to {made.lab}."


def _limit(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    deposits.set_credit_limit(
        lab=cleaned["lab"],
        asset=cleaned["asset"],
        limit_units=cleaned["amount_units"],
        reason=cleaned["reason"],
        at=timezone.now(),
    )
    return f"{cleaned['lab']} may owe up to {amount(cleaned['amount_units'], cleaned['asset'])}."


class DepositAdmin(ReadOnlyFacts):
    """Money that labs paid in."""

    shown_to = LABS
    page_template = "compensation/deposit.html"
    list_display = ("amount_word", "lab", "reference", "received_at")
    list_select_related = ("lab", "asset", "entry", "recorded_by")
    search_fields = ("reference", "lab__name")
    ordering = ("-received_at",)
    empty_title = "No deposit yet"
    empty_words = "Send money to the operator under your reference; it stands here once it arrived."
    list_verbs = (
        Verb(
            "record",
            "Record a deposit",
            "finance",
            _record,
            DepositForm,
            "Money of a lab that has arrived. The same reference never counts twice.",
            offered=lambda viewer, subject: viewer.is_operator,
            tone="primary",
        ),
        Verb(
            "limit",
            "Set a credit limit",
            "finance",
            _limit,
            LimitForm,
            "How far a lab's account may go under zero. Zero means prepaid.",
            offered=lambda viewer, subject: viewer.is_operator,
        ),
    )

    @column("Amount", ordering="amount_units")
    def amount_word(self, deposit: Deposit) -> str:
        return amount(deposit.amount_units, deposit.asset)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """A lab reads its balance above its deposits."""
        words = balance_in_words(request) if viewer_of(request).party.is_lab else ""
        extra = {"list_words": words, **(extra_context or {})}
        return super().changelist_view(request, extra)


def balance_in_words(request: HttpRequest) -> str:
    """What a lab has left, asset by asset."""
    own = Account.objects.filter(kind=Account.Kind.LAB, party=viewer_of(request).party)
    rows = [
        amount(account.balance.available, account.asset)
        for account in own.select_related("asset", "balance")
    ]
    return f"You have {' and '.join(rows)} left." if rows else "You have paid nothing in yet."


site.register(Deposit, DepositAdmin)
