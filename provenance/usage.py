"""What training jobs did: runs, what they used so far, and what came of it.

Usage is kept by (root run, subject, purpose). Streams (a rank, a process) send cumulative counters
and number their reports: streams of one meter add up, a repeat changes nothing, a missing number
shows. A use of something unknown, ungranted or withdrawn is a fact too: kept and flagged.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from provenance import ledger, quoting, receipts, restrictions, sequences, tenures
from provenance.models import (
    DatasetVersion,
    Grant,
    Party,
    Purpose,
    Quote,
    Run,
    RunEdge,
    TrainedModel,
    Usage,
    UsageReport,
)
from provenance.refusals import Refused

State = DatasetVersion.State
# One meter is authoritative for a usage, the highest here that reported; others are evidence.
METERS = {receipts.METER: 5, "framework": 4, "native": 4, "mlflow": 3, "openlineage": 3, "hub": 2}
LEAST_METER = 1
LARGEST_COUNT = 2**53 - 1


class RunIdTaken(Refused):
    """Another organisation has a run with this id."""

    code = "run_id_taken"
    hint = "Leave the id out, or choose a random UUID."


class NotOurs(Refused):
    """A run can only be tied to what its own lab has."""

    code = "not_ours"
    status = 403
    hint = "Name a parent run, model or dataset of the lab whose run it is."


class ModelNameTaken(Refused):
    """That model exists and was registered otherwise."""

    code = "model_named_once"
    hint = "Give another version, or leave the model as it was registered."


class BadReport(Refused):
    """That report cannot be."""

    code = "bad_report"
    status = 400
    hint = "Send whole, cumulative counters that are not negative, and number the reports from 1."


@dataclass(frozen=True)
class Count:
    """How much was used so far: whole numbers that only grow."""

    records: int = 0
    tokens: int = 0
    epochs: int = 0
    fetches: int = 0


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
    run, is_new = Run.objects.get_or_create(
        id=run_id,
        defaults={
            "lab": lab,
            "parent": parent,
            "root": parent.top if parent else None,
            "name": name,
            "pseudonym": _pseudonym(lab, run_id),
            "purpose": purpose,
            "quote": quote,
            "started_at": at,
            "last_heard_at": at,
        },
    )
    if run.lab_id != lab.id:
        raise RunIdTaken
    if quote is not None and run.quote_id != quote.pk:
        raise quoting.QuoteNotOfRun
    if is_new:
        quoting.require_valid(quote, at, received_at or at)
        body = {"purpose": purpose, "root": run.top.id, "parent": parent.id if parent else None}
        if quote is not None:
            body["quote"] = quote.pk
        _record_run("run.started", run, at, body)
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
    _require_sound(purpose, stream, sequence, count)
    meter = receipts.METER if signed else meter
    root = _locked(run.top)
    _hear(root, received_at)
    if run.root_id:
        _hear(_locked(run), received_at)
    version = find_version(subject)
    usage, is_new = _usage_of(root, version, subject, purpose, meter, used_at, received_at)
    if signed:
        receipts.require_first(usage, signed)
    mark = signed.mark if signed else None
    before = tenures.counters(usage)
    is_news = _note(usage, meter, stream, sequence, count, received_at, mark)
    says_more = (is_news and _add_up(usage, meter)) or is_new
    if is_news and signed:
        receipts.keep(signed, usage=usage, run=run, received_at=received_at)
    if not says_more:
        return usage
    tenures.keep_cut(before, version, used_at)
    usage.reported_at = received_at
    _judge(usage, root, version, used_at)
    commitment = receipts.covering(usage)
    usage.is_signed = commitment is not None
    usage.save()
    if version is not None:
        add_edge(run=run, direction=RunEdge.Direction.CONSUMED, version=version, at=used_at)
    _record_use(usage, root, used_at, commitment)
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
    return Usage.objects.select_for_update(of=("self",)).get_or_create(
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
        add_edge(run=run, direction=RunEdge.Direction.PRODUCED, model=model, at=at)
    return model


@transaction.atomic
def add_edge(
    *,
    run: Run,
    direction: str,
    version: DatasetVersion | None = None,
    model: TrainedModel | None = None,
    at: datetime,
) -> RunEdge:
    """Say that `run` consumed or produced a version or a model. Safe to repeat."""
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
        run=run, direction=direction, version=version, model=model, defaults={"at": at}
    )
    if is_new:
        _record_edge(edge, at)
    return edge


def _require_sound(purpose: str, stream: str, sequence: int, count: Count) -> None:
    if purpose not in Purpose.values:
        raise BadReport(f"'{purpose}' is no purpose.", hint=f"One of: {', '.join(Purpose.values)}.")
    if not stream or len(stream) > 100 or sequence < 0:
        raise BadReport("A report needs the name of its stream, and its number in it.")
    for counter in astuple(count):
        if not 0 <= counter <= LARGEST_COUNT:
            raise BadReport(f"{counter} is no count.")


def _note(
    usage: Usage,
    meter: str,
    stream: str,
    sequence: int,
    count: Count,
    received_at: datetime,
    mark: bytes | None,
) -> bool:
    """Keep the stream's last word; whether it said anything new. Counters never go back."""
    report, _ = UsageReport.objects.get_or_create(
        usage=usage,
        meter=meter,
        stream=stream,
        defaults={"sequence": -1, "received_at": received_at},
    )
    if sequence <= report.sequence:
        _miss(report, sequence, received_at)
        return False
    _miss(report, sequence, received_at)
    report.sequence, report.received_at, report.mark = sequence, received_at, mark
    report.record_count = max(report.record_count, count.records)
    report.token_count = max(report.token_count, count.tokens)
    report.epoch_count = max(report.epoch_count, count.epochs)
    report.fetch_count = max(report.fetch_count, count.fetches)
    report.save()
    return True


