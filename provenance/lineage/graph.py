"""The graph around a node, in Marquez's shape, so that its clients can draw it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from datetime import datetime
from typing import Any

from provenance.access import Viewer
from provenance.ledger import moment
from provenance.lineage.nodes import find, node_id
from provenance.lineage.walk import Direction, Node, Walk, walk
from provenance.models import DatasetVersion, Run, TrainedModel


def graph(
    *,
    viewer: Viewer,
    node_id: str,
    depth: int = 20,
    direction: str = "both",
    as_of: datetime | None = None,
    limit: int = 1_000,
) -> dict[str, Any]:
    """{"graph": [nodes with inEdges and outEdges], "truncated": whether `limit` cut it}.

    Versions are drawn as their dataset and runs as their job; they are walked one by one, so that
    one version's heirs are not taken for another's. Raises NodeUnknown.
    """
    start = find(viewer, node_id)
    ways: list[Direction] = ["upstream", "downstream"]
    walks = [
        walk(viewer=viewer, start=start, direction=way, depth=depth, as_of=as_of, limit=limit)
        for way in ways
        if direction in ("both", way)
    ]
    centre = node_id if node_id.startswith("run:") else ""
    return {
        "graph": _draw(viewer, walks, centre),
        "truncated": any(found.is_truncated for found in walks),
    }


def _draw(viewer: Viewer, walks: list[Walk], centre: str) -> list[dict[str, Any]]:
    """The nodes by name, each with what stands in it, and the edges between names."""
    members: dict[str, list[Node]] = defaultdict(list)
    edges: set[tuple[str, str]] = set()
    for found in walks:
        names = {key: _name(viewer, node, centre) for key, node in found.nodes.items()}
        for key, node in found.nodes.items():
            if all(node.thing != other.thing for other in members[names[key]]):
                members[names[key]].append(node)
        edges |= {(names[origin], names[destination]) for origin, destination in found.edges}
    into: dict[str, list[dict[str, str]]] = defaultdict(list)
    out_of: dict[str, list[dict[str, str]]] = defaultdict(list)
    for origin, destination in sorted(edges):
        edge = {"origin": origin, "destination": destination}
        into[destination].append(edge)
        out_of[origin].append(edge)
    return [
        {
            "id": name,
            "type": _type(nodes[0]),
            "data": _data(name, nodes),
            "inEdges": into[name],
            "outEdges": out_of[name],
        }
        for name, nodes in sorted(members.items())
    ]


def _name(viewer: Viewer, node: Node, centre: str) -> str:
    """The name under which the viewer sees a node."""
    thing = node.thing
    if isinstance(thing, Run):
        if node_id(thing) == centre:
            return centre
        local = thing.name or thing.pseudonym if node.is_shown else thing.pseudonym
        return f"job:{thing.lab.namespace}:{local}"
    if node.is_shown:
        return node_id(thing)
    # Another name for each viewer, so that two of them cannot put theirs together.
    pk = thing.dataset_id if isinstance(thing, DatasetVersion) else thing.pk
    masked = hashlib.sha256(bytes(viewer.party.salt) + pk.bytes).hexdigest()[:12]
    if isinstance(thing, TrainedModel):
        return f"model:{thing.lab.namespace}:model-{masked}"
    return f"dataset:others:dataset-{masked}"


def _type(node: Node) -> str:
    if isinstance(node.thing, Run):
        return "JOB"
    return "MODEL" if isinstance(node.thing, TrainedModel) else "DATASET"


def _data(name: str, nodes: list[Node]) -> dict[str, Any]:
    """What Marquez's clients read of a node, and what stands behind it where it may be seen."""
    _, namespace, local = name.split(":", 2) if name.count(":") > 1 else ("run", "", name)
    first = nodes[0].thing
    data: dict[str, Any] = {
        "id": {"namespace": namespace, "name": local},
        "namespace": namespace,
        "name": local,
        "simpleName": local,
        "isPseudonym": not nodes[0].is_shown,
    }
    if isinstance(first, Run):
        runs = [node.thing for node in nodes if isinstance(node.thing, Run)]
        return {**data, "type": "BATCH", "namespace": first.lab.namespace, **_runs(nodes, runs)}
    if isinstance(first, TrainedModel):
        return {**data, "type": "MODEL", "createdAt": moment(first.created_at)}
    versions = [node.thing for node in nodes if isinstance(node.thing, DatasetVersion)]
    newest = max(versions, key=lambda version: version.number)
    data |= {"type": "DB_TABLE", "physicalName": local, "sourceName": "tallymark", "fields": []}
    if nodes[0].is_shown:
        data["description"] = newest.dataset.title
        data["versions"] = sorted(version.number for version in versions)
        data["createdAt"] = moment(newest.dataset.created_at)
    return data


def _runs(nodes: list[Node], runs: list[Run]) -> dict[str, Any]:
    """The runs of a job: their ids only where they are the viewer's own."""
    if len({run.name for run in runs}) == 1 and nodes[0].is_shown and runs[0].name:
        label = runs[0].name
    else:
        label = runs[0].pseudonym
    return {
        "simpleName": label,
        "runs": [
            {
                "id": str(run.pk) if nodes[0].is_shown else None,
                "pseudonym": run.pseudonym,
                "purpose": run.purpose,
                "state": run.state,
                "startedAt": moment(run.started_at),
                "endedAt": moment(run.ended_at) if run.ended_at else None,
            }
            for run in sorted(runs, key=lambda run: (run.started_at, run.pk))
        ],
    }
