"""Models that labs made, and their ingredients with the papers that regulators read."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from unfold.decorators import display

from provenance import lineage
from provenance.admin.base import LABS, ReadOnlyFacts
from provenance.admin.site import site
from provenance.admin.verbs import viewer_of
from provenance.models import TrainedModel


class TrainedModelAdmin(ReadOnlyFacts):
    """A lab's models."""

    shown_to = LABS
    page_template = "provenance/model.html"
    list_display = ("name_word", "label", "created_at")
    search_fields = ("name", "version")
    list_select_related = ("lab",)
    ordering = ("-created_at",)
    list_words = "Models that runs produced, each with its ingredients: owners, licences, gaps."
    empty_title = "No model yet"
    empty_words = "A run names what it produced: run.produced('my-model', version='1')."

    @display(description="Model", header=True)
    def name_word(self, model: TrainedModel) -> list[str]:
        return [f"{model.name}, version {model.version}", str(model.lab)]

    @display(description="Name", label={"published": "success", "private": "info"})
    def label(self, model: TrainedModel) -> str:
        return "published" if model.is_published else "private"

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        viewer = viewer_of(request)
        made_by = subject.run_edges.filter(direction="produced").select_related("run")
        return {
            "node": lineage.node_id(subject),
            "ingredients": lineage.ingredients(subject, viewer),
            "made_by": [edge.run for edge in made_by],
        }


site.register(TrainedModel, TrainedModelAdmin)
