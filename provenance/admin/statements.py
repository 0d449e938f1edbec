"""Statements of reasons: what a side was told of a hold or a decision, and the facts of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import pgettext_lazy

from provenance import kept
from provenance.access import Viewer
from provenance.admin.base import OWNERS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.documents import reasons
from provenance.figures import by_kind, per_million
from provenance.models import Resolution, StatementOfReasons
from provenance.reasons import interval_in_words, translated
from provenance.templatetags.kept import named
from provenance.templatetags.tallymark import moment

_FACTS = {
    "side": pgettext_lazy("a dataset of a conflict", "side"),
    "later": pgettext_lazy("a dataset of a conflict", "later"),
    "earlier": pgettext_lazy("a dataset of a conflict", "earlier"),
    "counts": _lazy("Records by kind"),
    "interval": _lazy("Records that match, as estimated"),
    "detector": _lazy("Detector"),
    "false_accusation_rate": _lazy("Wrong matches"),
    "claimant": _lazy("claimant"),
    "respondent": _lazy("respondent"),
    "conceder": _lazy("conceder"),
    "child": _lazy("Dataset made from the other"),
    "parent": _lazy("Dataset it was made from"),
    "outcome": _lazy("outcome"),
    "earlier_parts": _lazy("Parts of 10,000 for the earlier side"),
    "scope": _lazy("From when it holds"),
    "records": _lazy("Records concerned"),
    "held": _lazy("Dataset whose records are held"),
    "until": _lazy("until"),
    "reasons": _lazy("reasons"),
}
"""What each fact is called, in the order in which a reader takes them in."""


class StatementOfReasonsAdmin(ReadOnlyFacts):
    """What a side was told of a hold or a decision, and why."""

    list_title = _lazy("Statements of reasons")
    shown_to = OWNERS
    page_template = "provenance/statement_of_reasons.html"
    list_display = ("about", "conflict", "party", "made_at")
    list_select_related = ("party", "conflict__later__owner", "conflict__earlier__owner")
    ordering = ("-made_at",)
    list_words = _lazy("What you were told of holds and decisions: what was found, and why.")
    operator_words = _lazy("What sides were told of holds and decisions: what was found, and why.")

    def scope(self, viewer: Viewer) -> Any:
        rows = StatementOfReasons.objects.select_related(*self.list_select_related)
        return rows if viewer.is_operator else rows.filter(party=viewer.party)

    @column(_lazy("About"))
    def about(self, statement: StatementOfReasons) -> str:
        return statement.kind_words

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        in_words = translated(subject.kind, subject.facts, subject.text)
        return {"facts": list(_facts(subject.facts)), "in_words": in_words}

    def more_urls(self, named: Any) -> list[URLPattern]:
        return [named("<str:object_id>/statement.pdf", self.pdf, "pdf")]

    def pdf(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The statement on paper."""
        statement = self.found(request, object_id)
        stopped = self.look(request, statement)
        if stopped is not None:
            return stopped
        name = f'inline; filename="statement-of-reasons-{statement.pk}.pdf"'
        return HttpResponse(
            reasons.statement_pdf(statement),
            content_type="application/pdf",
            headers={"Content-Disposition": name},
        )


def _facts(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each fact with its name, those that we name first; parts only where something is parted."""
    for name in [*_FACTS, *(one for one in facts if one not in _FACTS)]:
        is_idle = name == "earlier_parts" and facts.get("outcome") != Resolution.Outcome.SHARED
        if name in facts and not is_idle:
            yield str(_FACTS.get(name) or named(name)), _in_words(name, facts[name])


def _in_words(name: str, value: Any) -> str:
    """What a fact says: counts by kind, moments with their zone, a rate as a count in a million."""
    if name == "side":
        return str(_FACTS[value])
    if name == "counts":
        return by_kind(value) or _("claimed by a person")
    if name == "interval":
        return interval_in_words(value)
    if name == "outcome":
        return str(Resolution.Outcome(value).label)
    if name == "scope":
        return kept.said(value)
    if name == "until" and value:
        return moment(datetime.fromisoformat(value))
    if name == "false_accusation_rate":
        rate = _("at most %(count)s of 1,000,000 unrelated records")
        return rate % {"count": per_million(value)}
    return f"{value:,}" if isinstance(value, int) else str(value)


site.register(StatementOfReasons, StatementOfReasonsAdmin)
