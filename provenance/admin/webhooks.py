"""Webhooks: where the party's programs are told, how each message went, and posting it again."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from provenance import notices, webhooks
from provenance.access import Viewer
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm, person_of, viewer_of
from provenance.models import Party, Webhook, WebhookMessage

SHOWN = 20


class WebhookForm(VerbForm):
    """Where to post what."""

    url = forms.URLField(
        label=gettext_lazy("Address"), max_length=500, assume_scheme="https",
        help_text=gettext_lazy("An https address of yours that anybody can reach."),
    )  # fmt: skip
    name = forms.CharField(label=gettext_lazy("Name"), max_length=100, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for topic, kinds in notices.kinds_for(self.viewer.party).items():
            self.fields[topic] = forms.MultipleChoiceField(
                label=topic.label,
                choices=[(kind.code, _named(kind)) for kind in kinds],
                widget=forms.CheckboxSelectMultiple,
                required=False,
            )

    def clean(self) -> dict[str, Any]:
        """With the kinds of all topics together."""
        given: dict[str, Any] = super().clean() or {}
        chosen = [given.get(topic, []) for topic in notices.Topic if topic in self.fields]
        return {**given, "kinds": list(chain.from_iterable(chosen))}


def _named(kind: notices.Kind) -> str:
    return _("%(words)s (%(code)s)") % {"words": kind.name, "code": kind.code}


def _make(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    made, secret = webhooks.create(
        party=viewer_of(request).party,
        url=cleaned["url"],
        name=cleaned["name"],
        kinds=cleaned["kinds"],
        by=person_of(request),
        at=timezone.now(),
    )
    context = {
        **site.each_context(request),
        "title": _("The secret of your webhook"),
        "webhook": made,
        "secret": secret,
        "back": reverse("admin:provenance_webhook_change", args=[made.pk]),
    }
    answer = TemplateResponse(request, "provenance/webhook_once.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


def _test(request: HttpRequest, webhook: Any, cleaned: dict[str, Any]) -> str:
    webhooks.send_test(webhook=webhook, at=timezone.now())
    return _("A test message is on its way. How it went stands here in a moment.")


def _enable(request: HttpRequest, webhook: Any, cleaned: dict[str, Any]) -> str:
    webhooks.enable(webhook=webhook, at=timezone.now())
    return _("New messages are posted here again. Replay what was missed, if you want it.")


def _replay_missed(request: HttpRequest, webhook: Any, cleaned: dict[str, Any]) -> str:
    count = webhooks.replay_missed(webhook=webhook, at=timezone.now())
    return _("Messages that are posted again: %(count)s.") % {"count": count}


def _remove(request: HttpRequest, webhook: Any, cleaned: dict[str, Any]) -> str:
    webhooks.remove(webhook=webhook, at=timezone.now())
    return _("Removed. Nothing is posted there any more.")


def _replay(request: HttpRequest, message: Any, cleaned: dict[str, Any]) -> str:
    webhooks.replay(message=message, at=timezone.now())
    return _("It is posted again, under the same id.")


def _stands(viewer: Viewer, webhook: Any) -> bool:
    return bool(webhook.party_id == viewer.party.pk and webhook.removed_at is None)


def _is_on(viewer: Viewer, webhook: Any) -> bool:
    return _stands(viewer, webhook) and webhook.disabled_at is None


class WebhookAdmin(ReadOnlyFacts):
    """The party's addresses."""

    page_template = "provenance/webhook.html"
    list_display = ("name", "url", "label", "party", "made_at")
    list_select_related = ("party", "made_by")
    ordering = ("-made_at",)
    list_words = gettext_lazy(
        "Addresses of your own programs, to which your notices are posted as they are written, "
        "signed so that nobody else can pretend to be us."
    )
    empty_title = gettext_lazy("No webhook yet")
    empty_words = gettext_lazy("Name an address, and your programs learn what you learn.")
    list_verbs = (
        Verb(
            "new",
            gettext_lazy("New webhook"),
            "develop",
            _make,
            WebhookForm,
            gettext_lazy("Choose none to get all, also kinds that are added later."),
            tone="primary",
        ),
    )
    verbs = (
        Verb(
            "test",
            gettext_lazy("Send a test message"),
            "develop",
            _test,
            explains=gettext_lazy("It tells of nothing."),
            offered=_is_on,
        ),
        Verb(
            "enable",
            gettext_lazy("Switch it on again"),
            "develop",
            _enable,
            offered=lambda viewer, hook: _stands(viewer, hook) and not _is_on(viewer, hook),
            tone="primary",
        ),
        Verb(
            "replay-missed",
            gettext_lazy("Replay what was missed"),
            "develop",
            _replay_missed,
            explains=gettext_lazy(
                "Every message that this address never took is posted again, under its own id."
            ),
            offered=lambda viewer, hook: (
                _is_on(viewer, hook) and hook.messages.filter(gave_up_at__isnull=False).exists()
            ),
        ),
        Verb(
            "remove",
            gettext_lazy("Remove this webhook"),
            "develop",
            _remove,
            explains=gettext_lazy(
                "Nothing is posted there any more. What was posted stays to be read here."
            ),
            offered=_stands,
            tone="danger",
        ),
    )

    def scope(self, viewer: Viewer) -> QuerySet[Any]:
        """Those that were not removed."""
        return super().scope(viewer).filter(removed_at=None)

    @column(
        gettext_lazy("State"),
        label={"active": "success", "off": "danger"},
    )
    def label(self, webhook: Webhook) -> str:
        return "off" if webhook.disabled_at else "active"

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {
            "title": subject.name,
            "state": self.label(subject),
            "sent": subject.messages.order_by("-made_at", "-pk")[:SHOWN],
        }


class WebhookMessageAdmin(ReadOnlyFacts):
    """Messages, each with its body and attempts."""

    list_title = gettext_lazy("Messages of webhooks")
    page_template = "provenance/webhook_message.html"
    list_display = ("kind", "webhook", "label", "made_at", "send_at", "attempt_count")
    list_select_related = ("webhook__party",)
    list_filter = ("kind",)
    ordering = ("-made_at",)
    empty_title = gettext_lazy("Nothing was posted yet")
    verbs = (
        Verb(
            "replay",
            gettext_lazy("Post it again"),
            "develop",
            _replay,
            explains=gettext_lazy("The same body under the same id, signed anew."),
            offered=lambda viewer, message: _is_on(viewer, message.webhook),
        ),
    )

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """The messages of one webhook, too."""
        return lookup == "webhook__id__exact" or bool(
            super().lookup_allowed(lookup, value, request)
        )

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.webhook.party]

    @column(
        gettext_lazy("State"),
        label={"delivered": "success", "failed": "danger", "waiting": "warning"},
    )
    def label(self, message: WebhookMessage) -> str:
        return message.state

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {"title": subject.kind, "attempts": subject.attempts.order_by("-at", "-pk")}


site.register(Webhook, WebhookAdmin)
site.register(WebhookMessage, WebhookMessageAdmin)
