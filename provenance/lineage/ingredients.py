"""What a model is made of, for its lab; and which models were made of a dataset, for its owner."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from provenance.access import NotAllowed, Viewer
from provenance.lineage.walk import Walk, shows_name, walk
from provenance.models import Dataset, DatasetVersion, Run, TrainedModel, Usage

DEPTH = 100
LIMIT = 20_000
ALL_PARTS = 1_000_000


@dataclass(frozen=True)
class Ingredient:
    """One dataset version in a model: whose, on what terms, how much of it was used.

    Tokens are counted as they are priced: by the version's sealed count where records were counted,
    else by the lab's. `parts` are those of all tokens used, in millionths (null where none were).
    """

    version_id: uuid.UUID | None
    dataset: str
    owner: str
    purpose: str
    licence: str
    spdx: str
    grant_id: uuid.UUID | None
    grant_state: str
    run: str
    record_count: int
    token_count: int
    epoch_count: int
    parts: int | None
    used_at: datetime
    is_unknown: bool
    is_ungranted: bool
    is_of_withdrawn: bool


@dataclass(frozen=True)
class Ingredients:
    """All that is known to have gone into a model, and what is missing or wrong."""

    model_id: uuid.UUID
    model: str
    version: str
    lab: str
    runs: tuple[str, ...]
    rows: tuple[Ingredient, ...]
    base_models: tuple[str, ...]
    record_count: int
    token_count: int
    gaps: tuple[str, ...]


def ingredients(model: TrainedModel, viewer: Viewer) -> Ingredients:
    """What went into `model`, through everything its lab made on the way; for its lab alone."""
    if not viewer.is_operator and model.lab_id != viewer.party.pk:
        raise NotAllowed(_("Only the lab that made a model sees what it is made of."))
    found = walk(
        viewer=viewer, start=[model], direction="upstream", depth=DEPTH, as_of=None, limit=LIMIT
    )
    runs = [node.thing for node in found.nodes.values() if isinstance(node.thing, Run)]
    usages = list(
        Usage.objects.filter(run__in=runs)
        .select_related("run", "version__dataset__owner", "grant__licence")
        .order_by("used_at", "id")
    )
    tokens = sum(usage.tokens_used for usage in usages)
    bases = [
        f"{base.lab.namespace}/{base}"
        for node in found.nodes.values()
        if isinstance(base := node.thing, TrainedModel) and base.lab_id != model.lab_id
    ]
    return Ingredients(
        model_id=model.pk,
        model=model.name,
        version=model.version,
        lab=model.lab.name,
        runs=tuple(sorted(str(run) for run in runs)),
        rows=tuple(_ingredient(usage, tokens) for usage in usages),
        base_models=tuple(sorted(bases)),
        record_count=sum(usage.record_count for usage in usages),
        token_count=tokens,
        gaps=tuple(_gaps(found, usages, bases)),
    )


def models_of(dataset: Dataset, viewer: Viewer) -> list[dict[str, Any]]:
    """The models made of a dataset and their runs, as far as its owner may know them.

    Each: {"model": name or None, "lab", "run": pseudonym, "purpose", "used_at", "records",
    "tokens", "is_direct": whether the run used the dataset itself}.
    """
    if not viewer.is_operator and dataset.owner_id != viewer.party.pk:
        raise NotAllowed(_("Only a dataset's owner sees which models were made of it."))
    versions = DatasetVersion.objects.select_related("dataset__owner").filter(
        dataset=dataset, sealed_at__isnull=False
    )
    found = walk(
        viewer=viewer,
        start=versions,
        direction="downstream",
        depth=DEPTH,
        as_of=None,
        limit=LIMIT,
    )
    used = _used(viewer, dataset, found)
    rows = []
    for origin, destination in sorted(found.edges):
        model, run = found.nodes[destination].thing, found.nodes[origin].thing
        if isinstance(model, TrainedModel) and isinstance(run, Run):
            may_name = viewer.is_operator or shows_name(viewer, model)
            is_named = may_name or model.lab_id == viewer.party.pk
            rows.append({**_use(run, used), "model": str(model) if is_named else None})
    return rows


def _ingredient(usage: Usage, tokens: int) -> Ingredient:
    version, grant = usage.version, usage.grant
    return Ingredient(
        version_id=usage.version_id,
        dataset=str(version) if version else usage.subject,
        owner=version.dataset.owner.name if version else "",
        purpose=usage.purpose,
        licence=grant.licence.name if grant else "",
        spdx=grant.licence.spdx if grant else "",
        grant_id=usage.grant_id,
        grant_state=grant.state if grant else "",
        run=str(usage.run),
        record_count=usage.record_count,
        token_count=usage.tokens_used,
        epoch_count=usage.epoch_count,
        parts=usage.tokens_used * ALL_PARTS // tokens if tokens else None,
        used_at=usage.used_at,
        is_unknown=usage.is_unknown,
        is_ungranted=usage.is_ungranted,
        is_of_withdrawn=usage.is_of_withdrawn,
    )


def _gaps(found: Walk, usages: list[Usage], bases: list[str]) -> list[str]:
    """What a reader must know is missing, in words."""
    gaps = []
    if not any(isinstance(node.thing, Run) for node in found.nodes.values()):
        gaps.append(_("No run is known to have made this model."))
    for usage in usages:
        gaps += _gaps_of(usage)
    reported = {usage.version_id for usage in usages}
    consumed = {origin for origin, destination in found.edges if destination.kind == "run"}
    for key in sorted(consumed):
        thing = found.nodes[key].thing
        if isinstance(thing, DatasetVersion) and thing.pk not in reported:
            gaps.append(_("How much of %(thing)s was used is not reported.") % {"thing": thing})
    own = _("What %(base)s is made of is its own lab's to say.")
    gaps += [own % {"base": base} for base in bases]
    if found.is_truncated:
        more = _("There is more than the %(count)s nodes that were looked at.")
        gaps.append(more % {"count": f"{LIMIT:,}"})
    return gaps


def _gaps_of(usage: Usage) -> list[str]:
    named = {
        "thing": usage.version or usage.subject,
        "purpose": usage.get_purpose_display(),
    }
    gaps = []
    if usage.is_unknown:
        gaps.append(_("'%(thing)s' is not registered: nothing is known of its owner."))
    elif usage.is_ungranted:
        gaps.append(_("%(thing)s was used for %(purpose)s unlicensed."))
    if usage.is_of_withdrawn:
        gaps.append(_("%(thing)s was used after it was withdrawn."))
    if usage.reports.filter(has_gap=True).exists():
        gaps.append(_("Reports on %(thing)s are missing numbers."))
    return [gap % named for gap in gaps]


def _used(viewer: Viewer, dataset: Dataset, found: Walk) -> dict[uuid.UUID, list[Usage]]:
    """The usages of the dataset by the runs that were found, as far as the viewer may know them."""
    runs = [key.pk for key in found.nodes if key.kind == "run"]
    used: dict[uuid.UUID, list[Usage]] = {}
    seen = Usage.objects.visible_to(viewer)
    for usage in seen.filter(Q(run__in=runs), version__dataset=dataset):
        used.setdefault(usage.run_id, []).append(usage)
    return used


def _use(run: Run, used: dict[uuid.UUID, list[Usage]]) -> dict[str, Any]:
    """One run's use of the dataset, summed over its versions."""
    usages = used.get(run.pk, [])
    return {
        "lab": run.lab.name,
        "run": run.pseudonym,
        "purpose": run.purpose,
        "used_at": max((usage.used_at for usage in usages), default=run.started_at),
        "records": sum(usage.record_count for usage in usages),
        "tokens": sum(usage.token_count for usage in usages),
        "is_direct": bool(usages),
    }
