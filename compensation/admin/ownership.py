"""Handing a dataset over, on its page: by its owner, or by two operators who go by a paper."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation.admin.approving import done_or_put_forward
from provenance import ownership
from provenance.access import Viewer
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm, person_of
from provenance.models import Dataset, OwnershipTransfer, Party, Proposal


class HandOverForm(VerbForm):
    """To whom, why, and by which paper where operators do it."""

    receiver = forms.CharField(
        max_length=120,
        label=_lazy("Receiver"),
        help_text=_lazy("Its namespace: what stands before the names of its datasets."),
    )
    reason = forms.CharField(
        widget=forms.Textarea, label=_lazy("Why"), help_text=_lazy("The receiver reads it.")
    )
    paper = forms.CharField(
        max_length=300,
        label=_lazy("Paper"),
        help_text=_lazy("The judgment, deed or letter that you go by, and where it is kept."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.subject is None or self.subject.owner_id == self.viewer.party.pk:
            del self.fields["paper"]

    def clean_receiver(self) -> Party:
        """The party of that namespace."""
        found = Party.objects.filter(namespace=self.cleaned_data["receiver"].strip()).first()
        if found is None:
            raise forms.ValidationError(
                _("There is no such party: ask the receiver how its datasets' names begin.")
            )
        return found


def _hand_over(request: HttpRequest, dataset: Any, cleaned: dict[str, Any]) -> Outcome:
    if "paper" in cleaned:
        body = {**cleaned, "receiver": str(cleaned["receiver"].pk), "dataset": str(dataset.pk)}
        return done_or_put_forward(
            request, Proposal.Kind.TRANSFER, str(dataset.pk), body, lambda made: str(made)
        )
    made = ownership.propose_transfer(
        dataset=dataset, by=person_of(request), at=timezone.now(), **cleaned
    )
    return HttpResponseRedirect(
        reverse("admin:provenance_ownershiptransfer_change", args=[made.pk])
    )


def _may(viewer: Viewer, dataset: Any) -> bool:
    if not viewer.is_operator and dataset.owner_id != viewer.party.pk:
        return False
    waits = OwnershipTransfer.objects.filter(
        dataset=dataset,
        state=OwnershipTransfer.State.PROPOSED,
        expires_at__gt=timezone.now(),
    )
    return not waits.exists()


site.add_verb(
    Dataset,
    Verb(
        "transfer",
        _lazy("Hand it over to another owner"),
        "rights",
        _hand_over,
        HandOverForm,
        _lazy(
            "It stays with its owner until the receiver accepts, within 30 days. From then on it "
            "earns for the receiver, and takes its licences, grants, debts and settled conflicts "
            "with it; what was used before stays the giver's. Bundles in which it stands are "
            "offered no longer. An operator needs a paper for it, and a second "
            "operator's approval."
        ),
        offered=_may,
        tone="danger",
        needs_second_factor=True,
    ),
)
