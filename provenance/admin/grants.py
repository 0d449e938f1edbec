"""Grants: asked for by labs, given or refused by owners, with their terms frozen."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from provenance import licensing
from provenance.access import Viewer
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb, VerbForm, person_of, viewer_of
from provenance.documents import grants
from provenance.models import Grant, Party
from provenance.templatetags.kept import named
from provenance.templatetags.tallymark import purposes as purposes_in_words

State = Grant.State
_MOMENTS = frozenset({"accepted_at", "valid_from", "valid_to"})
_TONES = {"requested": "warning", "given": "success", "refused": "danger", "revoked": "danger"}
_LEFT_OUT = ("rate", "licence", "given_by", "accepted_by")
# As people read them; the database keeps its own order.
_ORDER = (
    "name", "purposes", "term_days", "valid_from", "valid_to", "subscription", "shows_model_name",
    "spdx", "text", "text_sha256", "accepted_at",
)  # fmt: skip


class ReasonForm(VerbForm):
    """Why a grant is refused or ended."""

    reason = forms.CharField(widget=forms.Textarea, help_text=_("The lab reads it."))


def _gives(viewer: Viewer, grant: Grant, state: str) -> bool:
    return grant.dataset.owner_id == viewer.party.pk and grant.state == state


def _give(request: HttpRequest, grant: Any, cleaned: dict[str, Any]) -> str:
    licensing.give_grant(grant=grant, at=timezone.now(), by=person_of(request))
    words = _now("Given. %(lab)s may use it for the purposes below, on the terms frozen here.")
    return words % {"lab": grant.lab}


def _refuse(request: HttpRequest, grant: Any, cleaned: dict[str, Any]) -> str:
    licensing.refuse_grant(
        grant=grant, reason=cleaned["reason"], at=timezone.now(), by=person_of(request)
    )
    return _now("Refused. The lab reads your reason.")


def _revoke(request: HttpRequest, grant: Any, cleaned: dict[str, Any]) -> str:
    licensing.revoke_grant(
        grant=grant, reason=cleaned["reason"], at=timezone.now(), by=person_of(request)
    )
    return _now("Ended. Uses from now on are ungranted; what was used before stays owed.")


class GrantAdmin(ReadOnlyFacts):
    """Grants the viewer asked for or gives."""

    page_template = "provenance/grant.html"
    list_display = ("dataset_and_lab", "purposes_word", "label", "requested_at", "valid_to")
    list_filter = ("state",)
    list_select_related = ("lab", "dataset__owner", "licence__dataset__owner", "rate")
    ordering = ("-requested_at",)
    list_words = _("Who may use what, for which purposes, until when; each with its terms frozen.")
    empty_title = _("No grant yet")
    empty_words = _(
        "A lab asks for one from the catalogue. The owner of the dataset finds the request here."
    )
    empty_step = (_("To the licences"), "admin:provenance_licence_changelist")
    verbs = (
        Verb(
            "give",
            _("Give this grant"),
            "rights",
            _give,
            explains=_("The lab may use the dataset on the terms shown on its page."),
            offered=lambda viewer, grant: _gives(viewer, grant, State.REQUESTED),
            tone="primary",
        ),
        Verb(
            "refuse",
            _("Refuse"),
            "rights",
            _refuse,
            ReasonForm,
            offered=lambda viewer, grant: _gives(viewer, grant, State.REQUESTED),
        ),
        Verb(
            "revoke",
            _("End this grant"),
            "rights",
            _revoke,
            ReasonForm,
            _(
                "From now on the lab may not use the dataset for these purposes: what its runs "
                "still report counts as ungranted, and both of you see it. What was used before "
                "stays owed and is paid. What a model has learned is not undone by it. The lab "
                "reads your reason and may ask again; a grant that was ended does not come back."
            ),
            offered=lambda viewer, grant: _gives(viewer, grant, State.GIVEN),
            tone="danger",
        ),
    )

    def more_urls(self, named: Any) -> list[URLPattern]:
        return [named("<str:object_id>/terms.pdf", self.terms, "terms")]

    def terms(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The frozen terms on paper."""
        grant = self.found(request, object_id)
        if not grant.terms:
            raise Http404("Terms are frozen when a grant is given; this one was not.")
        stopped = self.look(request, grant)
        if stopped is not None:
            return stopped
        name = f'inline; filename="grant-{grant.pk}.pdf"'
        return HttpResponse(
            grants.terms_pdf(grant),
            content_type="application/pdf",
            headers={"Content-Disposition": name},
        )

    @column(_("Dataset, lab"), header=True)
    def dataset_and_lab(self, grant: Grant) -> list[str]:
        return [
            grant.dataset.title,
            _now("of %(owner)s, to %(lab)s") % {"owner": grant.dataset.owner, "lab": grant.lab},
        ]

    @column(_("For"))
    def purposes_word(self, grant: Grant) -> str:
        return purposes_in_words(grant.purposes)

    @column(_("State"), ordering="state", label=_TONES)
    def label(self, grant: Grant) -> str:
        return str(grant.state)

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.dataset.owner, subject.lab]

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        viewer = viewer_of(request)
        return {
            "title": _now("%(dataset)s to %(lab)s")
            % {"dataset": subject.dataset.title, "lab": subject.lab},
            "gives": subject.dataset.owner_id == viewer.party.pk,
            "frozen": _frozen(subject.terms),
            "is_labs": subject.lab_id == viewer.party.pk,
        }


def _place(term: tuple[str, Any]) -> int:
    """Where a term stands among the others; one that is not known here comes last."""
    return _ORDER.index(term[0]) if term[0] in _ORDER else len(_ORDER)


def _frozen(terms: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """The frozen terms, each with its name for people.

    Price and licence stand above in words; who asked and gave are numbers here, for the ledger.
    """
    said = {
        "term_days": _now("Term in days"),
        "text_sha256": _now("SHA-256 of the text"),
        "shows_model_name": _now("The owner sees the model's name"),
    }
    return [
        (
            name,
            said.get(name) or capfirst(named(name)),
            datetime.fromisoformat(value) if name in _MOMENTS else value,
        )
        for name, value in sorted(terms.items(), key=_place)
        if value not in ("", None) and name not in _LEFT_OUT
    ]


site.register(Grant, GrantAdmin)
