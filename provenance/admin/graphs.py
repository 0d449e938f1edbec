"""Lineage drawn: what went into what, one node in the middle and as far around as asked."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

from django import forms
from django.db.models import Count, Min, Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from provenance import lineage
from provenance.access import Viewer
from provenance.admin.runs import RunAdmin
from provenance.admin.site import site
from provenance.admin.verbs import viewer_of
from provenance.documents import sheets
from provenance.models import Dataset, Run, RunEdge, TrainedModel
from provenance.refusals import Refused

_LIMIT = 400
_CHOICES_EACH = 200
# So many nodes are opened beside the first, and so long is a path.
_OPEN_LIMIT, _PATH_DEPTH = 30, 20


class GraphForm(forms.Form):
    """From where, as of when, and to where, if a path is asked for."""

    node = forms.ChoiceField(label=_lazy("From"))
    to = forms.ChoiceField(label=_lazy("Path to"), required=False)
    as_of = forms.DateField(
        label=_lazy("As known at the end of"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def __init__(self, *args: Any, nodes: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["node"] = forms.ChoiceField(label=_("From"), choices=nodes)
        ends = [("", _("nowhere: only its neighbours")), *nodes]
        self.fields["to"] = forms.ChoiceField(label=_("Path to"), required=False, choices=ends)

    def clean_as_of(self) -> date | None:
        """What will be known nobody knows."""
        day: date | None = self.cleaned_data["as_of"]
        if day is not None and day > timezone.now().date():
            raise forms.ValidationError(
                _("This day lies in the future. Choose one that has begun, or leave it empty.")
            )
        return day


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
        *(
            (lineage.node_id(each), _("Dataset %(name)s") % {"name": each})
            for each in datasets[:_CHOICES_EACH]
        ),
        *(
            (lineage.node_id(each), _("Model %(name)s") % {"name": each})
            for each in models[:_CHOICES_EACH]
        ),
        *(
            (lineage.node_id(each), _("Run %(name)s") % {"name": each})
            for each in runs[:_CHOICES_EACH]
        ),
    ]


def lineage_view(request: HttpRequest) -> HttpResponse:
    """The page with the drawing, one level each way and what was opened; or a sheet of it."""
    viewer = viewer_of(request)
    nodes = nodes_of(viewer)
    asked = [name for name in ("node", "to") if request.GET.get(name)]
    nodes += [
        (request.GET[name], request.GET[name])
        for name in asked
        if request.GET[name] not in dict(nodes)
    ]
    data = {"node": nodes[0][0], **request.GET.dict()} if nodes else {}
    form = GraphForm(data or None, nodes=nodes)
    opened = list(dict.fromkeys(request.GET.getlist("open")))[:_OPEN_LIMIT]
    found: dict[str, Any] = {"nodes": [], "edges": []}
    truncated = False
    if nodes and form.is_valid():
        try:
            found, truncated = _found(viewer, form.cleaned_data, opened)
        except Refused as refusal:
            form.add_error("node", f"{refusal.detail} {refusal.next_step}".strip())
    if request.GET.get("format") == "csv" and form.is_valid():
        return _sheet(found)
    day = form.cleaned_data.get("as_of") if form.is_bound else None
    query = request.GET.copy()
    query["format"] = "csv"
    context = {
        **site.each_context(request),
        "title": _("Lineage"),
        "form": form,
        "truncated": truncated,
        "nodes": nodes,
        "elements": found,
        "rows": rows_of(found),
        "hidden_count": sum(node["masked"] for node in found["nodes"]),
        "opened": opened,
        "kept": f"&as_of={day.isoformat()}" if day else "",
        "span": _span(viewer, day),
        "sheet": f"?{query.urlencode()}",
        "limit": _LIMIT,
    }
    return TemplateResponse(request, "provenance/lineage.html", context)


def _found(viewer: Viewer, asked: dict[str, Any], opened: list[str]) -> tuple[dict[str, Any], bool]:
    """What to draw, and whether something was left out: neighbours, or a path if asked for."""
    start, end = asked["node"], asked["to"]
    if end:
        whole = _graph(viewer, start, asked["as_of"], depth=_PATH_DEPTH)
        return path(elements(whole, start), start, end), whole["truncated"]
    centres = dict.fromkeys([start, *opened])
    graphs = [_graph(viewer, one, asked["as_of"], depth=1) for one in centres]
    merged: dict[str, Any] = {"nodes": {}, "edges": {}}
    for graph in graphs:
        drawn = elements(graph, start)
        merged["nodes"] |= {node["id"]: node for node in drawn["nodes"]}
        merged["edges"] |= {(edge["source"], edge["target"]): edge for edge in drawn["edges"]}
    plain = {name: list(rows.values()) for name, rows in merged.items()}
    return plain, any(graph["truncated"] for graph in graphs)


@dataclass(frozen=True)
class Span:
    """The days that the slider goes over: the first, how many follow, and which one is shown."""

    first: date
    day_count: int
    chosen: int


def _span(viewer: Viewer, day: date | None) -> Span | None:
    """From the first edge that the viewer may know of until today; None where that is one day."""
    seen = RunEdge.objects.known_to(viewer)
    if not viewer.is_operator:
        own = Q(run__lab=viewer.party) | Q(version__dataset__owner=viewer.party)
        seen = seen.filter(own | Q(model__lab=viewer.party))
    since = seen.aggregate(first=Min("known_at"))["first"]
    today = timezone.now().date()
    if since is None or since.astimezone(UTC).date() >= today:
        return None
    first = since.astimezone(UTC).date() - timedelta(days=1)
    last = (today - first).days
    return Span(first, last, min(max((day - first).days, 0), last) if day else last)


def _graph(viewer: Viewer, node: str, day: date | None, *, depth: int) -> dict[str, Any]:
    now = timezone.now()
    as_of = min(datetime.combine(day, time.max, tzinfo=UTC), now) if day else now
    return lineage.graph(
        viewer=viewer, node_id=node, depth=depth, direction="both", as_of=as_of, limit=_LIMIT
    )


def path(found: dict[str, Any], start: str, end: str) -> dict[str, Any]:
    """The nodes and edges of a shortest path between two nodes, whichever way the edges point."""
    beside: dict[str, list[str]] = defaultdict(list)
    for edge in found["edges"]:
        beside[edge["source"]].append(edge["target"])
        beside[edge["target"]].append(edge["source"])
    before: dict[str, str] = {start: start}
    waiting = deque([start])
    while waiting and end not in before:
        here = waiting.popleft()
        for other in sorted(beside[here]):
            if other not in before:
                before[other] = here
                waiting.append(other)
    kept = [end] if end in before else []
    while kept and kept[-1] != start:
        kept.append(before[kept[-1]])
    steps = {*pairwise(kept), *pairwise(reversed(kept))}
    return {
        "nodes": [node for node in found["nodes"] if node["id"] in kept],
        "edges": [one for one in found["edges"] if (one["source"], one["target"]) in steps],
    }


def _sheet(found: dict[str, Any]) -> HttpResponse:
    kinds = {node["id"]: node["kind"] for node in found["nodes"]}
    rows = (
        (one["source"], kinds[one["source"]], one["target"], kinds[one["target"]])
        for one in found["edges"]
    )
    text = sheets.as_csv(("from", "from_kind", "to", "to_kind"), rows)
    headers = {"Content-Disposition": 'attachment; filename="lineage.csv"'}
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)


def elements(graph: dict[str, Any], centre: str) -> dict[str, list[dict[str, Any]]]:
    """Marquez's graph as nodes and edges to draw; each edge once."""
    nodes, edges = [], {}
    for node in graph["graph"]:
        nodes.append(
            {
                "id": node["id"],
                "name": node["data"]["simpleName"],
                "kind": _kind(node),
                "words": _words(node),
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


def rows_of(found: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each edge as the two nodes that it joins, for the table beside the picture."""
    nodes = {node["id"]: node for node in found["nodes"]}
    return [(nodes[one["source"]], nodes[one["target"]]) for one in found["edges"]]


def _words(node: dict[str, Any]) -> str:
    """What a node is and how it is called."""
    said = {
        "dataset": _("Dataset %(name)s"),
        "model": _("Model %(name)s"),
        "run": _("Run %(name)s"),
    }
    data = node["data"]
    is_own_name = node["type"] != "JOB" and not data["isPseudonym"]
    name = f"{data['namespace']}/{data['name']}" if is_own_name else data["simpleName"]
    return said[_kind(node)] % {"name": name}


def _kind(node: dict[str, Any]) -> str:
    return {"JOB": "run", "MODEL": "model"}.get(node["type"], "dataset")


class RunAdminWithLineage(RunAdmin):
    """Runs, and the drawing that joins them."""

    def more_urls(self, named: Any) -> list[URLPattern]:
        return [named("lineage/", lineage_view, "lineage")]


site.register(Run, RunAdminWithLineage)