def _miss(report: UsageReport, sequence: int, received_at: datetime) -> None:
    """Keep which numbers of the stream are missing; one that comes late fills its gap."""
    missing = sequences.heard(report.missing, max(report.sequence, 0), sequence)
    if missing == report.missing:
        return
    report.missing, report.has_gap = missing, bool(missing)
    report.gap_since = (report.gap_since or received_at) if missing else None
    report.save(update_fields=["missing", "has_gap", "gap_since"])


def _add_up(usage: Usage, meter: str) -> bool:
    """Set the counters from the streams of the most trusted meter; whether they say more.

    What was unsigned and is signed now says more, also where the counters are the same.
    """
    is_first_signed = meter == receipts.METER != usage.meter
    if METERS.get(meter, LEAST_METER) > METERS.get(usage.meter, LEAST_METER):
        usage.meter = meter
        usage.save(update_fields=["meter"])
    before = _counters(usage)
    reports = list(usage.reports.filter(meter=usage.meter))
    # Each rank of a job counts the same epochs, but its own records, tokens and fetches.
    usage.record_count = max(usage.record_count, sum(each.record_count for each in reports))
    usage.token_count = max(usage.token_count, sum(each.token_count for each in reports))
    usage.fetch_count = max(usage.fetch_count, sum(each.fetch_count for each in reports))
    usage.epoch_count = max(usage.epoch_count, *(each.epoch_count for each in reports), 0)
    return is_first_signed or before != _counters(usage)


def _counters(usage: Usage) -> tuple[int, ...]:
    return (usage.record_count, usage.token_count, usage.epoch_count, usage.fetch_count)


def _judge(usage: Usage, root: Run, version: DatasetVersion | None, used_at: datetime) -> None:
    """Make the next revision, with its grant and flags.

    A grant once found stays: a started run continues.
    """
    usage.revision += 1
    usage.used_at = max(usage.used_at, used_at)
    usage.is_unknown = version is None
    if version is None:
        return
    if usage.grant_id is None:
        quoted = quoting.quoted(root, version, usage.purpose)
        usage.grant = Grant.objects.covering(
            lab=root.lab,
            version=version,
            purpose=usage.purpose,
            at=used_at,
            licence=quoted.licence_id if quoted else None,
        )
        usage.rate = quoting.rate_of(usage.grant, quoted)
    is_own = version.dataset.owner_id == root.lab_id
    usage.is_ungranted = usage.grant_id is None and not is_own
    taken_back = version.state != State.SEALED
    since = version.withdrawn_at or version.erased_at
    if taken_back and since is not None and used_at >= since:
        usage.is_of_withdrawn = True


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


def _record_use(usage: Usage, root: Run, at: datetime, commitment: bytes | None) -> None:
    version = usage.version
    ledger.record(
        "dataset.used",
        at=at,
        subject_kind="usage",
        subject_id=usage.id,
        party=root.lab,
        other_party=version.dataset.owner if version else None,
        body={
            "run": root.pseudonym,
            "version": usage.version_id,
            "purpose": usage.purpose,
            "meter": usage.meter,
            "grant": usage.grant_id,
            "revision": usage.revision,
            "records": usage.record_count,
            "tokens": usage.token_count,
            "epochs": usage.epoch_count,
            "fetches": usage.fetch_count,
            "is_unknown": usage.is_unknown,
            "is_ungranted": usage.is_ungranted,
            "is_of_withdrawn": usage.is_of_withdrawn,
            **({"receipts": commitment} if commitment else {}),
        },
    )
