"""Licences: what an owner offers, and the catalogue in which a lab finds it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from provenance import licensing, looked
from provenance.access import Viewer
from provenance.admin.base import EVERYONE, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm, Words, owns, person_of, viewer_of
from provenance.models import Dataset, DatasetVersion, Grant, Licence, Party, Purpose
from provenance.templatetags.tallymark import purposes as purposes_in_words


class OfferForm(VerbForm):
    """The terms of a licence."""

    name = forms.CharField(
        max_length=200, help_text=_lazy("As labs find it, such as: Training, 2 years.")
    )
    purposes = forms.MultipleChoiceField(
        choices=Purpose.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text=_lazy("Only what you tick is allowed; everything else stays reserved."),
    )
    spdx = forms.CharField(
        label=_lazy("SPDX expression"),
        max_length=200,
        required=False,
        help_text=_lazy("Such as CC-BY-4.0."),
    )
    text = forms.CharField(label=_lazy("Terms in words"), widget=forms.Textarea, required=False)
    term_days = forms.IntegerField(
        label=_lazy("Term in days"), min_value=1, max_value=36_500, initial=365
    )
    is_automatic = forms.BooleanField(
        label=_lazy("Give grants automatically"),
        required=False,
        help_text=_lazy("Otherwise you give or refuse each one yourself."),
    )
    shows_model_name = forms.BooleanField(
        label=_lazy("The lab must let me see the names of models that use it"), required=False
    )

    def clean(self) -> dict[str, Any]:
        """Terms need words or an SPDX expression."""
        cleaned = super().clean() or {}
        if not cleaned.get("spdx") and not cleaned.get("text"):
            raise forms.ValidationError(_("Write the terms, or name an SPDX licence, or both."))
        return cleaned


class RequestForm(VerbForm):
    """What a lab asks for."""

    about_template = "provenance/parts/licence_asked.html"
    purposes = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    message = forms.CharField(
        label=_lazy("Message to the owner"),
        widget=forms.Textarea,
        required=False,
        help_text=_lazy("What you train, and for whom."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = set(self.subject.purposes)
        choices = [(value, label) for value, label in Purpose.choices if value in offered]
        self.fields["purposes"] = forms.MultipleChoiceField(
            label=_("For"), choices=choices, widget=forms.CheckboxSelectMultiple
        )
        self.standing = _standing(self.viewer, self.subject)


def _standing(viewer: Viewer, licence: Licence) -> Grant | None:
    """The viewer's grant under a licence that holds longest from now on, if one is in force."""
    at = timezone.now()
    found = Grant.objects.filter(
        lab=viewer.party, licence=licence, state=Grant.State.GIVEN, valid_from__lte=at
    )
    in_force = found.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=at))
    return in_force.order_by(F("valid_to").desc(nulls_first=True)).first()


def _offer(request: HttpRequest, dataset: Any, cleaned: dict[str, Any]) -> Outcome:
    licence = licensing.offer_licence(
        dataset=dataset, at=timezone.now(), by=person_of(request), **cleaned
    )
    return HttpResponseRedirect(reverse("admin:provenance_licence_change", args=[licence.pk]))


def _retire(request: HttpRequest, licence: Any, cleaned: dict[str, Any]) -> str:
    licensing.retire_licence(licence=licence, at=timezone.now())
    return _("It is retired: no new grant can be asked for. Grants that were given run on.")


def _ask(request: HttpRequest, licence: Any, cleaned: dict[str, Any]) -> Outcome:
    grant = licensing.request_grant(
        lab=viewer_of(request).party,
        licence=licence,
        purposes=cleaned["purposes"],
        message=cleaned["message"],
        at=timezone.now(),
        by=person_of(request),
    )
    return HttpResponseRedirect(reverse("admin:provenance_grant_change", args=[grant.pk]))


def _is_own(viewer: Viewer, licence: Licence) -> bool:
    return licence.dataset.owner_id == viewer.party.pk


