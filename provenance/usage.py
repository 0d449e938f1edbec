"""What training jobs did: runs, what they used so far, and what came of it.

Usage is kept by (root run, subject, purpose). Streams (a rank, a process) send cumulative counters
and number their reports: streams of one meter add up, a repeat changes nothing, a missing number
shows. A use of something unknown, ungranted or withdrawn is a fact too: kept and flagged.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from provenance import coverage, edges, ledger, quoting, receipts, restrictions, streams, tenures
from provenance.edges import NotOurs
from provenance.models import (
    DatasetVersion,
    Party,
    Purpose,
    Quote,
    Run,
    RunEdge,
    TrainedModel,
    Usage,
)
from provenance.refusals import Refused
from provenance.streams import BadReport, Count

State = DatasetVersion.State


class RunIdTaken(Refused):
    """Another organisation has a run with this id."""

    code = "run_id_taken"
    hint = "Leave the id out, or choose a random UUID."


class ModelNameTaken(Refused):
    """That model exists and was registered otherwise."""

    code = "model_named_once"
    hint = "Give another version, or leave the model as it was registered."


@transaction.atomic
def start_run(
    *,
    lab: Party,
    purpose: str,
    name: str = "",
    parent: Run | None = None,
    run_id: uuid.UUID | None = None,
    quote: Quote | None = None,
    at: datetime,
    received_at: datetime | None = None,
) -> Run:
    """Begin a run, or join the one with this id: every rank of a job may say so.

    A run that begins while `quote` is valid is priced by it, if we hear of it (`received_at`, else
    `at`) no later than a silent run would lapse.
    """
    if purpose not in Purpose.values:
        raise BadReport(f"'{purpose}' is no purpose.", hint=f"One of: {', '.join(Purpose.values)}.")
    if parent is not None and parent.lab_id != lab.id:
        raise NotOurs("The parent run is another lab's.")
    quoting.require_fits(quote, lab=lab, purpose=purpose, parent=parent)
    if run_id is None or not Run.objects.filter(pk=run_id).exists():
        # A run that goes on is reported to its end.
        restrictions.require_active(lab, at)
    run_id = run_id or uuid.uuid4()
    said = {
        "lab": lab,
        "parent": parent,
        "root": parent.top if parent else None,
        "name": name,
        "pseudonym": _pseudonym(lab, run_id),
        "purpose": purpose,
        "quote": quote,
    }
    run, is_new = Run.objects.get_or_create(
        id=run_id, defaults={**said, "started_at": at, "last_heard_at": at}
    )
    if run.lab_id != lab.id:
        raise RunIdTaken
    if quote is not None and run.quote_id != quote.pk:
        raise quoting.QuoteNotOfRun
    if is_new:
        quoting.require_valid(quote, at, received_at or at)
        _record_start(run, at)
    return run


@transaction.atomic
def end_run(*, run: Run, at: datetime) -> Run:
    """Close a run; late reports still count. Safe to repeat."""
    locked = _locked(run)
    if locked.state != Run.State.ENDED:
        locked.state, locked.ended_at = Run.State.ENDED, at
        locked.last_heard_at = max(locked.last_heard_at, at)
        locked.save(update_fields=["state", "ended_at", "last_heard_at"])
        _record_run("run.ended", locked, at, {})
    run.state, run.ended_at = locked.state, locked.ended_at
    return locked


@transaction.atomic
def heartbeat(*, run: Run, at: datetime) -> None:
    """It still runs."""
    _hear(_locked(run.top), at)
    if run.root_id:
        _hear(_locked(run), at)


@transaction.atomic
def lapse_silent_runs(at: datetime) -> int:
    """Close runs of which nothing was heard for RUN_SILENCE_SECONDS; how many."""
    since = at - timedelta(seconds=settings.RUN_SILENCE_SECONDS)
    silent = Run.objects.select_related("lab").filter(
        state=Run.State.RUNNING, last_heard_at__lt=since
    )
    runs = list(silent.select_for_update(of=("self",), skip_locked=True).order_by("pk")[:1_000])
    for run in runs:
        run.state, run.ended_at = Run.State.LAPSED, run.last_heard_at
        run.save(update_fields=["state", "ended_at"])
        _record_run("run.lapsed", run, at, {"last_heard_at": run.last_heard_at})
    return len(runs)


@transaction.atomic
def report_usage(
    *,
    run: Run,
    subject: str,
    purpose: str,
    stream: str,
    sequence: int,
    count: Count,
    used_at: datetime,
    received_at: datetime,
    meter: str = "native",
    signed: receipts.Signed | None = None,
) -> Usage:
    """Record that `run` has used `subject` so far. Repeats and late reports are harmless.

    `subject`: the id of a version, "namespace/name@number", or "namespace/name" for the newest.
    A report from a less trusted meter than the usage's own is kept beside it and adds nothing.
    A `signed` one is the most trusted; raises receipts.SignedOtherwise where its stream said else.
    """
    streams.require_sound(purpose, stream, sequence, count)
    meter = receipts.METER if signed else meter
    root = _locked(run.top)
    _hear(root, received_at)
    if run.root_id:
        _hear(_locked(run), received_at)
    version = find_version(subject)
    usage, is_new = _usage_of(root, version, subject, purpose, meter, used_at, received_at)
    if signed:
        receipts.require_first(usage, signed)
    before = tenures.counters(usage)
    is_news = streams.note(usage, meter, stream, sequence, count, received_at, signed)
    says_more = (is_news and streams.add_up(usage, meter)) or is_new
    if is_news and signed:
        receipts.keep(signed, usage=usage, run=run, received_at=received_at)
    if not says_more:
        return usage
    tenures.keep_cut(before, version, used_at)
    usage.reported_at = received_at
    coverage.judge(usage, root, version, used_at)
    usage.is_signed = receipts.covering(usage) is not None
    usage.save()
    if version is not None:
        edges.add_consumed(run=run, version=version, at=used_at, received_at=received_at)
    coverage.record(usage, at=used_at)
    return usage


def _usage_of(
    root: Run,
    version: DatasetVersion | None,
    subject: str,
    purpose: str,
    meter: str,
    used_at: datetime,
    received_at: datetime,
) -> tuple[Usage, bool]:
    """The usage that a report is of, locked, and whether this is the first that is heard of it."""
    usage, is_new = Usage.objects.select_for_update(of=("self",)).get_or_create(
        run=root,
        subject=str(version.id) if version else subject[:300],
        purpose=purpose,
        defaults={
            "version": version,
            "meter": meter,
            "used_at": used_at,
            "reported_at": received_at,
            "revision": 0,
        },
    )
    usage.run = root
    return usage, is_new


def find_version(subject: str) -> DatasetVersion | None:
    """The sealed version that a report names, by id or by name; also one taken back since."""
    versions = DatasetVersion.objects.select_related("dataset__owner").filter(
        state__in=[State.SEALED, State.WITHDRAWN, State.ERASED]
    )
    try:
        return versions.filter(pk=uuid.UUID(subject)).first()
    except ValueError:
        pass
    path, _, number = subject.partition("@")
    namespace, _, name = path.partition("/")
    named = Q(dataset__owner__namespace=namespace, dataset__name=name)
    if not versions.filter(named).exists():
        named = Q(dataset=tenures.formerly(namespace, name))
    versions = versions.filter(named)
    if number:
        # Longer numbers than these fit no column, and so name nothing.
        is_number = number.isascii() and number.isdigit() and len(number) < 10
        return versions.filter(number=int(number)).first() if is_number else None
    return versions.order_by("-number").first()


@transaction.atomic
def register_model(
    *,
    lab: Party,
    name: str,
    version: str = "1",
    is_published: bool = False,
    run: Run | None = None,
    at: datetime,
) -> TrainedModel:
    """Register a model, and the run that made it. Safe to repeat."""
    if not lab.is_lab:
        raise NotOurs("Only a lab registers models.", hint="Ask the operator to make you a lab.")
    if run is not None and run.lab_id != lab.id:
        raise NotOurs("The run is another lab's.")
    model, is_new = TrainedModel.objects.get_or_create(
        lab=lab,
        name=name,
        version=version,
        defaults={"is_published": is_published, "created_at": at},
    )
    if not is_new and model.is_published != is_published:
        raise ModelNameTaken
    if is_new:
        ledger.record(
            "model.registered",
            at=at,
            subject_kind="model",
            subject_id=model.id,
            party=lab,
            body={"lab": lab.id, "is_published": is_published},
        )
    if run is not None:
        edges.add_edge(run=run, direction=RunEdge.Direction.PRODUCED, model=model, at=at)
    return model


def _hear(run: Run, at: datetime) -> None:
    """Something was heard of `run`; one that had lapsed is open again."""
    fields = []
    if at > run.last_heard_at:
        run.last_heard_at = at
        fields.append("last_heard_at")
    if run.state == Run.State.LAPSED:
        run.state, run.ended_at = Run.State.RUNNING, None
        fields += ["state", "ended_at"]
        _record_run("run.reopened", run, at, {})
    if fields:
        run.save(update_fields=fields)


def _locked(run: Run) -> Run:
    rows = Run.objects.select_related("lab", "root")
    return rows.select_for_update(of=("self",), no_key=True).get(pk=run.pk)


def _pseudonym(lab: Party, run_id: uuid.UUID) -> str:
    """What owners see of a run: stable, and telling nothing but that it is the same run."""
    return "run-" + hashlib.sha256(bytes(lab.salt) + run_id.bytes).hexdigest()[:12]


def _record_run(kind: str, run: Run, at: datetime, body: dict[str, Any]) -> None:
    ledger.record(kind, at=at, subject_kind="run", subject_id=run.id, party=run.lab, body=body)


def _record_start(run: Run, at: datetime) -> None:
    body: dict[str, Any] = {"purpose": run.purpose, "root": run.top.id, "parent": run.parent_id}
    if run.quote_id is not None:
        body["quote"] = run.quote_id
    _record_run("run.started", run, at, body)
