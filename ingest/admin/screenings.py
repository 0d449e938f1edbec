"""Screen before training: ask about a text, send a candidate file, read its report."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from ingest import prints
from ingest.admin.registering import FORMATS, FileInput
from ingest.gateways import files, notices, reports, screenings
from ingest.gateways.reports import ANSWERED
from ingest.gateways.screenings import Asked
from ingest.models import Screening
from provenance.access import Viewer
from provenance.admin.base import LABS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.overlaps import KINDS, of_kind
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm, person_of, viewer_of
from provenance.models import Dataset, MatchKind, Party, Purpose

State = Screening.State
_TONES = {"done": "success", "failed": "danger", "received": "info", "screening": "info"}
ROWS_PER_PAGE = 50
GOOD = ("nothing_found", "usable")


class PurposeForm(VerbForm):
    """For what something is to be used."""

    purpose = forms.ChoiceField(label=_lazy("You want to use it for"), choices=Purpose.choices)


class TextForm(PurposeForm):
    """One text to ask about."""

    text = forms.CharField(
        label=_lazy("The text"),
        widget=forms.Textarea,
        max_length=1_000_000,
        help_text=_lazy(
            "It is compared and forgotten: nothing of it is stored, indexed or logged."
        ),
    )
    field_order = ("text", "purpose")


class FileForm(PurposeForm):
    """A candidate file."""

    file = forms.FileField(allow_empty_file=True, widget=FileInput, help_text=FORMATS)
    kind = forms.ChoiceField(
        label=_lazy("It holds"),
        choices=[("", _lazy("what it looks like")), *Dataset.Kind.choices],
        required=False,
    )
    watch_days = forms.TypedChoiceField(
        label=_lazy("Tell me of later registrations"),
        choices=[
            (0, _lazy("no: keep nothing of the file")),
            (30, _lazy("for 30 days")),
            (90, _lazy("for 90 days")),
        ],
        coerce=int,
        help_text=_lazy(
            "For that long its fingerprints are kept, never its content. Changed "
            "licences, prices and withdrawals you are told of in any case."
        ),
    )
    field_order = ("file", "purpose", "kind", "watch_days")


def _send(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    file = cleaned.pop("file")
    screening = files.begin_file(
        party=viewer_of(request).party,
        file=file,
        file_name=file.name,
        by=person_of(request),
        at=timezone.now(),
        **cleaned,
    )
    return HttpResponseRedirect(reverse("admin:ingest_screening_change", args=[screening.pk]))


def _ask(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    answer = screenings.screen(
        viewer=viewer_of(request),
        purpose=cleaned["purpose"],
        records=[Asked("text", prints.TEXT, text=cleaned["text"])],
        with_passages=True,
        at=timezone.now(),
    )
    (result,) = answer["results"]
    context = {
        **site.each_context(request),
        "title": _("May I use this?"),
        "above": [(_("Screen before training"), reverse("admin:ingest_screening_changelist"))],
        "answer": answer,
        "result": result,
        "tone": "good" if result["answer"] in GOOD else "wait",
        "pieces": pieces(cleaned["text"], result["matches"]),
    }
    return TemplateResponse(request, "ingest/answer.html", context)


def pieces(text: str, matches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The asker's own text in order, each piece shared or not."""
    spans = sorted(span for match in matches for span in match["passages"] or ())
    made, at = [], 0
    for start, end in spans:
        if end <= at:
            continue
        made.append({"text": text[at : max(start, at)], "is_shared": False})
        made.append({"text": text[max(start, at) : end], "is_shared": True})
        at = end
    return [piece for piece in [*made, {"text": text[at:], "is_shared": False}] if piece["text"]]


def _seen(request: HttpRequest, screening: Any, cleaned: dict[str, Any]) -> str:
    notices.mark_seen(screening, at=timezone.now())
    return _("Noted. You are told again when something else changes.")


def _has_news(viewer: Viewer, screening: Any) -> bool:
    is_own = bool(screening.party_id == viewer.party.pk)
    return is_own and bool(screening.notices.filter(seen_at__isnull=True).exists())


def _is_lab(viewer: Viewer, subject: Any) -> bool:
    return bool(viewer.party.is_lab)


