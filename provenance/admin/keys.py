"""API keys: made, shown once, revoked."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from provenance import parties
from provenance.access import in_words, words_of
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm, person_of, viewer_of
from provenance.models import ApiKey


class KeyForm(VerbForm):
    """A new key's name, what it may do, and until when."""

    name = forms.CharField(
        max_length=100, help_text=_("Where it is used, such as: training cluster.")
    )
    scopes = forms.MultipleChoiceField(
        label=_("It may, besides reading"),
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    expires_at = forms.DateTimeField(
        label=_("Until (UTC)"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text=_("Empty means until you revoke it."),
    )
    is_test = forms.BooleanField(
        label=_("For tests"),
        required=False,
        help_text=_(
            "What is done with it is priced and never charged, is seen by you alone, and is "
            "deleted after 90 days. It opens none of your real data."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes: Any = self.fields["scopes"]
        words = words_of(self.viewer.party)
        scopes.choices = [(verb, said) for verb, said in words.items() if verb in parties.SCOPES]
        if not self.viewer.party.is_lab:
            del self.fields["is_test"]


def _make(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    viewer = viewer_of(request)
    for scope in cleaned["scopes"]:
        viewer.require(scope)
    key, secret = parties.issue_key(
        party=viewer.party,
        name=cleaned["name"],
        scopes=cleaned["scopes"],
        created_by=person_of(request),
        at=timezone.now(),
        expires_at=cleaned["expires_at"],
        is_test=cleaned.get("is_test", False),
    )
    context = {
        **site.each_context(request),
        "title": _now("Your new key"),
        "key": key,
        "secret": secret,
        "back": reverse("admin:provenance_apikey_changelist"),
    }
    answer = TemplateResponse(request, "provenance/key_once.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


def _revoke(request: HttpRequest, key: Any, cleaned: dict[str, Any]) -> str:
    parties.revoke_key(key=key, at=timezone.now())
    return _now("Revoked. Requests with this key are refused from now on.")


class ApiKeyAdmin(ReadOnlyFacts):
    """The party's keys; a secret is stored hashed and cannot be shown again."""

    list_title = _("API keys")
    page_template = "provenance/key.html"
    list_display = ("name", "begins_with", "may", "label", "last_used_at", "created_at")
    list_select_related = ("party", "created_by")
    ordering = ("-created_at",)
    list_words = _(
        "Secrets with which programs speak for you. Each is shown once, when it is made."
    )
    empty_title = _("No key yet")
    empty_words = _("The client and your own programs need one.")
    list_verbs = (Verb("new", _("New key"), "develop", _make, KeyForm, tone="primary"),)
    verbs = (
        Verb(
            "revoke",
            _("Revoke this key"),
            "develop",
            _revoke,
            explains=_("It ends at once and cannot be brought back."),
            offered=lambda viewer, key: key.party_id == viewer.party.pk and key.revoked_at is None,
            tone="danger",
        ),
    )

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """An operator sees whose they are."""
        shown = super().get_list_display(request)
        return [shown[0], "whose", *shown[1:]] if viewer_of(request).is_operator else shown

    @column(_("Party"), ordering="party__name")
    def whose(self, key: ApiKey) -> str:
        return str(key.party)

    @column(_("Begins with"), ordering="prefix")
    def begins_with(self, key: ApiKey) -> str:
        return f"{parties.TEST_PREFIX if key.is_test else parties.PREFIX}{key.prefix}_"

    @column(_("May"))
    def may(self, key: ApiKey) -> str:
        what = in_words(["read", *key.scopes], key.party)
        return _now("%(what)s, in tests") % {"what": what} if key.is_test else what

    @column(_("State"), label={"active": "success", "revoked": "danger", "expired": "warning"})
    def label(self, key: ApiKey) -> str:
        if key.revoked_at:
            return "revoked"
        has_expired = key.expires_at is not None and key.expires_at <= timezone.now()
        return "expired" if has_expired else "active"

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {
            "title": subject.name,
            "begins_with": self.begins_with(subject),
            "state": self.label(subject),
            "may": self.may(subject),
        }


site.register(ApiKey, ApiKeyAdmin)
