"""Uploads: choose the columns, watch the progress, confirm a delta, read the bad rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone

from ingest import pipeline
from ingest.models import Upload
from provenance.access import Viewer
from provenance.admin.base import OWNERS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import Panel, site
from provenance.admin.verbs import Verb, VerbForm, viewer_of
from provenance.models import Conflict, Dataset, DatasetVersion, Overlap, Party

State = Upload.State
_TONES = {
    "sealed": "success",
    "failed": "danger",
    "ready": "warning",
    "received": "info",
    "reading": "info",
    "screening": "info",
}


NO_KEY = "no column: records are numbered"
OWN_NAMES = "no column: files go by their names, lines by their numbers"


class ColumnsForm(VerbForm):
    """Which columns are read; what was guessed is chosen already."""

    text_column = forms.ChoiceField(label="The content stands in", required=False)
    key_column = forms.ChoiceField(
        label="The key stands in",
        required=False,
        help_text="A key names a record for good, so that a later delta can change it.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [(name, name) for name in column_names(self.subject)]
        self.fields["text_column"] = forms.ChoiceField(
            label="The content stands in",
            choices=names or [("", "there are no columns: all of it is content")],
            required=bool(names),
            initial=self.subject.text_column,
        )
        self.fields["key_column"] = forms.ChoiceField(
            label="The key stands in",
            choices=[("", NO_KEY if names else OWN_NAMES), *names],
            required=False,
            initial=self.subject.key_column,
            help_text="A key names a record for good, so that a later delta can change it.",
        )
        self.fields["contributor_column"] = forms.ChoiceField(
            label="Who made it stands in",
            choices=[("", "no column: nobody is credited"), *names],
            required=False,
            initial=self.subject.contributor_column,
            help_text="Each record is credited to that contributor; you divide by it afterwards.",
        )


def column_names(upload: Any) -> list[str]:
    """The names of the columns that were found."""
    found = upload.columns or []
    return [str(each["name"] if isinstance(each, dict) else each) for each in found]


def _start(request: HttpRequest, upload: Any, cleaned: dict[str, Any]) -> str:
    at = timezone.now()
    if column_names(upload):
        pipeline.choose_columns(
            upload=upload,
            text_column=cleaned["text_column"],
            key_column=cleaned["key_column"],
            contributor_column=cleaned["contributor_column"],
        )
    pipeline.start_upload(upload=upload, at=at)
    return "Started. You may leave this page; the work goes on."


def _confirm(request: HttpRequest, upload: Any, cleaned: dict[str, Any]) -> str:
    pipeline.confirm_delta(upload=upload, at=timezone.now())
    return "Confirmed. It is sealed now and compared with all that was registered before."


def _discard(request: HttpRequest, upload: Any, cleaned: dict[str, Any]) -> str:
    pipeline.discard_upload(upload=upload, at=timezone.now())
    return "Discarded; nothing of it was kept."


def _is_own(viewer: Viewer, upload: Any) -> bool:
    return bool(upload.version.dataset.owner_id == viewer.party.pk)


def _waits(viewer: Viewer, upload: Any) -> bool:
    return _is_own(viewer, upload) and upload.state == State.RECEIVED and not upload.started_at


def _may_discard(viewer: Viewer, upload: Any) -> bool:
    is_over = upload.state in (State.SEALED, State.FAILED, State.SCREENING)
    return _is_own(viewer, upload) and not is_over


class UploadAdmin(ReadOnlyFacts):
    """What is on its way into a version, or came in."""

    shown_to = OWNERS
    page_template = "ingest/upload.html"
    list_display = ("name_word", "label", "records", "bad", "created_at", "finished_at")
    list_filter = ("state",)
    list_select_related = ("version__dataset__owner",)
    ordering = ("-created_at",)
    list_words = "Files on their way into versions; each is kept whole or not at all."
    empty_title = "Nothing was uploaded yet"
    verbs = (
        Verb(
            "start",
            "Start with these columns",
            "rights",
            _start,
            ColumnsForm,
            "This is what we found in the file. Set it right if we guessed wrong.",
            offered=_waits,
            is_inline=True,
        ),
        Verb(
            "confirm",
            "Seal these changes",
            "rights",
            _confirm,
            explains="The changes become the next version, and its place in the ledger is taken.",
            offered=lambda viewer, upload: _is_own(viewer, upload) and upload.state == State.READY,
            is_inline=True,
        ),
        Verb(
            "discard",
            "Discard this upload",
            "rights",
            _discard,
            explains="Nothing of it is kept. What was sealed before stays.",
            offered=_may_discard,
        ),
    )

    @column("Upload", header=True)
    def name_word(self, upload: Upload) -> list[str]:
        return [upload.file_name or upload.url, f"to {upload.version}"]

    @column("State", ordering="state", label=_TONES)
    def label(self, upload: Upload) -> str:
        return str(upload.state)

    @column("Records", ordering="record_count")
    def records(self, upload: Upload) -> str:
        return f"{upload.record_count:,}"

    @column("Bad rows", ordering="bad_count")
    def bad(self, upload: Upload) -> str:
        return f"{upload.bad_count:,}"

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.version.dataset.owner]

    def more_urls(self, named: Any) -> list[URLPattern]:
        return [named("<str:object_id>/progress/", self.progress, "progress")]

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Where the upload stands: the fragment that the page fetches while it waits."""
        upload = self.found(request, object_id)
        context = {"object": upload, **state_of(upload)}
        return TemplateResponse(request, "ingest/progress.html", context)

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        bad = Paginator(subject.bad_rows.order_by("line", "pk"), 25)
        return {
            "title": subject.file_name or subject.url,
            "forms_first": True,
            "bad_rows": bad.get_page(request.GET.get("bad")),
            "preview": pipeline.preview(subject) if subject.state == State.READY else None,
            "result": result_of(subject, viewer_of(request)),
            **state_of(subject),
        }


