"""Brings a spool's reports to the service; what cannot be brought now stays in the spool."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallymark.client import Client, Problem, Unreachable
from tallymark.signing import CannotSign
from tallymark.spool import Report, Spool, left_behind

log = logging.getLogger("tallymark")

BATCH_REPORTS = 500
BATCH_NAMES = 2_000
# A job that still counts is asked for no more batches than this before the next pause.
ROUNDS = 10
REFUSED = frozenset({400, 422})


@dataclass(frozen=True)
class Flushed:
    """What became of the spools in a folder."""

    delivered: int = 0
    kept: int = 0
    foreign: int = 0


def deliver(spool: Spool, client: Client, *, is_left: bool = False) -> None:
    """Start the run, send its reports, and end it if it ended; raises Problem or Unreachable.

    Nobody adds to a spool that `is_left`: all of it is sent.
    """
    _start(spool, client)
    state, rounds = spool.state, 0
    while rounds < ROUNDS or state.closed_at or is_left:
        reports = spool.take(BATCH_REPORTS)
        if not reports:
            break
        _send(spool, client, reports)
        rounds += 1
    _name_models(spool, client)
    _name_records(spool, client)
    if state.closed_at and state.is_empty() and not state.is_done:
        if state.ends_run and state.run:
            client.end_run(state.run["run_id"], state.closed_at)
        spool.add({"done": True})


def flush(folder: Path, client: Client) -> Flushed:
    """Deliver what dead processes left in `folder`; stops at the first that cannot be sent."""
    delivered = kept = foreign = 0
    for spool in left_behind(folder):
        if not is_of(spool, client):
            foreign += 1
            continue
        try:
            deliver(spool, client, is_left=True)
        except (CannotSign, Problem, Unreachable) as error:
            log.warning("tallymark: %s stays in the spool: %s", spool.path.name, error)
            kept += 1
            if isinstance(error, Unreachable):
                break
            continue
        if spool.state.is_empty():
            spool.remove()
            delivered += 1
    return Flushed(delivered, kept, foreign)


def identity(client: Client) -> dict[str, str]:
    """Where and for whom reports are meant: the address, and the public part of the key."""
    return {"url": client.url, "key": "_".join(client.key.split("_")[:2])}


def is_of(spool: Spool, client: Client) -> bool:
    """Whether a spool was meant for this service and this key (or for none in particular)."""
    meant: dict[str, Any] = spool.state.run.get("for") or {}
    here = identity(client)
    return all(not meant.get(name) or meant[name] == here[name] for name in here)


def _start(spool: Spool, client: Client) -> None:
    """Tell the service of the run, unless it knows."""
    run = spool.state.run
    if spool.state.is_started or not run:
        return
    facts = {name: run[name] for name in ("run_id", "parent", "started_at")}
    # Whose budget pays is never left out: without money or budget the run waits in the spool.
    budget = ("project", "cap_units", "cap_asset")
    facts |= {name: run[name] for name in budget if run.get(name) is not None}
    offers = {name: run[name] for name in ("quote", "plan") if run.get(name)}
    while not spool.state.is_started:
        try:
            client.start_run(run["purpose"], run["name"], **facts, **offers)
        except Problem as problem:
            if problem.code == "bad_cap" and facts.keys() & {"cap_units", "cap_asset"}:
                facts = {name: facts[name] for name in facts if not name.startswith("cap_")}
                log.warning("tallymark: the cap was refused: %s", problem)
                continue
            if not offers or problem.status not in REFUSED | {403, 404, 409}:
                raise
            # What was used is told in any case: without the plan, at the price without a quote.
            name, offer = offers.popitem()
            log.warning("tallymark: %s %s was refused: %s", name, offer, problem)
        else:
            spool.add({"started": True})


def _send(spool: Spool, client: Client, reports: list[Report]) -> None:
    """Send a batch; if it is refused, one by one, so that a bad report holds up no other."""
    try:
        client.report_usages([_body(spool, report) for report in reports])
    except Problem as problem:
        if problem.code == "run_unknown":
            spool.add({"started": False})
        if problem.status not in REFUSED:
            raise
        if len(reports) > 1:
            for report in reports:
                _send(spool, client, [report])
            return
        log.warning("tallymark: a report on %s was refused: %s", reports[0].subject, problem)
    spool.add(*({"sent": [r.subject, r.purpose, r.sequence]} for r in reports))


def _name_models(spool: Spool, client: Client) -> None:
    """Register what the run made; a model that is refused holds up no other."""
    for (name, version), facts in list(spool.state.models.items()):
        try:
            client.register_model(**facts, run=spool.state.run["run_id"])
        except Problem as problem:
            if problem.status not in REFUSED | {403, 409}:
                raise
            log.warning("tallymark: the model %s:%s was refused: %s", name, version, problem)
        spool.add({"model_sent": [name, version]})


def _name_records(spool: Spool, client: Client) -> None:
    """Name the single records that were read; names that are refused hold up nothing."""
    with spool.lock:
        waiting = [(key, dict(counts)) for key, counts in spool.state.named.items()]
    for (subject, purpose), counts in waiting:
        names = list(counts.items())
        for start in range(0, len(names), BATCH_NAMES):
            some = dict(names[start : start + BATCH_NAMES])
            try:
                client.name_records(
                    spool.state.run["run_id"],
                    subject,
                    some,
                    purpose=purpose,
                    stream=spool.state.run["stream"],
                )
            except Problem as problem:
                if problem.status not in REFUSED | {403, 404, 405, 409}:
                    raise
                log.warning("tallymark: names of %s were refused: %s", subject, problem)
            spool.add({"named_sent": [subject, purpose, some]})


def _body(spool: Spool, report: Report) -> dict[str, Any]:
    """A report as the API takes it."""
    return {
        "run": spool.state.run["run_id"],
        "stream": spool.state.run["stream"],
        "subject": report.subject,
        "purpose": report.purpose,
        "sequence": report.sequence,
        "records": report.records,
        "tokens": report.tokens,
        "epochs": report.epochs,
        "fetches": report.fetches,
        "used_at": report.used_at,
    }
