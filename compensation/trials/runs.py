"""Test runs: begun, heard of, ended, and what they read and made; as runs, without a trace."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime

from django.db import transaction

from compensation.models import TrialEdge, TrialModel, TrialQuote, TrialRun
from provenance import quoting, restrictions
from provenance.edges import NotOurs
from provenance.models import DatasetVersion, Party, Purpose, Run, RunEdge
from provenance.projects import Cap
from provenance.streams import BadReport
from provenance.usage import ModelNameTaken, RunIdTaken

State = Run.State


@transaction.atomic
def start_run(
    *,
    lab: Party,
    purpose: str,
    name: str = "",
    parent: TrialRun | None = None,
    run_id: uuid.UUID | None = None,
    quote: TrialQuote | None = None,
    project: str = "",
    cap: Cap | None = None,
    at: datetime,
    received_at: datetime,
) -> TrialRun:
    """Begin a test run, or join the one with this id. No money and no budget is asked for.

    Raises RunIdTaken, BadReport, restrictions.PartySuspended, and quoting's refusals.
    """
    _require_fits(quote, purpose, parent)
    restrictions.require_active(lab, at)
    run_id = run_id or uuid.uuid4()
    run, is_new = TrialRun.objects.get_or_create(
        id=run_id,
        defaults={
            "lab": lab,
            "made_at": received_at,
            "parent": parent,
            "root": parent.top if parent else None,
            "name": name,
            "pseudonym": f"test-{hashlib.sha256(run_id.bytes).hexdigest()[:12]}",
            "purpose": purpose,
            "quote": quote,
            "project": project,
            "cap_asset": cap.asset if cap else None,
            "cap_units": cap.units if cap else None,
            "started_at": at,
            "last_heard_at": at,
        },
    )
    if run.lab_id != lab.id:
        raise RunIdTaken
    if quote is not None:
        _require_of_run(quote, run, began_at=at if is_new else None)
    return run


def _require_fits(quote: TrialQuote | None, purpose: str, parent: TrialRun | None) -> None:
    """The purpose is one, and the quote is for it and for a whole job."""
    if purpose not in Purpose.values:
        raise BadReport(f"'{purpose}' is no purpose.", hint=f"One of: {', '.join(Purpose.values)}.")
    if quote is not None and quote.purpose != purpose:
        raise quoting.QuoteMisplaced(f"The quote is for '{quote.purpose}', the run '{purpose}'.")
    if quote is not None and parent is not None:
        raise quoting.QuoteMisplaced("A quote holds for a whole job: name it at the top.")


def _require_of_run(quote: TrialQuote, run: TrialRun, *, began_at: datetime | None) -> None:
    """The quote is the run's, and still held when the run began; None where it goes on."""
    if run.quote_id != quote.pk:
        raise quoting.QuoteNotOfRun
    if began_at is not None and not quote.created_at <= began_at < quote.valid_until:
        raise quoting.QuoteExpired


@transaction.atomic
def end_run(*, run: TrialRun, at: datetime) -> None:
    """Close a test run; late reports still count. Safe to repeat."""
    TrialRun.objects.filter(pk=run.pk).exclude(state=State.ENDED).update(
        state=State.ENDED, ended_at=at
    )
    heartbeat(run=run, at=at)


def heartbeat(*, run: TrialRun, at: datetime) -> None:
    """It still runs."""
    heard = TrialRun.objects.filter(pk__in=[run.pk, run.top.pk], last_heard_at__lt=at)
    heard.update(last_heard_at=at)


def raise_cap(*, run: TrialRun, cap: Cap) -> None:
    """Note the higher cap: a test run never waits for one. Raises NotOurs for a part of a job."""
    if run.root_id is not None:
        raise NotOurs("A cap is of a whole job.", hint="Raise the cap of the run at the top.")
    TrialRun.objects.filter(pk=run.pk).update(cap_asset=cap.asset, cap_units=cap.units)


@transaction.atomic
def register_model(
    *,
    lab: Party,
    name: str,
    version: str = "1",
    is_published: bool = False,
    run: TrialRun | None = None,
    at: datetime,
) -> TrialModel:
    """Register a model of tests, and the run that made it. Safe to repeat."""
    model, is_new = TrialModel.objects.get_or_create(
        lab=lab,
        name=name,
        version=version,
        defaults={"is_published": is_published, "created_at": at, "made_at": at},
    )
    if not is_new and model.is_published != is_published:
        raise ModelNameTaken
    if run is not None:
        add_edge(run=run, direction=RunEdge.Direction.PRODUCED, model=model, at=at)
    return model


def add_edge(
    *,
    run: TrialRun,
    direction: str,
    version: DatasetVersion | None = None,
    model: TrialModel | None = None,
    at: datetime,
) -> TrialEdge:
    """Say that a test run consumed or produced a version or a test model. Safe to repeat."""
    is_produced = direction == RunEdge.Direction.PRODUCED
    if is_produced and version is not None and version.dataset.owner_id != run.lab_id:
        raise NotOurs("A run produces only datasets of its own lab.")
    edge, _ = TrialEdge.objects.get_or_create(
        run=run,
        direction=direction,
        version=version,
        model=model,
        defaults={"lab": run.lab, "at": at, "made_at": at},
    )
    return edge
