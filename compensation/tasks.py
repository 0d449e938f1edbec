"""What money does by itself, again and again: each task asks what is due, and may run twice."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from celery import shared_task
from django.conf import settings
from django.utils import timezone

from compensation import (
    billing,
    budgets,
    holdback,
    holds,
    invoices,
    payments,
    payouts,
    periods,
    policies,
    pools,
    reconciliation,
    settlement,
    transfers,
    trials,
    weights,
)
from provenance import chains, deployment, evm, outbox, signers

log = structlog.get_logger(__name__)

# One run of a task does not keep its worker longer than this many batches.
BATCHES = 20
# The chain, or what it needs, is away: the next run finds the same work again.
AWAY = (
    evm.ChainUnreachable,
    evm.WrongChain,
    deployment.ContractMissing,
    outbox.ChainIsAhead,
    signers.KeyMissing,
)


@shared_task
def bill_usages() -> int:
    """Charge what was reported lately, and tell the ledger how far the journal has come."""
    return _bill(look_back=True)


@shared_task
def bill_everything() -> int:
    """Charge whatever is due, however long ago it was reported."""
    return _bill(look_back=False)


@shared_task
def settle_pools() -> int:
    """Charge what ended months owe beside use: subscriptions, minimums, shares of revenue."""
    return pools.settle_due(at=timezone.now())


@shared_task
def apply_resolutions() -> int:
    """Divide anew what conflicts have changed."""
    changed = weights.apply_resolutions(at=timezone.now())
    if changed:
        billing.seal_journal(at=timezone.now())
    return changed


@shared_task
def delete_old_tests() -> int:
    """Delete test data that is old enough."""
    return trials.delete_old(at=timezone.now())


@shared_task
def watch_deposits() -> int:
    """Credit what labs sent on the chain, once it is final."""
    return chains.on_each(
        lambda chain_id: transfers.watch(chain_id=chain_id, at=timezone.now()),
        unless=AWAY,
        waits="deposits_wait",
    )


@shared_task
def apply_payments() -> int:
    """Work in what payment providers said and was not worked in."""
    return payments.apply_stale(at=timezone.now())


@shared_task
def add_up_spending() -> int:
    """Add up what was charged, and tell labs how far their budgets are spent."""
    return budgets.add_up(at=timezone.now())


@shared_task
def mature_credits() -> int:
    """Make payable what was held back long enough."""
    return _batches(lambda: holdback.mature_credits(at=timezone.now()))


@shared_task
def tell_matured() -> int:
    """Tell owners what came out of the hold-back."""
    return holdback.tell_matured(at=timezone.now())


@shared_task
def expire_holds() -> int:
    """Give back what was held until a moment that has passed."""
    return _batches(holds.expire)


@shared_task
def add_turnovers() -> int:
    """Add up what came, so that balances of long ago are found at once."""
    return _batches(periods.add_turnovers)


@shared_task
def build_epochs() -> int:
    """Propose the next payouts, where something is payable."""
    return chains.on_each(
        lambda chain_id: payouts.build_epochs(chain_id=chain_id, at=timezone.now()),
        unless=AWAY,
        waits="payouts_wait",
    )


@shared_task
def advance_payouts() -> int:
    """Activate what is ready, and book what the chain has paid."""
    moved = chains.on_each(_advance, unless=AWAY, waits="payouts_wait")
    if moved:
        billing.seal_journal(at=timezone.now())
    return moved


def _advance(chain_id: int) -> int:
    at = timezone.now()
    return payouts.advance(chain_id=chain_id, at=at) + settlement.settle(chain_id=chain_id, at=at)


@shared_task
def issue_invoices() -> int:
    """Issue what closed months ask for; what cannot be issued yet waits, in words."""
    return invoices.issue_due(at=timezone.now())


@shared_task
def act_on_policies() -> int:
    """Let policies in force act on what came; how often one did."""
    return policies.act(at=timezone.now())


@shared_task
def reconcile() -> int:
    """Hold the journal against banks and chain; how many differences nobody has explained."""
    outcome = reconciliation.reconcile(at=timezone.now())
    for words in outcome.unread:
        log.warning("reconciliation_waits", reason=words)
    return len(outcome.unexplained)


def _bill(*, look_back: bool) -> int:
    at = timezone.now()
    since = at - billing.LOOK_BACK if look_back else None
    count = _batches(lambda: billing.bill_batch(at=timezone.now(), since=since))
    if count:
        billing.summarize()
    if count and not settings.HOLD_BACK_DAYS:
        holdback.mature_credits(at=timezone.now())
    billing.seal_journal(at=timezone.now())
    return count


def _batches(step: Callable[[], int]) -> int:
    """Repeat `step` while it finds work, within bounds; what it did in all."""
    done = 0
    for _ in range(BATCHES):
        count = step()
        done += count
        if not count:
            break
    return done
