"""Grants: asked for by labs, given or refused by owners, with their terms frozen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone

from provenance import licensing
from provenance.access import Viewer
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb, VerbForm, person_of, viewer_of
from provenance.models import Grant, Party
from provenance.templatetags.tallymark import purposes as purposes_in_words

State = Grant.State
_TONES = {"requested": "warning", "given": "success", "refused": "danger", "revoked": "danger"}


class ReasonForm(VerbForm):
    """Why a grant is refused or ended."""

    reason = forms.CharField(widget=forms.Textarea, help_text="The lab reads it.")


def _gives(viewer: Viewer, grant: Grant, state: str) -> bool:
    return grant.dataset.owner_id == viewer.party.pk and grant.state == state


def _give(request: HttpRequest, grant: Any, cleaned: dict[str, Any]) -> str:
    licensing.give_grant(grant=grant, at=timezone.now(), by=person_of(request))
    return f"Given. {grant.lab} may use it for the purposes below, on the terms frozen here."


def _refuse(request: HttpRequest, grant: Any, cleaned: dict[str, Any]) -> str:
    licensing.refuse_grant(
        grant=grant, reason=cleaned["reason"], at=timezone.now(), by=person_of(request)
    )
    return "Refused. The lab reads your reason."


def _revoke(request: HttpRequest, grant: Any, cleaned: dict[str, Any]) -> str:
    licensing.revoke_grant(
        grant=grant, reason=cleaned["reason"], at=timezone.now(), by=person_of(request)
    )
    return "Ended. Uses from now on are ungranted; what was used before stays owed."


class GrantAdmin(ReadOnlyFacts):
    """Grants the viewer asked for or gives."""

    page_template = "provenance/grant.html"
    list_display = ("dataset_and_lab", "purposes_word", "label", "requested_at", "valid_to")
    list_filter = ("state",)
    list_select_related = ("lab", "dataset__owner", "licence__dataset__owner", "rate")
    ordering = ("-requested_at",)
    list_words = "Who may use what, for which purposes, until when; each with its terms frozen."
    empty_title = "No grant yet"
    empty_words = (
        "A lab asks for one from the catalogue. The owner of the dataset finds the request here."
    )
    verbs = (
        Verb(
            "give",
            "Give this grant",
            "rights",
            _give,
            explains="The lab may use the dataset on the terms shown on its page.",
            offered=lambda viewer, grant: _gives(viewer, grant, State.REQUESTED),
            tone="primary",
        ),
        Verb(
            "refuse",
            "Refuse",
            "rights",
            _refuse,
            ReasonForm,
            offered=lambda viewer, grant: _gives(viewer, grant, State.REQUESTED),
        ),
        Verb(
            "revoke",
            "End this grant",
            "rights",
            _revoke,
            ReasonForm,
            "Uses from now on count as ungranted. What was used before stays owed.",
            offered=lambda viewer, grant: _gives(viewer, grant, State.GIVEN),
            tone="danger",
        ),
    )

    @column("Dataset, lab", header=True)
    def dataset_and_lab(self, grant: Grant) -> list[str]:
        return [grant.dataset.title, f"of {grant.dataset.owner}, to {grant.lab}"]

    @column("For")
    def purposes_word(self, grant: Grant) -> str:
        return purposes_in_words(grant.purposes)

    @column("State", ordering="state", label=_TONES)
    def label(self, grant: Grant) -> str:
        return str(grant.state)

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.dataset.owner, subject.lab]

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        viewer = viewer_of(request)
        frozen = {key: value for key, value in subject.terms.items() if value not in ("", None)}
        return {
            "title": f"{subject.dataset.title} to {subject.lab}",
            "gives": subject.dataset.owner_id == viewer.party.pk,
            "frozen": frozen,
        }


site.register(Grant, GrantAdmin)
