"""Brings the books back in step with a chain that knows more than they do.

That happens after a backup was restored, or when somebody else used one of our keys. Until it is
put right the service is read-only: it would otherwise number and anchor a second history. What the
chain holds is never doubted; what cannot be rebuilt from it is said, and then nothing is changed.

A transaction that is queued again may have landed before: every one of ours is harmless twice, by
its contract (a batch is anchored once, a payout is a running total).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import Max, QuerySet

from provenance import anchor, deployment, evm, outbox, signers
from provenance.models import Anchor, ChainAccount, ChainContract, Event, OutboxTransaction
from provenance.refusals import Refused


class LedgerIsShorter(Refused):
    """The chain anchors events that this ledger does not have, or has otherwise."""

    code = "ledger_is_shorter"
    hint = (
        "Restore a later backup of the database. The chain holds only hashes: it cannot give the "
        "events back, and going on would fork the ledger."
    )


class SenderIsBusy(Refused):
    """A sender is at work on one of the accounts."""

    code = "sender_is_busy"
    hint = "Run this again in a moment."


class StillOnTheWay(Refused):
    """The node knows of transactions that these books do not, and they are not final yet."""

    code = "still_on_the_way"
    hint = (
        "Run this again once they are final: what was made in their place would be another "
        "history. If they never come, the node has to drop them first."
    )


@dataclass
class Restored:
    """What was brought back in step, in words."""

    steps: list[str] = field(default_factory=list)


def look(*, at: datetime, chain_id: int | None = None) -> list[str]:
    """Compare every account, and at home the anchors, with a chain (home unless named).

    Returns what is wrong, in words. What is found stops the account concerned, and so makes the
    service read-only.
    """
    chain = evm.connect(chain_id)
    found = [
        f"{row}: {row.alarm_detail}"
        for row in ChainAccount.objects.filter(chain_id=chain.chain_id)
        if row.alarm or _is_behind(chain, row, at)
    ]
    contract = _anchor_contract(chain.chain_id)
    if contract is None:
        return found
    on_chain = _head(chain, contract).batch
    ours = _last_batch()
    if on_chain > ours:
        detail = f"the chain has {on_chain} batches of the ledger, our books know {ours}"
        account = signers.address("anchorer")
        row, _ = ChainAccount.objects.get_or_create(
            chain_id=chain.chain_id,
            address=account,
            defaults={"next_nonce": chain.transaction_count(account)},
        )
        if not row.alarm:
            outbox.raise_alarm(row=row, alarm=ChainAccount.Alarm.CHAIN_AHEAD, detail=detail, at=at)
        found.append(f"{contract}: {detail}")
    return found


def reconcile(*, at: datetime, chain_id: int | None = None) -> Restored:
    """Rebuild anchors and nonces from a chain (home unless named), then let it be written to again.

    Raises LedgerIsShorter, changing nothing, when the ledger lacks events that are anchored,
    StillOnTheWay, and SenderIsBusy while a sender is at work.
    """
    chain = evm.connect(chain_id)
    done = Restored()
    contract = _anchor_contract(chain.chain_id)
    accounts = list(ChainAccount.objects.filter(chain_id=chain.chain_id).order_by("pk"))
    with ExitStack() as held:
        for account in accounts:
            if not held.enter_context(outbox.only_writer(chain.chain_id, account.address)):
                raise SenderIsBusy
        for account in accounts:
            _require_settled(chain, account)
        with transaction.atomic():
            if contract is not None:
                _rebuild_anchors(chain, contract, done, at)
            for account in accounts:
                _step_up(chain, account, done)
    return done


@dataclass(frozen=True)
class _Head:
    batch: int
    next_sequence: int


def _head(chain: evm.Chain, contract: ChainContract) -> _Head:
    batch, next_sequence, _ = chain.call(evm.lineage_anchor(), contract.address, "head")
    return _Head(int(batch), int(next_sequence))


def _anchor_contract(chain_id: int) -> ChainContract | None:
    try:
        return deployment.contract(ChainContract.Kind.LINEAGE_ANCHOR, chain_id=chain_id)
    except deployment.ContractMissing:
        return None


def _last_batch() -> int:
    last = Anchor.objects.order_by("batch").last()
    return last.batch if last else 0


def _is_behind(chain: evm.Chain, row: ChainAccount, at: datetime) -> bool:
    """Whether the chain, or the node's pool, has more of this account's transactions than we know.

    Raises the alarm then.
    """
    count = chain.transaction_count(row.address, block="pending")
    # What was sent in between is in the books before it is on the wire.
    row.refresh_from_db(fields=["next_nonce"])
    if count <= row.next_nonce:
        return False
    detail = f"the chain has {count} transactions of this address, our books {row.next_nonce}"
    outbox.raise_alarm(row=row, alarm=ChainAccount.Alarm.CHAIN_AHEAD, detail=detail, at=at)
    return True


def _require_settled(chain: evm.Chain, account: ChainAccount) -> None:
    """Raise StillOnTheWay where transactions that the books forgot may land yet, or be taken back.

    Nobody has their bytes: going on after one that a reorganisation removes would leave a gap that
    nothing fills.
    """
    final = chain.transaction_count(account.address, block=max(0, chain.final_block()))
    landed = chain.transaction_count(account.address)
    waiting = chain.transaction_count(account.address, block="pending")
    sent = _sent(account).filter(nonce__gte=final, nonce__lt=landed)
    is_forgotten = waiting > account.next_nonce or any(not _landed(chain, row) for row in sent)
    if is_forgotten and waiting > final:
        raise StillOnTheWay(
            f"{account}: the node knows of {waiting} transactions, {final} of them are final, and "
            f"the books have sent {account.next_nonce}."
        )


def _sent(account: ChainAccount) -> QuerySet[OutboxTransaction]:
    """What was sent from an account, and has no verdict yet."""
    return OutboxTransaction.objects.filter(
        chain_id=account.chain_id,
        account=account.address,
        state=OutboxTransaction.State.SENT,
    )


def _landed(chain: evm.Chain, row: OutboxTransaction) -> bool:
    """Whether a block holds any bytes of ours for it."""
    return any(chain.receipt(one.tx_hash) for one in row.attempts.all())


def _rebuild_anchors(
    chain: evm.Chain, contract: ChainContract, done: Restored, at: datetime
) -> None:
    """Make the rows of batches that the chain has and our books lack, from its own logs."""
    ours = _last_batch()
    head = _head(chain, contract)
    _require_same(chain, contract, min(ours, head.batch))
    if head.batch <= ours:
        return
    sealed = Event.objects.aggregate(last=Max("sequence"))["last"] or 0
    if sealed < head.next_sequence - 1:
        raise LedgerIsShorter(
            f"The chain anchors {head.next_sequence - 1} events, this ledger has {sealed}."
        )
    logs = chain.logs(
        evm.lineage_anchor(),
        contract.address,
        "Anchored",
        from_block=contract.block_number,
        to_block=chain.head(),
    )
    for log in logs:
        if log.args["batch"] > ours:
            batch = anchor.restored_batch(contract=contract, log=log, at=at)
            if batch is None:
                raise LedgerIsShorter(
                    f"The events of batch {log.args['batch']} differ from what the chain anchors."
                )
            batch.save()
            done.steps.append(f"batch {batch.batch} was rebuilt from {log.tx_hash}")


def _require_same(chain: evm.Chain, contract: ChainContract, number: int) -> None:
    """The last batch that both know must be the same in both."""
    if number == 0:
        return
    root = chain.call(evm.lineage_anchor(), contract.address, "rootOf", number)
    if bytes(root) != bytes(Anchor.objects.get(batch=number).root):
        raise LedgerIsShorter(f"Batch {number} is not the one that the chain anchors.")


def _step_up(chain: evm.Chain, account: ChainAccount, done: Restored) -> None:
    """Go on after the chain's last nonce, and clear the alarm."""
    count = chain.transaction_count(account.address)
    if count > account.next_nonce:
        done.steps.append(f"{account} goes on at nonce {count}, not {account.next_nonce}")
        account.next_nonce = count
    for row in _sent(account).filter(nonce__lt=count):
        if not _landed(chain, row):
            outbox.queue_anew(row=row, reason="its nonce was used by another transaction")
            done.steps.append(f"{row.purpose} is queued again: its nonce was used elsewhere")
    if account.alarm:
        done.steps.append(f"{account}: the alarm {account.alarm} is cleared")
    account.alarm, account.alarm_detail, account.alarmed_at = ChainAccount.Alarm.NONE, "", None
    account.save(update_fields=["next_nonce", "alarm", "alarm_detail", "alarmed_at"])
