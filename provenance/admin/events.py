"""The ledger: every event that concerns the viewer, its hashes and its proof."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.db.models import F, OuterRef, Subquery
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from provenance import anchor, ledger
from provenance.access import Viewer
from provenance.admin import event_subjects
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Words
from provenance.event_words import happened
from provenance.models import Anchor, Event, Party
from provenance.refusals import Refused

# More than any number of an event has.
_MOST_DIGITS = 18


class EventAdmin(ReadOnlyFacts):
    """Events in the order of the ledger."""

    list_title = _lazy("Ledger")
    page_template = "provenance/event.html"
    list_display = ("number", "kind_words", "subject", "occurred_at", "anchored")
    search_fields = ("kind",)
    list_filter = ("subject_kind",)
    list_select_related = ("party", "other_party")
    ordering = ("-id",)
    list_words = _lazy(
        "Every fact that concerns you, numbered and chained by hashes: changing one would break "
        "all that follow. Its proof leads to a transaction on the chain."
    )
    operator_words = _lazy(
        "Every fact, numbered and chained by hashes: changing one would break all that follow. "
        "Its proof leads to a transaction on the chain."
    )
    empty_title = _lazy("No event yet")
    empty_words = _lazy("The first one is written when you register, ask, use or decide something.")

    def scope(self, viewer: Viewer) -> Any:
        """With the moment at which the event's batch became final, if it did."""
        batch = Anchor.objects.filter(
            first_sequence__lte=OuterRef("sequence"),
            first_sequence__gt=OuterRef("sequence") - F("event_count"),
        )
        return super().scope(viewer).annotate(batch_final_at=Subquery(batch.values("final_at")[:1]))

    def lead(self, request: HttpRequest) -> Words:
        """Where a proof is checked stands above the events that it is of."""
        link = (super().lead(request), reverse("verify"), get_language(), _("Check a proof file"))
        return format_html('{} <a href="{}#{}">{}</a>', *link)

    def prepare_for(self, request: HttpRequest, rows: list[Any]) -> None:
        """With what each event is about, as far as this reader may see it."""
        super().prepare_for(request, rows)
        found = event_subjects.find(request, rows)
        for event in rows:
            event.about = found[event.pk]

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """A number finds the event of that number, with or without marks between thousands."""
        digits = search_term.replace(",", "").strip()
        if digits.isdecimal() and len(digits) <= _MOST_DIGITS:
            return queryset.filter(sequence=int(digits)), False
        found: tuple[Any, bool] = super().get_search_results(request, queryset, search_term)
        return found

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Pages of other facts link here by their id."""
        return lookup == "subject_id" or bool(super().lookup_allowed(lookup, value, request))

    @column(_lazy("Number"), ordering="sequence")
    def number(self, event: Event) -> str:
        return f"{event.sequence:,}" if event.sequence else _("being numbered")

    @column(_lazy("What happened"), ordering="kind", header=True)
    def kind_words(self, event: Event) -> list[str]:
        return [happened(event.kind), event.kind]

    @column(_lazy("About"))
    def subject(self, event: Any) -> str:
        about: event_subjects.Subject = event.about
        if not about.url:
            return f"{about.noun} {about.name}"
        return format_html('{} <a href="{}">{}</a>', about.noun, about.url, about.name)

    @column(_lazy("On the chain"), label={"final": "success", "not yet": "info"})
    def anchored(self, event: Any) -> str:
        return "final" if event.batch_final_at else "not yet"

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [party for party in (subject.party, subject.other_party) if party is not None]

    def more_urls(self, named: Any) -> list[URLPattern]:
        return [named("<str:object_id>/proof.json", self.proof, "proof")]

    def proof(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """The proof file that `tallymark verify` and the page /verify check."""
        event = self.found(request, object_id)
        stopped = self.look(request, event)
        if stopped is not None:
            return stopped
        try:
            found = anchor.proof_for(event)
        except Refused as refusal:
            return JsonResponse(
                {"detail": refusal.detail, "hint": refusal.next_step}, status=refusal.status
            )
        name = f'attachment; filename="tallymark-proof-{event.sequence}.json"'
        return JsonResponse(found, headers={"Content-Disposition": name})

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        canonical = ledger.canonical_event(subject) if subject.sequence else subject.body
        return {
            "title": _titled(subject),
            "happened": happened(subject.kind),
            "about": event_subjects.find(request, [subject])[subject.pk],
            "batch": _batch(subject),
            "canonical": json.dumps(canonical, indent=2, ensure_ascii=False, default=str),
        }


def _titled(event: Event) -> str:
    if event.sequence is None:
        return _("Event being numbered")
    return _("Event %(number)s") % {"number": f"{event.sequence:,}"}


def _batch(event: Event) -> Anchor | None:
    """The batch that carries the event to the chain."""
    if event.sequence is None:
        return None
    batch = Anchor.objects.filter(first_sequence__lte=event.sequence).order_by("-batch").first()
    return batch if batch is not None and batch.last_sequence >= event.sequence else None


site.register(Event, EventAdmin)
