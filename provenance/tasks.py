"""Doors for beat: each does what is due, and may run twice, late, or beside itself.

What goes wrong outside (a chain that does not answer, a contract not deployed yet) is logged and
tried again at the next beat: the rows that want work are still there.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from celery import shared_task
from django.conf import settings
from django.utils import timezone

from provenance import (
    anchor,
    conflicts,
    deployment,
    evm,
    gas,
    ledger,
    outbox,
    receipts,
    restore,
    signals,
    signers,
    usage,
)
from provenance.models import IdempotencyKey

log = structlog.get_logger(__name__)
SEAL_BATCH = 5_000
REPEATS_FOR = timedelta(days=7)
# What was reported lately is looked at often; some signs need time to show.
LATELY = timedelta(minutes=20)
LATER = timedelta(days=3)
# One task ends within seconds even after a bulk load; the next beat goes on.
BATCHES_AT_ONCE = 10
NOT_NOW = (
    deployment.ContractMissing,
    evm.ChainUnreachable,
    evm.WrongChain,
    outbox.ChainIsAhead,
    signers.KeyMissing,
)


@shared_task
def seal_events() -> None:
    """Number and chain what was committed since; another sealer at work is enough."""
    for _ in range(BATCHES_AT_ONCE):
        if ledger.seal(SEAL_BATCH, wait=False) < SEAL_BATCH:
            return


@shared_task
def anchor_events() -> None:
    """Make batches of sealed events for the chain, and note which are final there."""
    at = timezone.now()
    try:
        for _ in range(BATCHES_AT_ONCE):
            if anchor.anchor_next(at=at) is None:
                break
    except NOT_NOW as error:
        log.warning("anchoring waits", error=str(error))
    anchor.settle(at=at)


@shared_task
def send_outbox() -> None:
    """One pass of the outbox for every account with something open on the chain."""
    try:
        outbox.send_all(chain_id=settings.CHAIN_ID, at=timezone.now())
    except NOT_NOW as error:
        log.warning("sending waits", error=str(error))


@shared_task
def look_at_chain() -> None:
    """Stop writing where the chain knows more than our books; see who runs out of gas."""
    try:
        for finding in restore.look(at=timezone.now()):
            log.error("the chain and our books differ", finding=finding)
        gas.look(at=timezone.now())
    except NOT_NOW as error:
        log.warning("looking at the chain waits", error=str(error))


@shared_task
def lapse_runs() -> None:
    """Close runs of which nothing was heard for long."""
    usage.lapse_silent_runs(timezone.now())


@shared_task
def look_at_reports() -> None:
    """Raise reviews of what looks wrong in the last reports of use."""
    at = timezone.now()
    signals.raise_reviews(since=at - LATELY, at=at)


@shared_task
def look_at_reports_again() -> None:
    """The same over the last days: a gap that nothing filled shows only in time."""
    at = timezone.now()
    signals.raise_reviews(since=at - LATER, at=at)


@shared_task
def countersign_receipts() -> None:
    """Sign for the signed reports that were taken."""
    try:
        receipts.countersign()
    except signers.KeyMissing as error:
        log.warning("countersigning waits", error=str(error))


@shared_task
def pass_deadlines() -> None:
    """Release, refer or close what is due in conflicts."""
    conflicts.pass_deadlines(timezone.now())


@shared_task
def forget_answers() -> None:
    """Delete what was kept to answer repeats alike; nobody repeats a request after a week."""
    before = timezone.now() - REPEATS_FOR
    IdempotencyKey.objects.filter(created_at__lt=before).delete()
