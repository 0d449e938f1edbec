"""Names of nodes, as Marquez writes them, and what stands behind a name that somebody gave."""

from __future__ import annotations

import uuid

from django.db.models import Q
from django.utils.translation import gettext as _

from provenance.access import Viewer
from provenance.lineage.walk import Thing
from provenance.models import Dataset, DatasetVersion, Run, RunEdge, TrainedModel
from provenance.refusals import Refused

State = DatasetVersion.State


class NodeUnknown(Refused):
    """There is no such node, or it is not yours to see."""

    code = "node_unknown"
    status = 404
    hint = (
        "Write dataset:NAMESPACE:NAME, job:NAMESPACE:NAME, model:NAMESPACE:NAME or run:UUID, as "
        "your pages and the catalogue name them."
    )


def node_id(thing: Dataset | Thing) -> str:
    """The name of the node in which a dataset, version, model or run stands."""
    if isinstance(thing, DatasetVersion):
        thing = thing.dataset
    if isinstance(thing, Dataset):
        return f"dataset:{thing.owner.namespace}:{thing.name}"
    if isinstance(thing, TrainedModel):
        return f"model:{thing.lab.namespace}:{thing.name}"
    return f"run:{thing.pk}"


def find(viewer: Viewer, name: str) -> list[Thing]:
    """What `name` stands for and `viewer` may see; raises NodeUnknown where that is nothing."""
    kind, _colon, rest = name.partition(":")
    namespace, _colon, local = rest.partition(":")
    finders = {"dataset": _versions, "model": _models, "job": _jobs}
    found: list[Thing]
    if kind == "run":
        found = _run(viewer, rest)
    elif kind in finders and namespace and local:
        found = finders[kind](viewer, namespace, local)
    else:
        found = []
    if not found:
        raise NodeUnknown(_("There is no '%(name)s' that you may see.") % {"name": name})
    return found


def _versions(viewer: Viewer, namespace: str, name: str) -> list[Thing]:
    listed = Dataset.objects.listed_for(viewer).filter(owner__namespace=namespace, name=name)
    states = [State.SEALED, State.WITHDRAWN, State.ERASED]
    versions = DatasetVersion.objects.select_related("dataset__owner")
    return list(versions.filter(dataset__in=listed, state__in=states))


def _models(viewer: Viewer, namespace: str, name: str) -> list[Thing]:
    models = TrainedModel.objects.select_related("lab").filter(lab__namespace=namespace, name=name)
    if not viewer.is_operator:
        models = models.filter(Q(lab=viewer.party) | Q(is_published=True))
    return list(models)


def _jobs(viewer: Viewer, namespace: str, name: str) -> list[Thing]:
    runs = Run.objects.select_related("lab").filter(lab__namespace=namespace, root=None)
    own = runs.filter(name=name) if _knows(viewer, namespace) else runs.none()
    masked = runs.filter(pseudonym=name)
    return [*own, *(run for run in masked if _may_know(viewer, run))]


def _run(viewer: Viewer, text: str) -> list[Thing]:
    try:
        run = Run.objects.select_related("lab", "root__lab").get(pk=uuid.UUID(text))
    except (ValueError, Run.DoesNotExist):
        return []
    return [run.top] if viewer.is_operator or run.lab_id == viewer.party.pk else []


def _knows(viewer: Viewer, namespace: str) -> bool:
    return viewer.is_operator or viewer.party.namespace == namespace


def _may_know(viewer: Viewer, run: Run) -> bool:
    """An owner knows the pseudonyms of the runs that used its data."""
    if viewer.is_operator or run.lab_id == viewer.party.pk:
        return True
    edges = RunEdge.objects.known_to(viewer).filter(Q(run=run) | Q(run__root=run))
    return edges.filter(version__dataset__owner=viewer.party).exists()
