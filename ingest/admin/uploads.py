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
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from ingest import pipeline
from ingest.admin.results import result_of
from ingest.admin.standing import state_of
from ingest.models import Upload
from provenance.access import Viewer
from provenance.admin.base import OWNERS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import Panel, site
from provenance.admin.verbs import Verb, VerbForm, viewer_of
from provenance.models import Dataset, DatasetVersion, Party
from provenance.tenures import doer

State = Upload.State
_TONES = {
    "sealed": "success",
    "failed": "danger",
    "ready": "warning",
    "received": "info",
    "reading": "info",
    "screening": "info",
}


NO_KEY = _lazy("no column: records are numbered")
OWN_NAMES = _lazy("no column: files go by their names, lines by their numbers")


class ColumnsForm(VerbForm):
    """Which columns are read; what was guessed is chosen already."""

    text_column = forms.ChoiceField(label=_lazy("The content stands in"), required=False)
    key_column = forms.ChoiceField(
        label=_lazy("The key stands in"),
        required=False,
        help_text=_lazy("A key names a record for good, so that a later delta can change it."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [(name, name) for name in column_names(self.subject)]
        self.fields["text_column"] = forms.ChoiceField(
            label=_("The content stands in"),
            choices=names or [("", _("there are no columns: all of it is content"))],
            required=bool(names),
            initial=self.subject.text_column,
        )
        self.fields["key_column"] = forms.ChoiceField(
            label=_("The key stands in"),
            choices=[("", NO_KEY if names else OWN_NAMES), *names],
            required=False,
            initial=self.subject.key_column,
            help_text=_("A key names a record for good, so that a later delta can change it."),
        )
        self.fields["contributor_column"] = forms.ChoiceField(
            label=_("Who made it stands in"),
            choices=[("", _("no column: nobody is credited")), *names],
            required=False,
            initial=self.subject.contributor_column,
            help_text=_(
                "Each record is credited to that contributor; you divide by it afterwards."
            ),
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
    return _("Started. You may leave this page; the work goes on.")


def _confirm(request: HttpRequest, upload: Any, cleaned: dict[str, Any]) -> str:
    pipeline.confirm_delta(upload=upload, at=timezone.now())
    return _("Confirmed. It is sealed now and compared with all that was registered before.")


def _discard(request: HttpRequest, upload: Any, cleaned: dict[str, Any]) -> str:
    pipeline.discard_upload(upload=upload, at=timezone.now())
    return _("Discarded; nothing of it was kept.")


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
    list_words = _lazy("Files on their way into versions; each is kept whole or not at all.")
    empty_title = _lazy("Nothing was uploaded yet")
    verbs = (
        Verb(
            "start",
            _lazy("Start with these columns"),
            "rights",
            _start,
            ColumnsForm,
            _lazy("This is what we found in the file. Set it right if we guessed wrong."),
            offered=_waits,
            is_inline=True,
        ),
        Verb(
            "confirm",
            _lazy("Seal these changes"),
            "rights",
            _confirm,
            explains=_lazy(
                "The changes become the next version, and its place in the ledger is taken."
            ),
            offered=lambda viewer, upload: _is_own(viewer, upload) and upload.state == State.READY,
            is_inline=True,
        ),
        Verb(
            "discard",
            _lazy("Discard this upload"),
            "rights",
            _discard,
            explains=_lazy("Nothing of it is kept. What was sealed before stays."),
            offered=_may_discard,
            tone="danger",
        ),
    )

    @column(_lazy("Upload"), header=True)
    def name_word(self, upload: Upload) -> list[str]:
        words = _("to %(version)s")
        if upload.state == State.RECEIVED and not upload.started_at:
            words = _("to %(version)s; waits until its columns are confirmed")
        return [upload.file_name or upload.url, words % {"version": upload.version}]

    @column(_lazy("State"), ordering="state", label=_TONES)
    def label(self, upload: Upload) -> str:
        return str(upload.state)

    @column(_lazy("Records"), ordering="record_count")
    def records(self, upload: Upload) -> str:
        return f"{upload.record_count:,}"

    @column(_lazy("Bad rows"), ordering="bad_count")
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
        viewer = viewer_of(request)
        is_looking = getattr(request, "viewing_as", None) is not None
        if _is_own(viewer, subject) and not is_looking:
            pipeline.note_seen(upload=subject, at=timezone.now())
        bad = Paginator(subject.bad_rows.order_by("line", "pk"), 25)
        return {
            "title": subject.file_name or subject.url,
            "forms_first": True,
            "sent_by": doer(subject.by, subject.version.dataset, subject.created_at, viewer),
            "bad_rows": bad.get_page(request.GET.get("bad")),
            "preview": pipeline.preview(subject) if subject.state == State.READY else None,
            "result": result_of(subject, viewer),
            **state_of(subject),
        }


def _uploads_of(request: HttpRequest, dataset: Any) -> Panel | None:
    rows = Upload.objects.visible_to(viewer_of(request)).filter(version__dataset=dataset)
    prints = dataset.is_fingerprint_only and dataset.owner_id == viewer_of(request).party.pk
    shown = list(rows.select_related("version__dataset__owner").order_by("-created_at")[:10])
    if not shown and not prints:
        return None
    context = {"uploads": shown, "prints": prints, "dataset": dataset}
    return Panel(_("Uploads"), "ingest/uploads_panel.html", context)


def _upload_of(request: HttpRequest, version: Any) -> Panel | None:
    upload = version.uploads.order_by("-created_at").first()
    if upload is None:
        return None
    words = _("%(file_name)s: %(state)s.") % {
        "file_name": upload.file_name or upload.url,
        "state": upload.get_state_display().lower(),
    }
    url = reverse("admin:ingest_upload_change", args=[upload.pk])
    context = {"words": words, "url": url, "label": _("Look at the upload")}
    return Panel(_("Where it came from"), "provenance/parts/words.html", context)


site.register(Upload, UploadAdmin)
site.add_panel(Dataset, _uploads_of)
site.add_panel(DatasetVersion, _upload_of)
