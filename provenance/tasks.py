"""Doors for beat: each does what is due, and may run twice, late, or beside itself.

What goes wrong outside (a chain that does not answer, a contract not deployed yet) is logged and
tried again at the next beat: the rows that want work are still there.
"""

from __future__ import annotations

import time
from datetime import timedelta

import structlog
from celery import shared_task
from django.utils import timezone

from provenance import (
    anchor,
    chains,
    conflicts,
    coverage,
    deployment,
    evm,
    gas,
    ledger,
    mailing,
    outbox,
    ownership,
    proposals,
    receipts,
    reminders,
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
ANSWERING_SECONDS = 20.0
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
    chains.on_each(
        lambda chain_id: len(outbox.send_all(chain_id=chain_id, at=timezone.now())),
        unless=NOT_NOW,
        waits="sending waits",
    )


@shared_task
def look_at_chain() -> None:
    """Stop writing where a chain knows more than our books; see who runs out of gas."""
    chains.on_each(_look_at, unless=NOT_NOW, waits="looking at the chain waits")


def _look_at(chain_id: int) -> int:
    found = restore.look(chain_id=chain_id, at=timezone.now())
    for finding in found:
        log.error("the chain and our books differ", finding=finding)
    gas.look(chain_id=chain_id, at=timezone.now())
    return len(found)


@shared_task
def lapse_runs() -> None:
    """Close runs of which nothing was heard for long."""
    usage.lapse_silent_runs(timezone.now())


@shared_task
def cover_uses() -> None:
    """Put uses under grants that were given in time, where that was not done at once."""
    coverage.cover_missed(at=timezone.now())


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
    """Release, refer or close what is due in conflicts; end proposals that nobody approved."""
    conflicts.pass_deadlines(timezone.now())
    proposals.expire(at=timezone.now())
    ownership.expire_transfers(at=timezone.now())


@shared_task
def answer_in_bulk() -> None:
    """Go on with answers to many conflicts that the page did not finish by itself."""
    end = time.monotonic() + ANSWERING_SECONDS
    for pk in conflicts.unfinished().values_list("pk", flat=True):
        conflicts.advance(pk, clock=timezone.now, seconds=end - time.monotonic())


@shared_task
def mail_notices() -> None:
    """Mail what is due: notices at once, and days that begin."""
    mailing.send_due(at=timezone.now())


@shared_task
def post_webhooks() -> None:
    """Post what is due to the addresses of parties."""
    # aiohttp takes a while to load, and only this task posts.
    from provenance.webhooks import posting

    for _ in range(BATCHES_AT_ONCE):
        if not posting.post_due(at=timezone.now()):
            return


@shared_task
def remind_of_deadlines() -> None:
    """Recall deadlines that are near, and do what follows those that passed."""
    at = timezone.now()
    reminders.remind(at=at)
    reminders.pass_deadlines(at=at)


@shared_task
def forget_answers() -> None:
    """Delete what was kept to answer repeats alike; nobody repeats a request after a week."""
    before = timezone.now() - REPEATS_FOR
    IdempotencyKey.objects.filter(created_at__lt=before).delete()
