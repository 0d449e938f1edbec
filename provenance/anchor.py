"""Carries the ledger to the chain: batches of sealed events become Merkle roots, events get proofs.

A batch is made and enqueued in one database transaction; the outbox sends it. Leaves are
[uint256 sequence, bytes32 event hash] in the order of the ledger, so that a proof needs no sorting.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils.translation import gettext_noop as _noop

from provenance import deployment, evm, ledger, merkle, outbox, signers, trees
from provenance.models import Anchor, ChainContract, Event, OutboxTransaction
from provenance.refusals import Refused

LEAF_TYPES = ("uint256", "bytes32")
BATCH_LIMIT = 1_000_000
ANCHOR_GAS = 200_000
NO_HEAD = bytes(32)
PROOF_FORMAT = "tallymark-proof/1"
# One answer for all: a million rows by themselves would take ten times their hashes.
SEALED_HASHES = """
SELECT count(*), coalesce(max(sequence), %(first)s - 1),
       coalesce(string_agg(hash, ''::bytea ORDER BY sequence), ''::bytea)
  FROM provenance_event
 WHERE sequence >= %(first)s AND sequence < %(after)s AND hash IS NOT NULL
"""


class NotSealedYet(Refused):
    """This event has no number yet."""

    code = "not_sealed_yet"
    hint = "Events are sealed within seconds: ask again."


class NotAnchoredYet(Refused):
    """This event is in the ledger, but not yet in a batch for the chain."""

    code = "not_anchored_yet"
    hint = "Batches are made every few seconds: ask again."


def anchor_next(*, at: datetime, limit: int = BATCH_LIMIT) -> Anchor | None:
    """Make the next batch of sealed events and enqueue its root; None when nothing waits, or while
    the key was changed and what the former one sent is not final.

    Raises deployment.ContractMissing before the contract stands, and outbox.ChainIsAhead while the
    service must be read-only.
    """
    contract = deployment.contract(ChainContract.Kind.LINEAGE_ANCHOR)
    outbox.require_not_behind(chain_id=contract.chain_id)
    account = signers.address("anchorer")
    with transaction.atomic():
        _one_at_a_time()
        last = Anchor.objects.order_by("batch").last()
        first_sequence = last.last_sequence + 1 if last else 1
        hashes = _sealed_hashes(first_sequence, limit)
        if not hashes or _waits_for_former_key(last, account):
            return None
        batch = _batch_after(last, contract, first_sequence, hashes, at)
        batch.outbox = _enqueue(batch, account, at)
        batch.save()
    return batch


def settle(*, at: datetime) -> int:
    """Mark the batches that the chain can no longer lose; returns how many became final.

    A batch whose block changed, because an emptied embedded chain was rebuilt, is corrected too.
    """
    count = 0
    final = Anchor.objects.filter(outbox__state=OutboxTransaction.State.FINAL)
    stale = final.filter(Q(final_at=None) | ~Q(block_number=F("outbox__block_number")))
    for batch in stale.select_related("outbox"):
        assert batch.outbox is not None, "the filter asked for an outbox row"
        count += batch.final_at is None
        batch.final_at = batch.final_at or at
        batch.tx_hash, batch.block_number = batch.outbox.tx_hash, batch.outbox.block_number
        batch.save(update_fields=["final_at", "tx_hash", "block_number"])
    return count


def proof_for(event: Event) -> dict[str, Any]:
    """The proof file of one event, which `tallymark verify` checks without trusting us.

    Raises NotSealedYet or NotAnchoredYet. Before its batch is on the chain the file says so
    (`tx_hash` is null); later it is complete.
    """
    if event.sequence is None:
        raise NotSealedYet
    batch = batch_of(event.sequence)
    path = trees.proof(batch.tree, event.sequence - batch.first_sequence)
    leaf = merkle.leaf_hash(LEAF_TYPES, (event.sequence, bytes(event.hash or b"")))
    assert merkle.verify(bytes(batch.root), leaf, path), f"{event} no longer matches {batch}"
    return {
        "format": PROOF_FORMAT,
        "kind": "event",
        "event": ledger.canonical_event(event),
        "previous_hash": _hex(event.previous_hash),
        "hash": _hex(event.hash),
        "anchor": _anchor_document(batch) | {"merkle_proof": [_hex(one) for one in path]},
    }


def batch_of(sequence: int) -> Anchor:
    """The batch that holds the event with this sequence; raises NotAnchoredYet."""
    batch = (
        Anchor.objects.filter(first_sequence__lte=sequence)
        .select_related("contract", "outbox", "tree")
        .order_by("first_sequence")
        .last()
    )
    if batch is None or sequence > batch.last_sequence:
        raise NotAnchoredYet
    return batch


def next_head_hash(
    *,
    chain_id: int,
    contract: str,
    previous: bytes,
    batch: int,
    root: bytes,
    first_sequence: int,
    event_count: int,
) -> bytes:
    """The head hash after a batch, as LineageAnchor.nextHeadHash computes it."""
    types = ("uint256", "address", "bytes32", "uint64", "bytes32", "uint64", "uint64")
    values = (chain_id, contract, previous, batch, root, first_sequence, event_count)
    return merkle.keccak(merkle.encode(types, values))


def restored_batch(*, contract: ChainContract, log: evm.Log, at: datetime) -> Anchor | None:
    """The batch that the chain's own log tells of, made from our ledger; None if they differ."""
    last = Anchor.objects.order_by("batch").last()
    first_sequence, event_count = int(log.args["firstSequence"]), int(log.args["eventCount"])
    hashes = _sealed_hashes(first_sequence, event_count)
    if len(hashes) != 32 * event_count or first_sequence != (last.last_sequence + 1 if last else 1):
        return None
    batch = _batch_after(last, contract, first_sequence, hashes, at)
    if batch.batch != log.args["batch"] or bytes(batch.head_hash) != log.args["headHash"]:
        return None
    batch.final_at, batch.tx_hash, batch.block_number = at, log.tx_hash, log.block_number
    return batch


