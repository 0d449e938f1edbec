"""Puts our contracts on a chain, once: found again at the next start, and restored when lost.

The embedded chain lives in a folder that may be deleted while the database stays. Everything that
we ever sent is kept as signed bytes, and its genesis is always the same: sent again in the old
order, they rebuild the same contracts at the same addresses. That is done on the development chain
only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import structlog
from django.db import transaction
from django.utils.translation import gettext_noop as _noop

from provenance import chains, evm, outbox, signers
from provenance.models import ChainAccount, ChainContract, OutboxAttempt, OutboxTransaction

State = OutboxTransaction.State

# What contracts are called where a person reads what was sent.
NAMES = {
    ChainContract.Kind.LINEAGE_ANCHOR: _noop("lineage anchor"),
    ChainContract.Kind.OWNER_PAYOUTS: _noop("payouts to owners"),
    ChainContract.Kind.TEST_TOKEN: _noop("test token"),
}
DEPLOY_GAS = 6_000_000
PATIENCE_SECONDS = 300
PAUSE_SECONDS = 0.2

log = structlog.get_logger(__name__)


class ContractMissing(Exception):
    """No contract where one should be; the message says what to check."""


class NotDeployed(Exception):
    """A contract did not come to stand in time, or its creation reverted."""


@dataclass(frozen=True)
class Order:
    """A contract that must stand: which, made with what, and for which token if it pays one."""

    kind: ChainContract.Kind
    artefact: evm.Artefact
    arguments: Sequence[Any]
    token_address: str = ""


def contract(
    kind: ChainContract.Kind, *, token_address: str = "", chain_id: int | None = None
) -> ChainContract:
    """The contract of a kind on a chain, home unless named; raises ContractMissing."""
    wanted = chains.home() if chain_id is None else chain_id
    found = ChainContract.objects.filter(
        chain_id=wanted, kind=kind, token_address=token_address
    ).first()
    if found is None:
        raise ContractMissing(
            f"No {kind} is known on {evm.caip2(wanted)}: run `./run manage deploy_contracts`."
        )
    return found


def deploy(
    *,
    orders: Sequence[Order],
    clock: Callable[[], datetime],
    say: Callable[[str], None],
    chain_id: int | None = None,
) -> list[ChainContract]:
    """See to it that every ordered contract stands on a chain, home unless named; those that stand
    are left alone.

    Network calls run outside of transactions, and a crash at any point is made good by the next
    call. Raises ContractMissing, NotDeployed, and what the outbox raises.
    """
    chain = evm.connect(chain_id)
    _see_to_known_contracts(chain, clock, say)
    account = signers.address("deployer")
    rows = {
        index: _enqueue(chain.chain_id, account, order, clock())
        for index, order in enumerate(orders)
        if _known(chain.chain_id, order) is None
    }
    wait_until_mined(rows=list(rows.values()), clock=clock)
    for index, row in rows.items():
        row.refresh_from_db()
        made = _record(orders[index], row, clock())
        say(f"deployed {made.kind} at {made.caip10}")
    found = [_known(chain.chain_id, order) for order in orders]
    return [one for one in found if one is not None]


def wait_until_mined(*, rows: Sequence[OutboxTransaction], clock: Callable[[], datetime]) -> None:
    """Send the rows' accounts until a block holds each row; final ones only on a real chain.

    For commands that a person waits for; services let the outbox's task do it. Raises NotDeployed.
    """
    patient_until = time.monotonic() + PATIENCE_SECONDS
    while True:
        for row in rows:
            row.refresh_from_db()
            if row.is_reverted and row.state in (*_good_enough(row), State.REVIEW):
                raise NotDeployed(f"{row.purpose} reverted in {row.tx_hash}; see the outbox.")
        waiting = [row for row in rows if row.state not in _good_enough(row)]
        if not waiting:
            return
        if time.monotonic() > patient_until:
            raise NotDeployed(
                f"{waiting[0].purpose} was not mined within {PATIENCE_SECONDS} seconds. It stays "
                "in the outbox; has its account money for gas? Run this again to go on waiting."
            )
        for chain_id, account in sorted({(row.chain_id, row.account) for row in waiting}):
            done_now = outbox.send_pending(chain_id=chain_id, account=account, at=clock())
            if done_now.alarm:
                raise NotDeployed(
                    f"{account} sends nothing because of the alarm {done_now.alarm!r}: "
                    "run `./run manage reconcile_restore`."
                )
        time.sleep(PAUSE_SECONDS)


def _see_to_known_contracts(
    chain: evm.Chain, clock: Callable[[], datetime], say: Callable[[str], None]
) -> None:
    """Check that what we deployed still stands; rebuild an embedded chain that was emptied."""
    lost = _lost_contracts(chain)
    if not lost:
        return
    if not _is_development(chain.chain_id):
        raise ContractMissing(
            f"{lost[0]} is not on the chain that {chain.told.rpc_url} serves: is it the right "
            "network, and is the node in step?"
        )
    say("the embedded chain is new: sending everything again that it held")
    count = _replay(chain, clock)
    still_lost = _lost_contracts(chain)
    if still_lost:
        raise ContractMissing(
            f"{still_lost[0]} could not be rebuilt from {count} stored transactions: "
            "start anew with `./run up --fresh`."
        )
    say(f"rebuilt from {count} stored transactions")


def _lost_contracts(chain: evm.Chain) -> list[ChainContract]:
    known = ChainContract.objects.filter(chain_id=chain.chain_id).order_by("pk")
    return [one for one in known if not chain.has_code(one.address)]


def _replay(chain: evm.Chain, clock: Callable[[], datetime]) -> int:
    """Broadcast the signed bytes of all that ever landed, in its old order; returns how many."""
    landed = OutboxTransaction.objects.filter(
        chain_id=chain.chain_id, block_number__isnull=False
    ).order_by("block_number", "transaction_index")
    raws = [
        bytes(OutboxAttempt.objects.get(tx_hash=row.tx_hash).raw) for row in landed if row.tx_hash
    ]
    for raw in raws:
        chain.broadcast(raw)
    with transaction.atomic():
        landed.update(state=State.SENT, block_number=None, block_hash="", final_at=None)
        ChainAccount.objects.filter(chain_id=chain.chain_id).update(
            alarm=ChainAccount.Alarm.NONE, alarm_detail=""
        )
    # What reverted then reverts again, and is reviewed as before.
    sent = OutboxTransaction.objects.filter(
        chain_id=chain.chain_id, state=State.SENT, is_reverted=False
    )
    wait_until_mined(rows=list(sent), clock=clock)
    return len(raws)


def _known(chain_id: int, order: Order) -> ChainContract | None:
    return ChainContract.objects.filter(
        chain_id=chain_id, kind=order.kind, token_address=order.token_address
    ).first()


def _enqueue(chain_id: int, account: str, order: Order, at: datetime) -> OutboxTransaction:
    data = evm.encode_constructor(order.artefact, *order.arguments)
    return outbox.enqueue(
        purpose=_noop("deploy the contract %(name)s") % {"name": NAMES[order.kind]},
        idempotency_key=f"deploy:{order.kind}:{order.token_address}:{sha256(data).hexdigest()[:16]}",
        account=account,
        to_address="",
        data=data,
        gas_limit=DEPLOY_GAS,
        chain_id=chain_id,
        at=at,
    )


def _record(order: Order, row: OutboxTransaction, at: datetime) -> ChainContract:
    assert row.block_number is not None, "a mined transaction has a block"
    made, _ = ChainContract.objects.get_or_create(
        chain_id=row.chain_id,
        kind=order.kind,
        token_address=order.token_address,
        defaults={
            "address": evm.checksum(row.contract_address),
            "tx_hash": row.tx_hash,
            "block_number": row.block_number,
            "deployed_at": at,
        },
    )
    return made


def _good_enough(row: OutboxTransaction) -> set[str]:
    """The states in which a transaction is done: a development chain is waited for less."""
    return {State.FINAL} | ({State.MINED} if _is_development(row.chain_id) else set())


def _is_development(chain_id: int) -> bool:
    return chain_id == chains.DEVELOPMENT_CHAIN