class ScreeningAdmin(ReadOnlyFacts):
    """A lab's candidate files and their reports."""

    shown_to = LABS
    list_title = _lazy("Screen before training")
    page_template = "ingest/screening.html"
    list_display = (
        "name_word",
        "purpose_word",
        "label",
        "compared",
        "alike",
        "news_word",
        "created_at",
    )
    list_filter = ("state", "purpose")
    list_select_related = ("party",)
    ordering = ("-created_at",)
    list_words = _lazy(
        "May you use this? Records are compared with all that is registered; you are "
        "told whose they are like, on what terms, and what was not checked. What you "
        "send is not kept."
    )
    empty_title = _lazy("Nothing was screened yet")
    empty_words = _lazy("Send a candidate file before you train on it, or ask about one text.")
    list_verbs = (
        Verb(
            "file",
            _lazy("Screen a file"),
            "develop",
            _send,
            FileForm,
            _lazy("It is compared in the background and deleted when its report is there."),
            offered=_is_lab,
            tone="primary",
        ),
        Verb(
            "text",
            _lazy("Ask about a text"),
            "develop",
            _ask,
            TextForm,
            _lazy("It is answered at once."),
            offered=_is_lab,
        ),
    )
    verbs = (
        Verb(
            "seen",
            _lazy("I have read what changed"),
            "develop",
            _seen,
            explains=_lazy("The notices stay on this page."),
            offered=_has_news,
        ),
    )

    def scope(self, viewer: Viewer) -> Any:
        fresh = Count("notices", filter=Q(notices__seen_at__isnull=True))
        return super().scope(viewer).annotate(fresh_count=fresh)

    @column(_lazy("File"), header=True)
    def name_word(self, screening: Screening) -> list[str]:
        return [screening.file_name, str(screening.party)]

    @column(_lazy("For"), ordering="purpose")
    def purpose_word(self, screening: Screening) -> str:
        return str(screening.get_purpose_display())

    @column(_lazy("State"), ordering="state", label=_TONES)
    def label(self, screening: Screening) -> str:
        return str(screening.state)

    @column(_lazy("Rows compared"), ordering="record_count")
    def compared(self, screening: Screening) -> str:
        return f"{screening.record_count:,}"

    @column(_lazy("Like registered data"))
    def alike(self, screening: Screening) -> str:
        if screening.report is None:
            return "–"
        rows = screening.report["rows"]
        return _("%(usable)s rows") % {
            "usable": f"{rows['usable'] + rows['on_offer'] + rows['reserved']:,}"
        }

    @column(_lazy("Since then"))
    def news_word(self, screening: Any) -> str:
        return (
            _("%(fresh_count)s changed") % {"fresh_count": screening.fresh_count}
            if screening.fresh_count
            else "–"
        )

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.party]

    def more_urls(self, named: Any) -> list[URLPattern]:
        return [
            named("<str:object_id>/progress/", self.progress, "progress"),
            named("<str:object_id>/report.pdf", self.pdf, "pdf"),
            named("<str:object_id>/report.json", self.json, "json"),
        ]

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Where the screening stands: the fragment that the page fetches while it waits."""
        screening = self.found(request, object_id)
        context = {"object": screening, **state_of(screening)}
        return TemplateResponse(request, "ingest/screening_progress.html", context)

    def pdf(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The report on paper."""
        return self._paper(request, object_id, "pdf")

    def json(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The report with its signature."""
        return self._paper(request, object_id, "json")

    def _paper(self, request: HttpRequest, object_id: str, ending: str) -> HttpResponse:
        screening = self.found(request, object_id)
        stopped = self.look(request, screening)
        if stopped is not None:
            return stopped
        if screening.report is None:
            raise Http404(_("There is no report yet."))
        if ending == "pdf":
            return _file(screening, reports.pdf(screening), "pdf", "application/pdf")
        content = json.dumps(reports.document(screening), ensure_ascii=False, indent=1)
        return _file(screening, content, "json", "application/json")

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        told = subject.report or {}
        rows = told.get("datasets", [])
        return {
            "title": subject.file_name,
            "report": told,
            "answered": [
                (words, told["rows"][said], "good" if said in GOOD else "wait")
                for said, words in ANSWERED.items()
            ]
            if told
            else [],
            "found": list(zip(rows, reports.lines_of(rows), strict=True)),
            "signature": bytes(subject.signature).hex() if subject.signature else "",
            "news": [
                (notice, notices.sentence(notice))
                for notice in subject.notices.select_related("dataset").order_by("-made_at")[:50]
            ],
            "bad_lines": subject.bad_rows.order_by("line").values_list("line", flat=True)[:200],
            **_rows(request, subject),
            **state_of(subject),
        }


def _rows(request: HttpRequest, screening: Screening) -> dict[str, Any]:
    """The matching rows, filtered as the page's address says."""
    kind, dataset = request.GET.get("kind", ""), request.GET.get("dataset", "")
    rows = screening.matches.filter(is_short=False).select_related("version__dataset__owner")
    known = {row["version__dataset"]: row["version__dataset__title"]
             for row in rows.values("version__dataset", "version__dataset__title")
             .distinct().order_by("version__dataset__title")}  # fmt: skip
    rows = rows.filter(of_kind(kind))
    chosen = next((pk for pk in known if str(pk) == dataset), None)
    if chosen is not None:
        rows = rows.filter(version__dataset=chosen)
    page = Paginator(rows.order_by("row", "pk"), ROWS_PER_PAGE).get_page(request.GET.get("rows"))
    kinds = [choice for choice in KINDS if choice[0] != MatchKind.SEMANTIC]
    return {
        "rows_page": page,
        "kinds": kinds,
        "kind": kind,
        "dataset": dataset,
        "datasets": [(str(pk), title) for pk, title in known.items()],
    }


def _file(screening: Screening, content: bytes | str, ending: str, media: str) -> HttpResponse:
    named = f'attachment; filename="screening-{screening.pk}.{ending}"'
    return HttpResponse(content, content_type=media, headers={"Content-Disposition": named})


def state_of(screening: Screening) -> dict[str, Any]:
    """How far it is."""
    at, total = timezone.now(), screening.bytes_total
    return {
        "done_width": min(round(100 * screening.bytes_done / total), 100) if total else 0,
        "is_working": screening.state in Screening.WORKING,
        "speed": screening.records_per_second(at),
        "remaining_seconds": screening.remaining_seconds(at),
    }


site.register(Screening, ScreeningAdmin)