def _batch_after(
    last: Anchor | None,
    contract: ChainContract,
    first_sequence: int,
    hashes: bytes,
    at: datetime,
) -> Anchor:
    """The batch of `hashes`, its tree stored, chained to the one before; not saved."""
    tree = _tree(first_sequence, hashes)
    previous = bytes(last.head_hash) if last else NO_HEAD
    number = last.batch + 1 if last else 1
    head_hash = next_head_hash(
        chain_id=contract.chain_id,
        contract=contract.address,
        previous=previous,
        batch=number,
        root=tree.root,
        first_sequence=first_sequence,
        event_count=len(tree),
    )
    return Anchor(
        batch=number,
        first_sequence=first_sequence,
        event_count=len(tree),
        root=tree.root,
        tree=trees.store(tree),
        previous_head_hash=previous,
        head_hash=head_hash,
        contract=contract,
        anchored_at=at,
    )


def _waits_for_former_key(last: Anchor | None, account: str) -> bool:
    """Whether another account's batch is not final yet: only within one account is there order."""
    return (
        last is not None
        and last.outbox is not None
        and last.outbox.account != account
        and last.outbox.state != OutboxTransaction.State.FINAL
    )


def _enqueue(batch: Anchor, account: str, at: datetime) -> OutboxTransaction:
    return outbox.enqueue(
        purpose=_noop("anchor batch %(number)s") % {"number": batch.batch},
        idempotency_key=f"anchor:{batch.contract.address}:{batch.batch}",
        account=account,
        to_address=batch.contract.address,
        data=evm.encode_call(
            evm.lineage_anchor(),
            "anchor",
            batch.batch,
            bytes(batch.previous_head_hash),
            bytes(batch.root),
            batch.event_count,
        ),
        gas_limit=ANCHOR_GAS,
        chain_id=batch.contract.chain_id,
        at=at,
    )


def _sealed_hashes(first_sequence: int, limit: int) -> bytes:
    """The hashes of up to `limit` sealed events from `first_sequence`, one after the other."""
    with connection.cursor() as cursor:
        cursor.execute(SEALED_HASHES, {"first": first_sequence, "after": first_sequence + limit})
        count, last_sequence, hashes = cursor.fetchone()
    assert last_sequence == first_sequence + count - 1, (
        f"the ledger has a gap after {first_sequence}"
    )
    return bytes(hashes)


def _tree(first_sequence: int, hashes: bytes) -> merkle.Tree:
    """The tree of consecutive events, 32 bytes of `hashes` each."""
    count = len(hashes) // 32
    rows = np.zeros((count, 64), np.uint8)
    sequences = np.arange(first_sequence, first_sequence + count, dtype=">u8")
    rows[:, 24:32] = sequences.view(np.uint8).reshape(count, 8)
    rows[:, 32:] = np.frombuffer(hashes, np.uint8).reshape(count, 32)
    return merkle.Tree.of_encoded(rows, sort_leaves=False)


def _anchor_document(batch: Anchor) -> dict[str, Any]:
    """Where the batch stands, as the proof file says it."""
    return {
        "batch": batch.batch,
        "first_sequence": batch.first_sequence,
        "event_count": batch.event_count,
        "root": _hex(batch.root),
        "previous_head_hash": _hex(batch.previous_head_hash),
        "head_hash": _hex(batch.head_hash),
        "chain": evm.caip2(batch.contract.chain_id),
        "contract": batch.contract.caip10,
        "tx_hash": (batch.outbox.tx_hash if batch.outbox else batch.tx_hash) or None,
    }


def _one_at_a_time() -> None:
    """Hold the batch maker's lock until the end of this transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('tallymark:anchor', 0))")


def _hex(value: bytes | memoryview | None) -> str:
    assert value is not None, "a sealed event has its hash"
    return "0x" + bytes(value).hex()
