"""Models that labs made, and their ingredients with the papers that regulators read."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from provenance import lineage
from provenance.admin.base import LABS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import viewer_of
from provenance.documents.ingredients import ingredients_csv, ingredients_pdf
from provenance.models import TrainedModel


class TrainedModelAdmin(ReadOnlyFacts):
    """A lab's models."""

    shown_to = LABS
    page_template = "provenance/model.html"
    list_display = ("name_word", "label", "created_at")
    search_fields = ("name", "version")
    list_select_related = ("lab",)
    ordering = ("-created_at",)
    list_words = _lazy(
        "Models that runs produced, each with its ingredients: owners, licences, gaps."
    )
    empty_title = _lazy("No model yet")
    empty_words = _lazy("A run names what it produced: run.produced('my-model', version='1').")
    empty_step = (_lazy("To the runs"), "admin:provenance_run_changelist")

    @column(_lazy("Model"), header=True)
    def name_word(self, model: TrainedModel) -> list[str]:
        return [
            _("%(model)s, version %(version)s") % {"model": model.name, "version": model.version},
            str(model.lab),
        ]

    @column(_lazy("Name"), label={"published": "success", "private": "info"})
    def label(self, model: TrainedModel) -> str:
        return "published" if model.is_published else "private"

    def more_urls(self, named: Any) -> list[URLPattern]:
        return [
            named("<str:object_id>/ingredients.pdf", self.pdf, "pdf"),
            named("<str:object_id>/ingredients.csv", self.csv, "csv"),
        ]

    def pdf(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The ingredients on paper."""
        return self._paper(request, object_id, "pdf")

    def csv(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The ingredients as a table."""
        return self._paper(request, object_id, "csv")

    def _paper(self, request: HttpRequest, object_id: str, ending: str) -> HttpResponse:
        model = self.found(request, object_id)
        stopped = self.look(request, model)
        if stopped is not None:
            return stopped
        found = lineage.ingredients(model, viewer_of(request))
        name = f'attachment; filename="ingredients-{model.pk}.{ending}"'
        content = ingredients_pdf(found) if ending == "pdf" else ingredients_csv(found)
        media = "application/pdf" if ending == "pdf" else "text/csv; charset=utf-8"
        return HttpResponse(content, content_type=media, headers={"Content-Disposition": name})

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        viewer = viewer_of(request)
        made_by = subject.run_edges.filter(direction="produced").select_related("run")
        return {
            "node": lineage.node_id(subject),
            "ingredients": lineage.ingredients(subject, viewer),
            "made_by": [edge.run for edge in made_by],
        }


site.register(TrainedModel, TrainedModelAdmin)
