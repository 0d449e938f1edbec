"""Lineage drawn: what went into what, one node in the middle and as far around as asked."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone

from provenance import lineage
from provenance.access import Viewer
from provenance.admin.runs import RunAdmin
from provenance.admin.site import site
from provenance.admin.verbs import viewer_of
from provenance.models import Dataset, Run, TrainedModel
from provenance.refusals import Refused

_LIMIT = 400
_CHOICES_EACH = 200


class GraphForm(forms.Form):
    """From where, how far, in which direction and as of when."""

    node = forms.ChoiceField(label="From")
    depth = forms.IntegerField(min_value=1, max_value=20, initial=4)
    direction = forms.ChoiceField(
        choices=[("both", "both ways"), ("upstream", "back"), ("downstream", "forward")]
    )
    as_of = forms.DateField(
        label="As of", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, *args: Any, nodes: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["node"] = forms.ChoiceField(label="From", choices=nodes)


def nodes_of(viewer: Viewer) -> list[tuple[str, str]]:
    """What a viewer may start from: its datasets, models and runs."""
    datasets = (
        Dataset.objects.visible_to(viewer)
        .filter(versions__sealed_at__isnull=False)
        .annotate(edge_count=Count("versions__run_edges"))
        .select_related("owner")
        .order_by("-edge_count", "-created_at")
    )
    models = TrainedModel.objects.visible_to(viewer).select_related("lab").order_by("-created_at")
    runs = Run.objects.visible_to(viewer).select_related("lab").order_by("-started_at")
    return [
        *((lineage.node_id(each), f"Dataset {each}") for each in datasets[:_CHOICES_EACH]),
        *((lineage.node_id(each), f"Model {each}") for each in models[:_CHOICES_EACH]),
        *((lineage.node_id(each), f"Run {each}") for each in runs[:_CHOICES_EACH]),
    ]


def lineage_view(request: HttpRequest) -> HttpResponse:
    """The page with the drawing, and the same as a table."""
    viewer = viewer_of(request)
    nodes = nodes_of(viewer)
    first = {"node": nodes[0][0], "depth": 4, "direction": "both"} if nodes else {}
    asked = request.GET.get("node", "")
    data = {**first, **request.GET.dict()}
    if asked and asked not in dict(nodes):
        nodes.append((asked, asked))
    form = GraphForm(data or None, nodes=nodes)
    graph: dict[str, Any] = {"graph": [], "truncated": False}
    if nodes and form.is_valid():
        try:
            graph = _graph(viewer, form.cleaned_data)
        except Refused as refusal:
            form.add_error("node", f"{refusal.detail} {refusal.next_step}".strip())
    context = {
        **site.each_context(request),
        "title": "Lineage",
        "form": form,
        "graph": graph,
        "nodes": nodes,
        "elements": elements(graph, str(data.get("node", ""))),
        "limit": _LIMIT,
    }
    return TemplateResponse(request, "provenance/lineage.html", context)


def _graph(viewer: Viewer, asked: dict[str, Any]) -> dict[str, Any]:
    day = asked["as_of"]
    as_of = datetime.combine(day, time.max, tzinfo=UTC) if day else timezone.now()
    return lineage.graph(
        viewer=viewer,
        node_id=asked["node"],
        depth=asked["depth"],
        direction=asked["direction"],
        as_of=as_of,
        limit=_LIMIT,
    )


def elements(graph: dict[str, Any], centre: str) -> dict[str, list[dict[str, Any]]]:
    """Marquez's graph as nodes and edges to draw; each edge once."""
    nodes, edges = [], {}
    for node in graph["graph"]:
        nodes.append(
            {
                "id": node["id"],
                "name": node["data"]["simpleName"],
                "kind": _kind(node),
                "masked": node["data"]["isPseudonym"],
                "centre": node["id"] == centre,
            }
        )
        for edge in [*node["inEdges"], *node["outEdges"]]:
            edges[edge["origin"], edge["destination"]] = {
                "source": edge["origin"],
                "target": edge["destination"],
            }
    known = {node["id"] for node in nodes}
    kept = [edge for edge in edges.values() if {edge["source"], edge["target"]} <= known]
    return {"nodes": nodes, "edges": kept}


def _kind(node: dict[str, Any]) -> str:
    return {"JOB": "run", "MODEL": "model"}.get(node["type"], "dataset")


class RunAdminWithLineage(RunAdmin):
    """Runs, and the drawing that joins them."""

    def more_urls(self, named: Any) -> list[URLPattern]:
        return [named("lineage/", lineage_view, "lineage")]


site.register(Run, RunAdminWithLineage)
