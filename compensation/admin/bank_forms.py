"""What operators fill in about payouts by bank."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _lazy

from compensation import bookings, money, payment_runs
from compensation.admin.deposits import AmountForm
from compensation.admin.due_now import DueNowForm, Sum, sums
from compensation.bank import currency, pain001
from compensation.models import Asset, Schedule
from provenance.admin.verbs import VerbForm


def _currencies() -> Any:
    return forms.ModelChoiceField(
        queryset=Asset.objects.filter(code__startswith=currency.PREFIX).order_by("symbol"),
        label=_lazy("In"),
        empty_label=None,
        help_text=_lazy("A currency stands here once it is registered, among the deposits."),
    )


class RunForm(DueNowForm):
    """What is paid, and when."""

    asset = _currencies()
    execute_on = forms.DateField(
        label=_lazy("On"),
        widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"),
        initial=timezone.localdate,
    )

    def due_now(self) -> list[Sum]:
        """What is due by bank, in each currency."""
        at = timezone.now()
        field: Any = self.fields["asset"]
        return sums({one: payment_runs.look(asset=one, at=at) for one in field.queryset})


class AccountForm(VerbForm):
    """The operator's own account."""

    asset = _currencies()
    holder = forms.CharField(max_length=70)
    iban = forms.CharField(max_length=50, label="IBAN")
    bic = forms.CharField(max_length=11, label=_lazy("BIC"), required=False)
    message = forms.ChoiceField(choices=[(one, one) for one in pain001.VERSIONS])
    is_structured = forms.BooleanField(
        required=False,
        label=_lazy("Remittance as a creditor reference (ISO 11649)"),
        help_text=_lazy("Otherwise it is text that names the statement."),
    )


class BoundsForm(AmountForm):
    """Between what payees may choose."""

    amount = forms.CharField(label=_lazy("Least"), help_text=_lazy("Such as 1500.00"))
    most = forms.CharField(required=False, help_text=_lazy("Empty: any amount may gather."))
    schedules = forms.MultipleChoiceField(
        choices=Schedule.choices,
        widget=forms.CheckboxSelectMultiple,
        initial=list(Schedule.values),
    )
    field_order = ("asset", "amount", "most", "schedules")

    def clean(self) -> dict[str, Any]:
        """Both amounts in whole units."""
        cleaned = super().clean()
        cleaned["most_units"] = None
        if cleaned.get("most") and cleaned.get("asset"):
            try:
                cleaned["most_units"] = money.to_units(cleaned["most"], cleaned["asset"].scale)
            except money.BadAmount as error:
                self.add_error("most", str(error))
        return cleaned


class ReasonForm(VerbForm):
    """Why."""

    reason = forms.CharField(max_length=500, widget=forms.Textarea)


class AssignForm(VerbForm):
    """To which payout a booking belongs."""

    payout = forms.CharField(
        max_length=35, help_text=_lazy("Its reference, such as TM0000010000119.")
    )
    note = forms.CharField(max_length=500, label=_lazy("How you know"))
    is_charged = forms.BooleanField(
        required=False, label=_lazy("It is a return, and the bank kept a charge of it")
    )


class NoteForm(VerbForm):
    """How the operator knows."""

    note = forms.CharField(max_length=bookings.NOTE_LIMIT, label=_lazy("How you know"))


class SplitForm(NoteForm):
    """The payments of a batch."""

    parts = forms.CharField(
        widget=forms.Textarea,
        label=_lazy("Its payments"),
        help_text=_lazy(
            "A line each: the payout's reference and its amount, such as TM0000010000119 12.50"
        ),
    )
    field_order = ("parts", "note")

    def clean_parts(self) -> list[bookings.Part]:
        """Each line as a reference and minor units of the booking's currency."""
        name = self.subject.account.asset.code.removeprefix(currency.PREFIX)
        found = []
        for line in filter(None, map(str.strip, self.cleaned_data["parts"].splitlines())):
            reference, _, words = line.partition(" ")
            try:
                minor = money.to_units(words.strip(), currency.decimals(name))
            except money.BadAmount as error:
                raise forms.ValidationError(f"“{line}”: {error}") from error
            found.append(bookings.Part(reference, minor))
        return found
