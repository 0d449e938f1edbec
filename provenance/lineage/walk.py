"""The walk: from level to level in a few queries each, every node once, nothing unseen."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from provenance.access import Viewer
from provenance.models import DatasetVersion, Derivation, Grant, Run, RunEdge, TrainedModel

Direction = Literal["upstream", "downstream"]
CONSUMED, PRODUCED = RunEdge.Direction.CONSUMED, RunEdge.Direction.PRODUCED


class Key(NamedTuple):
    """One node: a dataset version, a model, or a root run that stands for its whole family."""

    kind: Literal["version", "model", "run"]
    pk: uuid.UUID


Thing = DatasetVersion | TrainedModel | Run


@dataclass
class Node:
    """A node as one viewer may see it: in full, or under a pseudonym."""

    thing: Thing
    is_shown: bool


@dataclass
class Walk:
    """What was found from the start on: nodes, and edges from origin to destination."""

    nodes: dict[Key, Node] = field(default_factory=dict)
    edges: set[tuple[Key, Key]] = field(default_factory=set)
    is_truncated: bool = False


def walk(
    *,
    viewer: Viewer,
    start: Iterable[Thing],
    direction: Direction,
    depth: int,
    as_of: datetime | None,
    limit: int,
) -> Walk:
    """Everything up to `depth` steps from `start` that `viewer` may know of, `limit` nodes at most.

    What another party made is shown under a pseudonym where it came of the viewer's own data, and
    is a wall otherwise.
    """
    found = Walk()
    for thing in start:
        # Who may ask for a dataset or a published model by name knows the name already.
        is_known = not isinstance(thing, Run) and getattr(thing, "is_published", True)
        found.nodes[_key(thing)] = Node(thing, is_shown=is_known or _is_own(viewer, thing))
    # Nodes that are the viewer's own or came of them: what is made of these it may know, masked.
    of_own = _own(viewer, found.nodes)
    frontier = set(found.nodes)
    for _ in range(depth):
        steps = _steps(viewer, frontier, direction, as_of)
        heirs = {there for here, there in steps if here in of_own}
        fresh = _load({there for _, there in steps} - found.nodes.keys())
        seen = _seen_of(viewer, fresh, heirs, direction)
        room = limit - len(found.nodes)
        if len(seen) > room:
            found.is_truncated = True
            seen = dict(list(seen.items())[: max(room, 0)])
        found.nodes.update(seen)
        of_own |= _own(viewer, seen)
        if direction == "downstream":
            of_own |= heirs & found.nodes.keys()
        for here, there in steps:
            if there in found.nodes:
                found.edges.add((here, there) if direction == "downstream" else (there, here))
        frontier = set(seen)
        if not frontier or found.is_truncated:
            break
    return found


def _steps(
    viewer: Viewer, frontier: set[Key], direction: Direction, as_of: datetime | None
) -> set[tuple[Key, Key]]:
    """The steps that lead on from the frontier: (a node of it, the next node)."""
    into_runs = CONSUMED if direction == "downstream" else PRODUCED
    out_of_runs = PRODUCED if direction == "downstream" else CONSUMED
    by_kind: dict[str, list[uuid.UUID]] = {"version": [], "model": [], "run": []}
    for key in frontier:
        by_kind[key.kind].append(key.pk)
    data = Q(version__in=by_kind["version"]) | Q(model__in=by_kind["model"])
    runs = Q(run__in=by_kind["run"]) | Q(run__root__in=by_kind["run"])
    steps = set()
    if by_kind["version"] or by_kind["model"]:
        for run, item in _edges(viewer, data & Q(direction=into_runs), as_of):
            steps.add((item, run))
    if by_kind["version"]:
        steps |= _derived(by_kind["version"], direction, as_of)
    if by_kind["run"]:
        for run, item in _edges(viewer, runs & Q(direction=out_of_runs), as_of):
            steps.add((run, item))
    return steps


def _derived(
    versions: list[uuid.UUID], direction: Direction, as_of: datetime | None
) -> set[tuple[Key, Key]]:
    """The steps between versions and those that were made from them, with both owners' word."""
    made = Derivation.objects.filter(accepted_at__isnull=False)
    sealed = made.filter(child__versions__sealed_at__isnull=False)
    if as_of is not None:
        sealed = made.filter(accepted_at__lte=as_of, child__versions__sealed_at__lte=as_of)
    if direction == "downstream":
        rows = sealed.filter(source__in=versions).values_list("source", "child__versions")
    else:
        rows = sealed.filter(child__versions__in=versions).values_list("child__versions", "source")
    return {(Key("version", here), Key("version", there)) for here, there in rows}