def state_of(upload: Upload) -> dict[str, Any]:
    """How far it is, in words and as a part of the whole where that is known."""
    progress = upload.progress(timezone.now())
    done, total = progress.bytes_done, progress.bytes_total
    if upload.state == State.SCREENING:
        done, total = progress.screened_count, progress.record_count
    return {
        "progress": progress,
        "done_width": min(round(100 * done / total), 100) if total else 0,
        "is_working": upload.state in Upload.WORKING and upload.started_at is not None,
        "waits": upload.state == State.RECEIVED and upload.started_at is None,
    }


def result_of(upload: Upload, viewer: Viewer) -> dict[str, Any] | None:
    """What was found, once it is sealed and screened."""
    if upload.state != State.SEALED:
        return None
    overlaps = (
        Overlap.objects.visible_to(viewer)
        .filter(later=upload.version)
        .select_related("later__dataset__owner", "earlier__dataset__owner")
    )
    mine = Conflict.objects.visible_to(viewer)
    conflicts = mine.filter(later=upload.version.dataset, closed_at__isnull=True)
    return {"overlaps": overlaps, "conflicts": conflicts}


def _uploads_of(request: HttpRequest, dataset: Any) -> Panel | None:
    rows = Upload.objects.visible_to(viewer_of(request)).filter(version__dataset=dataset)
    prints = dataset.is_fingerprint_only and dataset.owner_id == viewer_of(request).party.pk
    shown = list(rows.select_related("version__dataset__owner").order_by("-created_at")[:10])
    if not shown and not prints:
        return None
    context = {"uploads": shown, "prints": prints, "dataset": dataset}
    return Panel("Uploads", "ingest/uploads_panel.html", context)


def _upload_of(request: HttpRequest, version: Any) -> Panel | None:
    upload = version.uploads.order_by("-created_at").first()
    if upload is None:
        return None
    words = f"{upload.file_name or upload.url}: {upload.get_state_display().lower()}."
    url = reverse("admin:ingest_upload_change", args=[upload.pk])
    context = {"words": words, "url": url, "label": "Look at the upload"}
    return Panel("Where it came from", "provenance/parts/words.html", context)


site.register(Upload, UploadAdmin)
site.add_panel(Dataset, _uploads_of)
site.add_panel(DatasetVersion, _upload_of)