OFFER = Verb(
    "offer",
    _lazy("Offer a licence"),
    "rights",
    _offer,
    OfferForm,
    _lazy("Terms for this dataset, purpose by purpose. You set the price on the next page."),
    offered=owns,
)
RETIRE = Verb(
    "retire",
    _lazy("Retire this licence"),
    "rights",
    _retire,
    explains=_lazy(
        "Nobody can ask for it any more. Grants that were given keep their frozen terms."
    ),
    offered=lambda viewer, licence: _is_own(viewer, licence) and licence.retired_at is None,
    tone="danger",
)
ASK = Verb(
    "request",
    _lazy("Ask for a grant"),
    "rights",
    _ask,
    RequestForm,
    _lazy("The terms as they stand now are frozen in the grant, with the price."),
    offered=lambda viewer, licence: (
        viewer.party.is_lab and not _is_own(viewer, licence) and licence.retired_at is None
    ),
    tone="primary",
)


class LicenceAdmin(ReadOnlyFacts):
    """An owner's offers, or a lab's catalogue."""

    shown_to = EVERYONE
    page_template = "provenance/licence.html"
    list_display = ("name_and_dataset", "purposes_word", "how", "term", "label")
    search_fields = ("name", "dataset__title", "dataset__name", "dataset__owner__name")
    list_select_related = ("dataset__owner",)
    ordering = ("-created_at",)
    list_words = _lazy("What you offer to labs, each licence from the page of its dataset.")
    operator_words = _lazy("What owners offer to labs, and what it costs.")
    empty_title = _lazy("No licence is on offer")
    empty_words = _lazy("An owner offers one from the page of a dataset; labs then find it here.")
    verbs = (ASK, RETIRE)

    def lead(self, request: HttpRequest) -> Words:
        """Labs look at what others offer."""
        if viewer_of(request).party.is_lab:
            return self.operator_words
        return super().lead(request)

    def scope(self, viewer: Viewer) -> QuerySet[Any]:
        rows = super().scope(viewer)
        if viewer.is_operator:
            return rows
        own = Q(dataset__owner=viewer.party)
        if not viewer.party.is_lab:
            return rows.filter(own)
        sealed = Dataset.objects.filter(versions__state=DatasetVersion.State.SEALED)
        asked = Q(grants__lab=viewer.party)
        open_now = Q(retired_at__isnull=True, dataset__in=sealed)
        return rows.filter(own | open_now | asked).distinct()

    def heading(self, request: HttpRequest) -> str:
        """Owners read of their offers, labs of a catalogue."""
        return _("Catalogue") if viewer_of(request).party.is_lab else _("Licences and prices")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """A lab reads above its catalogue what to do with it."""
        words = _("Open one to ask for a quote or a grant.")
        own = {"list_words": words} if viewer_of(request).party.is_lab else {}
        return super().changelist_view(request, {**own, **(extra_context or {})})

    @column(_lazy("Licence"), header=True)
    def name_and_dataset(self, licence: Licence) -> list[str]:
        return [
            licence.name,
            _("%(dataset)s, of %(owner)s")
            % {"dataset": licence.dataset.title, "owner": licence.dataset.owner},
        ]

    @column(_lazy("For"))
    def purposes_word(self, licence: Licence) -> str:
        return purposes_in_words(licence.purposes)

    @column(_lazy("Grants"))
    def how(self, licence: Licence) -> str:
        return _("given automatically") if licence.is_automatic else _("given by the owner")

    @column(_lazy("Term"))
    def term(self, licence: Licence) -> str:
        return _("%(count)s days") % {"count": f"{licence.term_days:,}"}

    @column(_lazy("State"), label={"on offer": "success", "retired": "danger"})
    def label(self, licence: Licence) -> str:
        return "retired" if licence.retired_at else "on offer"

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.dataset.owner]

    def look(self, request: HttpRequest, subject: Any, reason: str = "") -> Any:
        """An offer is public among members: looking at it needs no reason."""
        return super().look(request, subject, reason or looked.OFFERED_LICENCE)

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        viewer = viewer_of(request)
        newest = subject.dataset.versions.filter(state=DatasetVersion.State.SEALED)
        return {
            "title": subject.name,
            "is_own": _is_own(viewer, subject),
            "standing": _standing(viewer, subject),
            "newest": newest.order_by("-number").first(),
            "grants": Grant.objects.visible_to(viewer)
            .filter(licence=subject)
            .select_related("lab", "dataset__owner")
            .order_by("-requested_at")[:50],
        }


site.register(Licence, LicenceAdmin)
site.add_verb(Dataset, OFFER)
