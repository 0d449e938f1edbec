"""Accounts: what each holds now and held at any moment, and what is set aside on it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation import holds, journal
from compensation.models import Account, Hold, Line
from compensation.templatetags.money import amount
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb
from provenance.models import Party

SHOWN_LINES = 50


class MomentForm(forms.Form):
    """A past moment, in UTC, and by which of an entry's dates."""

    at = forms.DateTimeField(
        label=_lazy("What it held at (UTC)"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    by = forms.ChoiceField(
        label=_lazy("By"),
        choices=[
            (journal.By.POSTED.value, _lazy("when entries were posted")),
            (journal.By.EFFECTIVE.value, _lazy("when entries were effective")),
        ],
    )


class AccountAdmin(ReadOnlyFacts):
    """Places for money in the journal."""

    page_template = "compensation/account.html"
    list_display = ("kind_word", "party_word", "posted", "held", "available")
    list_select_related = ("party", "asset", "balance", "conflict")
    list_filter = ("kind",)
    search_fields = ("party__name",)
    ordering = ("id",)
    list_words = _lazy("Each balance is the sum of the account's lines; the database keeps it so.")
    empty_title = _lazy("No account yet")
    empty_words = _lazy("One is opened with the first money that moves.")

    @column(_lazy("Account"), ordering="kind")
    def kind_word(self, account: Account) -> str:
        return str(account.get_kind_display())

    @column(_lazy("Whose"), ordering="party__name")
    def party_word(self, account: Account) -> str:
        return str(account.party or _("The platform"))

    @column(_lazy("Balance"), ordering="balance__posted")
    def posted(self, account: Account) -> str:
        return amount(account.balance.posted, account.asset)

    @column(_lazy("Held"), ordering="balance__held")
    def held(self, account: Account) -> str:
        return amount(account.balance.held, account.asset)

    @column(_lazy("Free"))
    def available(self, account: Account) -> str:
        return amount(account.balance.available, account.asset)

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.party] if subject.party else []

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        form = MomentForm(request.GET if "at" in request.GET else None)
        then = None
        if form.is_bound and form.is_valid():
            at: datetime = form.cleaned_data["at"].astimezone(UTC)
            by = journal.By(form.cleaned_data["by"])
            then = {"at": at, "units": journal.balance_at(subject, at, by=by)}
        lines = Line.objects.filter(account=subject).select_related("entry__period")
        return {
            "form": form,
            "credit_units": -(subject.balance.floor or 0),
            "then": then,
            "holds": subject.holds.order_by("-pk")[:SHOWN_LINES],
            "lines": lines.order_by("-entry")[:SHOWN_LINES],
        }


def _void(request: HttpRequest, hold: Any, cleaned: dict[str, Any]) -> str:
    holds.void(key=hold.idempotency_key)
    return _("What was left of it is given back.")


class HoldAdmin(ReadOnlyFacts):
    """Money set aside."""

    page_template = "compensation/hold.html"
    list_display = ("amount_word", "left_word", "label", "account", "expires_at")
    list_select_related = ("account__asset", "account__party")
    list_filter = ("state",)
    ordering = ("-id",)
    list_words = _lazy(
        "Set aside for something that may be posted, whole or in parts; never beyond it."
    )
    empty_title = _lazy("Nothing is held")
    verbs = (
        Verb(
            "void",
            _lazy("Give it back"),
            "finance",
            _void,
            explains=_lazy("What is left of it is free again at once."),
            offered=lambda viewer, hold: viewer.is_operator and hold.state == Hold.State.OPEN,
        ),
    )

    @column(_lazy("Held"), ordering="amount_units")
    def amount_word(self, hold: Hold) -> str:
        return amount(hold.amount_units, hold.account.asset)

    @column(_lazy("Left"), ordering="remaining_units")
    def left_word(self, hold: Hold) -> str:
        return amount(hold.remaining_units, hold.account.asset)

    @column(_lazy("State"), label={"open": "warning", "posted": "success"})
    def label(self, hold: Hold) -> str:
        return str(hold.state)

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.account.party] if subject.account.party else []

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {
            "title": _("Hold %(pk)s") % {"pk": subject.pk},
            "parts": subject.parts.select_related("entry").order_by("pk"),
            "is_late": bool(subject.expires_at and subject.expires_at <= timezone.now()),
        }


site.register(Account, AccountAdmin)
site.register(Hold, HoldAdmin)
