"""What runs consumed and produced: the steps of lineage."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from provenance import ledger
from provenance.models import DatasetVersion, Run, RunEdge, TrainedModel
from provenance.refusals import Refused
from provenance.streams import BadReport


class NotOurs(Refused):
    """A run can only be tied to what its own lab has."""

    code = "not_ours"
    status = 403
    hint = "Name a parent run, model or dataset of the lab whose run it is."


def add_consumed(
    *, run: Run, version: DatasetVersion, at: datetime, received_at: datetime
) -> RunEdge:
    """Say that `run` consumed `version`, as a report of its use tells."""
    consumed = RunEdge.Direction.CONSUMED
    return add_edge(run=run, direction=consumed, version=version, at=at, received_at=received_at)


@transaction.atomic
def add_edge(
    *,
    run: Run,
    direction: str,
    version: DatasetVersion | None = None,
    model: TrainedModel | None = None,
    at: datetime,
    received_at: datetime | None = None,
) -> RunEdge:
    """Say that `run` consumed or produced a version or a model. Safe to repeat.

    Lineage of past moments shows it from `received_at` on, else from `at`.
    """
    if (version is None) == (model is None) or direction not in RunEdge.Direction.values:
        raise BadReport(
            "An edge joins a run with one version or one model.",
            hint="Name either a version or a model, and 'consumed' or 'produced'.",
        )
    is_produced = direction == RunEdge.Direction.PRODUCED
    if is_produced and version is not None and version.dataset.owner_id != run.lab_id:
        raise NotOurs("A run produces only datasets of its own lab.")
    if model is not None and model.lab_id != run.lab_id and (is_produced or not model.is_published):
        raise NotOurs("The model is another lab's.")
    edge, is_new = RunEdge.objects.get_or_create(
        run=run,
        direction=direction,
        version=version,
        model=model,
        defaults={"at": at, "known_at": received_at or at},
    )
    if is_new:
        _record_edge(edge, at)
    return edge


def _record_edge(edge: RunEdge, at: datetime) -> None:
    """Owners read the events of their data, and know a run by its pseudonym alone."""
    run, version = edge.run, edge.version
    body = {"run": run.pseudonym, "version": edge.version_id, "model": edge.model_id}
    ledger.record(
        f"run.{edge.direction}",
        at=at,
        subject_kind="version" if version else "model",
        subject_id=version.id if version else edge.model_id,
        party=run.lab,
        other_party=version.dataset.owner if version else None,
        body=body,
    )
