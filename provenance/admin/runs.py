"""Runs and what they used, as labs and owners each may see them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Count, ExpressionWrapper, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from provenance import usage
from provenance.access import Viewer
from provenance.admin.base import LABS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb, viewer_of
from provenance.figures import tally
from provenance.models import Licence, Party, Run, Usage


def _end(request: HttpRequest, run: Any, cleaned: dict[str, Any]) -> str:
    usage.end_run(run=run, at=timezone.now())
    return _("The run has ended; what it used is charged now.")


def _is_open_run_of(viewer: Viewer, run: Any) -> bool:
    return bool(run.lab_id == viewer.party.pk and run.state == Run.State.RUNNING)


class RunAdmin(ReadOnlyFacts):
    """A lab's training jobs."""

    shown_to = LABS
    page_template = "provenance/run.html"
    list_display = ("name_word", "purpose_word", "label", "used", "started_at", "last_heard_at")
    list_filter = ("state", "purpose")
    search_fields = ("name", "pseudonym")
    list_select_related = ("lab", "root", "parent")
    ordering = ("-started_at",)
    list_words = _lazy("Training jobs that reported here, and what each used.")
    empty_title = _lazy("No run yet")
    empty_words = _lazy(
        "Make an API key, install the client, and write two lines: "
        "with tallymark.run(purpose='finetune') as run: run.use('namespace/dataset', records=1000)"
    )
    empty_step = (_lazy("To the API keys"), "admin:provenance_apikey_changelist")
    verbs = (
        Verb(
            "end",
            _lazy("End this run"),
            "develop",
            _end,
            explains=_lazy("For a run that will not report its own end. A late report reopens it."),
            offered=_is_open_run_of,
        ),
    )

    def scope(self, viewer: Viewer) -> Any:
        return super().scope(viewer).annotate(usage_count=Count("usages"))

    @column(_lazy("Run"), header=True)
    def name_word(self, run: Run) -> list[str]:
        return [
            run.name or run.pseudonym,
            _("%(lab)s; owners see %(run)s") % {"lab": run.lab, "run": run.pseudonym},
        ]

    @column(_lazy("Purpose"), ordering="purpose")
    def purpose_word(self, run: Run) -> str:
        return str(run.get_purpose_display())

    @column(_lazy("State"), label={"running": "info", "ended": "success", "lapsed": "warning"})
    def label(self, run: Run) -> str:
        return str(run.state)

    @column(_lazy("Datasets used"))
    def used(self, run: Any) -> str:
        return str(run.usage_count)

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        edges = subject.edges.select_related("version__dataset__owner", "model")
        return {
            "usages": usage_rows(subject.top.usages, viewer_of(request)),
            "edges": edges.order_by("at"),
            "children": subject.children.order_by("started_at")[:50],
        }


def usage_rows(rows: Any, viewer: Viewer) -> Any:
    """Usages with what their rows show."""
    return (
        rows.filter(pk__in=Usage.objects.visible_to(viewer))
        .select_related("run__lab", "version__dataset__owner", "grant")
        .order_by("-used_at")[:200]
    )


class UsageAdmin(ReadOnlyFacts):
    """What runs used: a lab sees its own, an owner that of its data."""

    list_title = _lazy("Usage")
    page_template = "provenance/usage.html"
    list_display = ("subject_and_run", "purpose_word", "counted", "standing", "used_at")
    list_filter = ("purpose", "is_ungranted", "is_unknown", "is_of_withdrawn", "is_signed")
    search_fields = ("subject",)
    list_select_related = ("run__lab", "version__dataset__owner", "grant")
    ordering = ("-used_at",)
    list_words = _lazy(
        "What runs reported. A use without a grant is kept and flagged, never hidden."
    )
    empty_title = _lazy("No usage yet")
    empty_words = _lazy("It appears here within seconds of a run's report.")

    def scope(self, viewer: Viewer) -> Any:
        own = ExpressionWrapper(Q(run__lab=viewer.party), output_field=BooleanField())
        return super().scope(viewer).annotate(is_own=own)

    @column(_lazy("Dataset, run"), header=True)
    def subject_and_run(self, row: Any) -> list[str]:
        name = str(row.version) if row.version else row.subject
        run = str(row.run) if row.is_own else row.run.pseudonym
        return [name, _("%(run)s of %(lab)s") % {"run": run, "lab": row.run.lab}]

    @column(_lazy("Purpose"))
    def purpose_word(self, row: Usage) -> str:
        return str(row.get_purpose_display())

    @column(_lazy("So far"))
    def counted(self, row: Usage) -> str:
        return tally(records=row.record_count, tokens=row.token_count)

    @column(
        _lazy("Standing"),
        label={"granted": "success", "ungranted": "danger", "unknown": "warning"},
    )
    def standing(self, row: Usage) -> str:
        return standing(row)

    def parties_of(self, subject: Any) -> Iterable[Party]:
        owners = [subject.version.dataset.owner] if subject.version else []
        return [subject.run.lab, *owners]

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        viewer = viewer_of(request)
        is_labs = subject.run.lab_id == viewer.party.pk or viewer.is_operator
        return {
            "title": _("%(dataset)s in %(run)s")
            % {
                "dataset": subject.version or subject.subject,
                "run": subject.run.name_for(viewer.party),
            },
            "standing": standing(subject),
            "awaits_until": _awaits_until(subject, timezone.now()),
            "offers": _offers(subject) if is_labs else [],
            "is_labs": is_labs,
            "reports": subject.reports.order_by("stream") if is_labs else [],
        }


def _awaits_until(row: Usage, at: datetime) -> datetime | None:
    """Until when only the lab is told of the use, if it still is so."""
    until = row.awaits_grant_until
    return until if until is not None and until > at else None


def _offers(row: Usage) -> QuerySet[Licence]:
    """The licences that a lab may ask for to use this."""
    dataset = row.version.dataset_id if row.version else None
    found = Licence.objects.filter(dataset=dataset, purposes__contains=[row.purpose])
    return found.filter(is_offered=True, retired_at=None).order_by("name", "pk")


def standing(row: Usage) -> str:
    """Whether a grant covers the use."""
    if row.is_unknown:
        return "unknown"
    if row.is_of_withdrawn:
        return "withdrawn"
    return "ungranted" if row.is_ungranted else "granted"


site.register(Usage, UsageAdmin)
