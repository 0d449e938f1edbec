"""The forms of a conflict: claim, answer, reply, opening, and what operators fill in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import pgettext, pgettext_lazy

from provenance import conflicts
from provenance.admin.verbs import VerbForm
from provenance.models import Claim, Conflict, MatchKind, Opening, Resolution


def waiting_claims(conflict: Conflict) -> QuerySet[Claim]:
    """Claims that an operator has yet to let in or not."""
    return Claim.objects.waiting().filter(conflict=conflict, round=conflict.round)


class ClaimForm(VerbForm):
    """A claim and its evidence."""

    statement = forms.CharField(
        label=_lazy("Why are these records yours?"),
        widget=forms.Textarea,
        help_text=_lazy("The other side reads it. Say who made them, when, and how you know."),
    )
    evidence = forms.CharField(
        label=_lazy("Evidence"),
        widget=forms.Textarea,
        required=False,
        help_text=_lazy("First publication, contracts, drafts, addresses that anyone can open."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dataset = conflicts.side_of(self.subject, self.viewer.party)
        if conflicts.needs_admission(self.subject, dataset, timezone.now()):
            self.fields["evidence"].required = True
            self.fields["evidence"].help_text = _(
                "Your claim needs evidence, which an operator looks at first: first publication, "
                "contracts, drafts, addresses that anyone can open."
            )


class AnswerForm(VerbForm):
    """The respondent's answer."""

    text = forms.CharField(label=_lazy("Your answer"), widget=forms.Textarea)
    agrees = forms.BooleanField(
        label=_lazy("I accept the claim: the records are the claimant's"), required=False
    )


class TextForm(VerbForm):
    """A reply or an appeal."""

    text = forms.CharField(label=_lazy("What you say"), widget=forms.Textarea)


class ConcedeForm(VerbForm):
    """What a side says when it settles records by its own word; it may say nothing."""

    text = forms.CharField(label=_lazy("What you say"), widget=forms.Textarea, required=False)


class OpenForm(VerbForm):
    """One contested record's text, revealed by a side that registered fingerprints only."""

    record = forms.ChoiceField(label=_lazy("Record"))
    text = forms.CharField(
        label=_lazy("Its text, exactly as it was fingerprinted"),
        widget=forms.Textarea,
        strip=False,
        help_text=_lazy("It must hash to the registered digest."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        asked = Opening.objects.filter(
            conflict=self.subject,
            opened_at__isnull=True,
            record__dataset__owner=self.viewer.party,
        ).select_related("record")
        choices = [(str(each.record_id), each.record.key) for each in asked]
        self.fields["record"] = forms.ChoiceField(label=_("Record"), choices=choices)


class ClaimChoiceForm(VerbForm):
    """Which claim waits to be let in."""

    claim = forms.ChoiceField(label=pgettext_lazy("on records", "Claim"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        waiting = waiting_claims(self.subject).select_related("claimant")
        choices = [
            (str(claim.pk), f"{claim.claimant}: {claim.statement[:80]}") for claim in waiting
        ]
        self.fields["claim"] = forms.ChoiceField(
            label=pgettext("on records", "Claim"), choices=choices
        )


class RejectForm(ClaimChoiceForm):
    """Which claim is not let in, and why."""

    reason = forms.CharField(label=_lazy("Reason"), widget=forms.Textarea)


class DecisionForm(VerbForm):
    """A decision about all open records, or about a filtered set of them."""

    outcome = forms.ChoiceField(choices=Resolution.Outcome.choices, widget=forms.RadioSelect)
    kinds = forms.MultipleChoiceField(
        label=_lazy("Which open records"),
        choices=[one for one in MatchKind.choices if one[0] != MatchKind.SEMANTIC],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=_lazy("None ticked means all kinds."),
    )
    record_ids = forms.CharField(
        label=_lazy("Only these record numbers"),
        widget=forms.Textarea(attrs={"rows": 2}),
        required=False,
        help_text=_lazy(
            "Separated by commas, spaces or lines. Empty means all of the kinds above."
        ),
    )
    earlier_parts = forms.IntegerField(
        label=_lazy("If shared: parts of 10,000 for the earlier side"),
        min_value=1,
        max_value=9_999,
        initial=5_000,
    )
    from_the_start = forms.BooleanField(
        label=_lazy("From the start: past revenue of these records follows too"),
        required=False,
        initial=True,
    )
    reasons = forms.CharField(
        label=_lazy("Reasons"),
        widget=forms.Textarea,
        help_text=_lazy("Both sides read them, with the facts and the rule."),
    )

    def clean_record_ids(self) -> list[int]:
        """Whole numbers, each once."""
        words = self.cleaned_data["record_ids"].replace(",", " ").split()
        if not all(word.isascii() and word.isdigit() for word in words):
            raise forms.ValidationError(_("Write record numbers only, such as 1201 1202."))
        return sorted({int(word) for word in words})
