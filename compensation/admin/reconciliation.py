"""Where the journal and the world differ: found by comparing, settled or explained by people."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext, pgettext_lazy

from compensation import reconciliation
from compensation.admin.bank import OperatorPages, age_in_words
from compensation.models import Difference
from compensation.templatetags.money import amount
from provenance import kept
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb, VerbForm, person_of


class NoteForm(VerbForm):
    """What a difference is."""

    note = forms.CharField(max_length=500, widget=forms.Textarea)


def _compare(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    outcome = reconciliation.reconcile(at=timezone.now())
    count = len(outcome.unexplained)
    words = (
        ngettext("%(count)s unexplained difference.", "%(count)s unexplained differences.", count)
        % {"count": count}
        if count
        else _("Nothing differs unexplained.")
    )
    return " ".join([words, *outcome.unread])


def _explain(request: HttpRequest, difference: Any, cleaned: dict[str, Any]) -> str:
    reconciliation.explain(
        difference=difference, note=cleaned["note"], at=timezone.now(), by=person_of(request)
    )
    return _("It is explained, while its amount stays what it is.")


class DifferenceAdmin(OperatorPages):
    """What differed when it was last looked; gone ones stay on their pages."""

    list_title = _lazy("Reconciliation")
    page_template = "compensation/difference.html"
    list_display = ("what", "where", "amount_word", "age_word", "label", "to_do")
    list_select_related = ("asset",)
    ordering = ("since", "pk")
    list_words = _lazy(
        "The journal held against what the bank booked and what the chain holds, the "
        "oldest difference first. It is compared every hour."
    )
    empty_title = _lazy("Nothing differs")
    empty_words = _lazy("Journal, bank and chain agree, as far as statements have been uploaded.")
    list_verbs = (
        Verb(
            "compare",
            _lazy("Compare now"),
            "finance",
            _compare,
            explains=_lazy(
                "Holds the journal against what the bank booked and what the chain holds. No money "
                "moves."
            ),
        ),
    )
    verbs = (
        Verb(
            "explain",
            _lazy("Add a note"),
            "finance",
            _explain,
            NoteForm,
            _lazy(
                "Say what it is and how it is settled. The note is kept, and the ledger says "
                "that it was given."
            ),
            offered=lambda viewer, difference: difference.gone_at is None,
            is_inline=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """In the list, what is there; a page is found also after it has gone."""
        rows = super().get_queryset(request)
        match = request.resolver_match
        is_list = match is not None and (match.url_name or "").endswith("changelist")
        return rows.filter(gone_at=None) if is_list else rows

    @column(_lazy("What differs"))
    def what(self, difference: Difference) -> str:
        return kept.said(difference.words)

    @column(_lazy("What to do"))
    def to_do(self, difference: Difference) -> str:
        return kept.said(difference.advice)

    @column(pgettext_lazy("bank or chain", "Where"), ordering="side")
    def where(self, difference: Difference) -> str:
        return str(difference.get_side_display())

    @column(_lazy("Amount"), ordering="amount_units")
    def amount_word(self, difference: Difference) -> str:
        return amount(int(difference.amount_units), difference.asset)

    @column(_lazy("Since"), ordering="since")
    def age_word(self, difference: Difference) -> str:
        return age_in_words(reconciliation.age_days(difference, timezone.now()))

    @column(_lazy("State"), label={"explained": "success", "unexplained": "danger", "gone": "info"})
    def label(self, difference: Difference) -> str:
        return state_of(difference)

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {
            "title": kept.said(subject.words),
            "state": state_of(subject),
            "says": _which_has_more(subject),
            "age": age_in_words(reconciliation.age_days(subject, timezone.now())),
            "explanations": subject.explanations.select_related("by"),
        }


def _which_has_more(difference: Difference) -> str:
    """By how much they differ, and whose is more."""
    units, is_bank = int(difference.amount_units), difference.side == Difference.Side.BANK
    words = {
        (True, True): _("The bank has %(amount)s more than the journal."),
        (True, False): _("The bank has %(amount)s less than the journal."),
        (False, True): _("The chain has %(amount)s more than the journal."),
        (False, False): _("The chain has %(amount)s less than the journal."),
    }[is_bank, units > 0]
    return words % {"amount": amount(abs(units), difference.asset)}


def state_of(difference: Difference) -> str:
    """Whether it is still there, and known."""
    if difference.gone_at is not None:
        return "gone"
    return "explained" if difference.explained_at is not None else "unexplained"


site.register(Difference, DifferenceAdmin)
