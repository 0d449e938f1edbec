"""Reporting keys: named with their signature, revoked, and whether reports must be signed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from provenance import reporting_keys
from provenance.access import Viewer
from provenance.admin.base import LABS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb, VerbForm, person_of, viewer_of
from provenance.models import ReportingKey


class ReportingKeyForm(VerbForm):
    """What `tallymark reporting-key --print` prints where the key is."""

    name = forms.CharField(
        max_length=100, help_text=_lazy("Where it is used, such as: training cluster.")
    )
    address = forms.RegexField(r"^0x[0-9a-fA-F]{40}$", help_text=_lazy("0x and 40 digits."))
    signature = forms.RegexField(r"^0x[0-9a-fA-F]{130}$", help_text=_lazy("0x and 130 digits."))


def _register(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    made = reporting_keys.register(
        party=viewer_of(request).party, at=timezone.now(), by=person_of(request), **cleaned
    )
    return _("%(address)s signs your reports from now on.") % {"address": made.address}


def _revoke(request: HttpRequest, key: Any, cleaned: dict[str, Any]) -> str:
    reporting_keys.revoke(key=key, at=timezone.now())
    return _("Revoked. Nothing more that it signs is taken; what it signed before stays.")


def _require(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    reporting_keys.require(party=viewer_of(request).party, is_required=True, at=timezone.now())
    return _("From now on your reports are refused unless they are signed.")


def _release(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    reporting_keys.require(party=viewer_of(request).party, is_required=False, at=timezone.now())
    return _("Reports are taken without a signature, too, and marked as not signed.")


def _may_revoke(viewer: Viewer, key: ReportingKey) -> bool:
    return key.party_id == viewer.party.pk and key.revoked_at is None


class ReportingKeyAdmin(ReadOnlyFacts):
    """The addresses whose keys sign a lab's reports."""

    list_title = _lazy("Reporting keys")
    shown_to = LABS
    page_template = "provenance/reporting_key.html"
    list_display = ("name", "address", "party", "label", "added_at")
    list_select_related = ("party", "added_by")
    ordering = ("-added_at",)
    list_words = _lazy(
        "Keys that sign your reports of use, so that nobody else can report in your name and "
        "owners can check what you said. The keys themselves stay with you."
    )
    empty_title = _lazy("No key yet")
    empty_words = _lazy("Where the training job runs: tallymark reporting-key --print")
    list_verbs = (
        Verb(
            "new",
            _lazy("Name a key"),
            "develop",
            _register,
            ReportingKeyForm,
            _lazy('Paste what "tallymark reporting-key --print" prints where the key is.'),
            offered=lambda viewer, subject: viewer.party.is_lab,
            tone="primary",
        ),
        Verb(
            "require",
            _lazy("Refuse reports that are not signed"),
            "develop",
            _require,
            explains=_lazy("What an unsigned job reports waits in its spool until it can sign."),
            offered=lambda viewer, subject: (
                viewer.party.is_lab and not viewer.party.requires_signed_reports
            ),
        ),
        Verb(
            "release",
            _lazy("Take reports that are not signed"),
            "develop",
            _release,
            explains=_lazy("They are marked as not signed."),
            offered=lambda viewer, subject: viewer.party.requires_signed_reports,
        ),
    )
    verbs = (
        Verb(
            "revoke",
            _lazy("Revoke this key"),
            "develop",
            _revoke,
            explains=_lazy("It ends at once and cannot be brought back."),
            offered=_may_revoke,
            tone="danger",
        ),
    )

    @column(_lazy("State"), label={"in force": "success", "revoked": "danger"})
    def label(self, key: ReportingKey) -> str:
        return "revoked" if key.revoked_at else "in force"

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {"title": subject.name, "state": self.label(subject)}


site.register(ReportingKey, ReportingKeyAdmin)
