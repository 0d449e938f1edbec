"""How owed money is claimed from the active tree, and booked when the chain has paid it.

Owners claim, or the service claims for them. Money counts as paid only when a final `Paid` log says
so. A claim that is repeated pays nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from compensation import journal, money
from compensation.contracts import owner_payouts
from compensation.models import (
    Account,
    Asset,
    Entry,
    PaidCursor,
    Payout,
    PayoutClaim,
    PayoutEpoch,
    PayoutLeaf,
)
from compensation.payouts import LEAF_TYPES, contract_of, decimals, leaf_row
from provenance import evm, ledger, merkle, outbox, signers
from provenance.models import ChainContract, Party, User
from provenance.refusals import Refused

Kind = Account.Kind
State = PayoutEpoch.State

PUSH_LIMIT = 200
CLAIM_GAS = 250_000
PUSH_GAS_EACH = 120_000


class NothingToClaim(Refused):
    """Nothing is open for you on the chain."""

    code = "nothing_to_claim"
    hint = "Your statement says when your next payout is, and what it waits for."


@dataclass(frozen=True)
class Claimable:
    """What a payee can claim now."""

    leaf: PayoutLeaf
    open_units: int
    claim: PayoutClaim | None


def claimable(party: Party, asset: Asset) -> Claimable | None:
    """What the active tree still owes a party; None where that is nothing."""
    leaf = (
        PayoutLeaf.objects.filter(party=party, epoch__asset=asset, epoch__state=State.ACTIVE)
        .select_related("epoch__contract", "epoch__asset")
        .order_by("-epoch__number")
        .first()
    )
    if leaf is None:
        return None
    open_tokens = int(leaf.cumulative) - paid_tokens(party, leaf.epoch.contract)
    if not open_tokens:
        return None
    return Claimable(
        leaf=leaf,
        open_units=_units(asset, open_tokens),
        claim=PayoutClaim.objects.filter(leaf=leaf).select_related("outbox").first(),
    )


@transaction.atomic
def claim(*, party: Party, asset: Asset, at: datetime, by: User | None = None) -> PayoutClaim:
    """Send a party's open amount to its address; the service pays the gas. Safe to repeat.

    Raises NothingToClaim or outbox.ChainIsAhead.
    """
    found = claimable(party, asset)
    if found is None:
        raise NothingToClaim
    if found.claim is not None:
        return found.claim
    leaf, contract = found.leaf, found.leaf.epoch.contract
    outbox.require_not_behind(chain_id=contract.chain_id)
    row = outbox.enqueue(
        purpose=f"claim of epoch {leaf.epoch.number}",
        idempotency_key=f"claim:{contract.address}:{_hex(leaf.payee_id)}:{leaf.cumulative}",
        account=signers.address("treasury"),
        to_address=contract.address,
        data=evm.encode_call(owner_payouts(), "claim", *leaf_row(leaf), _proof(leaf)),
        gas_limit=CLAIM_GAS,
        chain_id=contract.chain_id,
        at=at,
    )
    made, _ = PayoutClaim.objects.get_or_create(
        leaf=leaf, defaults={"party": party, "outbox": row, "asked_by": by, "asked_at": at}
    )
    return made


@transaction.atomic
def push(*, asset: Asset, at: datetime, by: User | None = None) -> int:
    """Send every open amount of the active tree, many at once with one proof; how many payees."""
    contract = contract_of(asset)
    outbox.require_not_behind(chain_id=contract.chain_id)
    epoch = PayoutEpoch.objects.filter(contract=contract, state=State.ACTIVE).last()
    if epoch is None:
        return 0
    leaves = list(epoch.leaves.order_by("position"))
    paid = _paid(contract)
    asked = set(PayoutClaim.objects.filter(leaf__epoch=epoch).values_list("leaf", flat=True))
    wanted = [
        leaf.position
        for leaf in leaves
        if leaf.pk not in asked and int(leaf.cumulative) > paid.get(leaf.party_id, 0)
    ]
    tree = merkle.Tree.of(LEAF_TYPES, [leaf_row(leaf) for leaf in leaves])
    for start in range(0, len(wanted), PUSH_LIMIT):
        proof = tree.multiproof(wanted[start : start + PUSH_LIMIT])
        _enqueue_push(epoch, [leaves[position] for position in proof.order], proof, at, by)
    return len(wanted)


def settle(*, at: datetime) -> int:
    """Book what final `Paid` logs say; how many payments were new.

    The chain is read outside of the transaction. Raises evm.ChainUnreachable.
    """
    contracts = ChainContract.objects.filter(
        chain_id=settings.CHAIN_ID, kind=ChainContract.Kind.OWNER_PAYOUTS
    )
    return sum(_settle(contract, at) for contract in contracts if contract.epochs.exists())


def paid_tokens(party: Party, contract: ChainContract) -> int:
    """What a party was paid in all on a contract, finally."""
    return _paid(contract, party=party).get(party.pk, 0)


def _paid(contract: ChainContract, **filters: Any) -> dict[UUID, int]:
    rows = Payout.objects.filter(contract=contract, **filters).values("party")
    return {row["party"]: int(row["total"]) for row in rows.annotate(total=Sum("token_amount"))}


def _enqueue_push(
    epoch: PayoutEpoch,
    leaves: list[PayoutLeaf],
    proof: merkle.MultiProof,
    at: datetime,
    by: User | None,
) -> None:
    rows = [leaf_row(leaf) for leaf in leaves]
    columns = [list(column) for column in zip(*rows, strict=True)]
    contract = epoch.contract
    first, last = leaves[0].position, leaves[-1].position
    row = outbox.enqueue(
        purpose=f"push {len(leaves)} payouts of epoch {epoch.number}",
        idempotency_key=f"push:{contract.address}:{epoch.number}:{len(leaves)}:{first}:{last}",
        account=signers.address("treasury"),
        to_address=contract.address,
        data=evm.encode_call(owner_payouts(), "push", *columns, proof.proof, proof.flags),
        gas_limit=CLAIM_GAS + PUSH_GAS_EACH * len(leaves),
        chain_id=contract.chain_id,
        at=at,
    )
    PayoutClaim.objects.bulk_create(
        PayoutClaim(leaf=leaf, party=leaf.party, outbox=row, asked_by=by, asked_at=at)
        for leaf in leaves
    )


def _settle(contract: ChainContract, at: datetime) -> int:
    """Book the final logs of one contract from where the last pass ended."""
    chain = evm.connect()
    cursor, _ = PaidCursor.objects.get_or_create(
        contract=contract, defaults={"next_block": contract.block_number}
    )
    final = chain.final_block()
    # A chain that is shorter than it was has been rebuilt: its blocks are read anew.
    start = cursor.next_block if cursor.next_block <= final + 1 else 0
    if start > final:
        return 0
    logs = chain.logs(owner_payouts(), contract.address, "Paid", from_block=start, to_block=final)
    with transaction.atomic():
        journal.lock()
        locked = PaidCursor.objects.select_for_update().get(pk=cursor.pk)
        if locked.next_block != cursor.next_block:
            return 0
        settled = sum(_book(contract, one, at) for one in logs)
        locked.next_block = final + 1
        locked.save(update_fields=["next_block"])
    return settled


def _book(contract: ChainContract, paid: evm.Log, at: datetime) -> bool:
    """Book one payment, unless it is booked already."""
    leaf, cumulative = _owed_leaf(contract, paid), int(paid.args["cumulative"])
    done = Payout.objects.filter(contract=contract, party=leaf.party, token_cumulative=cumulative)
    if done.exists():
        return False
    asset, tokens = leaf.epoch.asset, int(paid.args["amount"])
    units = _units(asset, tokens)
    payout = Payout.objects.create(
        party=leaf.party,
        asset=asset,
        contract=contract,
        leaf=leaf,
        address=str(paid.args["account"]),
        amount_units=units,
        token_amount=tokens,
        token_cumulative=cumulative,
        tx_hash=paid.tx_hash,
        block_number=paid.block_number,
        entry=_take_from_flight(leaf, units, paid, at),
        settled_at=at,
    )
    _record_settled(payout)
    return True


def _owed_leaf(contract: ChainContract, paid: evm.Log) -> PayoutLeaf:
    """The first leaf of our trees that owes what a `Paid` log says."""
    leaf = (
        PayoutLeaf.objects.filter(
            epoch__contract=contract,
            payee_id=bytes(paid.args["payeeId"]),
            cumulative=int(paid.args["cumulative"]),
            address__iexact=str(paid.args["account"]),
        )
        .select_related("party", "epoch__asset", "epoch__contract")
        .order_by("epoch__number")
        .first()
    )
    assert leaf is not None, f"{paid.tx_hash} paid what no tree of ours owes"
    return leaf


def _take_from_flight(leaf: PayoutLeaf, units: int, paid: evm.Log, at: datetime) -> Entry:
    asset, cumulative = leaf.epoch.asset, int(leaf.cumulative)
    return journal.post(
        kind=Entry.Kind.SETTLEMENT,
        lines=[
            (journal.account(Kind.PAYOUTS_IN_FLIGHT, asset, party=leaf.party), -units),
            (journal.account(Kind.EXTERNAL, asset), units),
        ],
        effective_at=at,
        posted_at=at,
        idempotency_key=f"paid:{leaf.epoch.contract.caip10}:{_hex(leaf.payee_id)}:{cumulative}",
        facts={"tx_hash": paid.tx_hash, "cumulative": str(cumulative)},
    )


def _record_settled(payout: Payout) -> None:
    entry = payout.entry
    ledger.record(
        "payout.settled",
        at=payout.settled_at,
        subject_kind="party",
        subject_id=payout.party_id,
        party=payout.party,
        body={
            "payee": bytes(payout.leaf.payee_id),
            "asset": payout.asset.code,
            "amount_units": str(payout.amount_units),
            "tx_hash": payout.tx_hash,
            "entry": entry.pk,
            "entry_hash": bytes(entry.hash),
        },
    )


def _proof(leaf: PayoutLeaf) -> list[bytes]:
    return [bytes(one) for one in leaf.proof]


def _units(asset: Asset, tokens: int) -> int:
    return money.from_tokens(tokens, asset.scale, decimals(asset))


def _hex(value: bytes | memoryview) -> str:
    return "0x" + bytes(value).hex()