def _edges(viewer: Viewer, which: Q, as_of: datetime | None) -> list[tuple[Key, Key]]:
    """(the root of the run, what it touched) for each edge that was known at `as_of`."""
    edges: QuerySet[RunEdge] = RunEdge.objects.known_to(viewer).filter(which)
    if as_of is not None:
        edges = edges.filter(known_at__lte=as_of)
    rows = edges.annotate(top=Coalesce("run__root", "run")).values_list(
        "top", "version_id", "model_id"
    )
    return [
        (Key("run", top), Key("version", version) if version else Key("model", model))
        for top, version, model in rows
    ]


def _load(keys: set[Key]) -> dict[Key, Thing]:
    """The rows of the keys, in one query for each kind."""
    pks: dict[str, list[uuid.UUID]] = {"version": [], "model": [], "run": []}
    for key in keys:
        pks[key.kind].append(key.pk)
    things: list[Thing] = []
    if pks["version"]:
        versions = DatasetVersion.objects.select_related("dataset__owner")
        things += versions.filter(pk__in=pks["version"])
    if pks["model"]:
        things += TrainedModel.objects.select_related("lab").filter(pk__in=pks["model"])
    if pks["run"]:
        things += Run.objects.select_related("lab").filter(pk__in=pks["run"])
    return {_key(thing): thing for thing in things}


def _key(thing: Thing) -> Key:
    if isinstance(thing, DatasetVersion):
        return Key("version", thing.pk)
    return Key("model", thing.pk) if isinstance(thing, TrainedModel) else Key("run", thing.top.pk)


def _seen_of(
    viewer: Viewer, things: dict[Key, Thing], heirs: set[Key], direction: Direction
) -> dict[Key, Node]:
    """Those that the viewer may know of, in a fixed order."""
    nodes = {}
    for key, thing in sorted(things.items()):
        node = _seen(viewer, thing, is_heir=key in heirs, direction=direction)
        if node is not None:
            nodes[key] = node
    return nodes


def _is_own(viewer: Viewer, thing: Thing) -> bool:
    owner = thing.dataset.owner_id if isinstance(thing, DatasetVersion) else thing.lab_id
    return viewer.is_operator or owner == viewer.party.pk


def _own(viewer: Viewer, nodes: dict[Key, Node]) -> set[Key]:
    return {key for key, node in nodes.items() if _is_own(viewer, node.thing)}


def _seen(viewer: Viewer, thing: Thing, *, is_heir: bool, direction: Direction) -> Node | None:
    """How the viewer sees a node, or None where it may not even know of it."""
    if _is_own(viewer, thing):
        return Node(thing, is_shown=True)
    if isinstance(thing, Run):
        return Node(thing, is_shown=False) if is_heir and direction == "downstream" else None
    if isinstance(thing, TrainedModel):
        if thing.is_published or (is_heir and shows_name(viewer, thing)):
            return Node(thing, is_shown=True)
        return Node(thing, is_shown=False) if is_heir else None
    # A run of the viewer's consumed it, so it knows its name from the catalogue.
    if direction == "upstream":
        return Node(thing, is_shown=True) if is_heir else None
    return Node(thing, is_shown=False) if is_heir else None


def shows_name(viewer: Viewer, model: TrainedModel) -> bool:
    """Whether the lab publishes the model's name, or a licence of the viewer requires it."""
    if model.is_published:
        return True
    return Grant.objects.filter(
        lab=model.lab_id, dataset__owner=viewer.party, terms__shows_model_name=True
    ).exists()
