"""How owed money is claimed from the active tree, and booked when the chain has paid it.

Owners claim, or the service claims for them. Money counts as paid only when a final `Paid` log says
so. A claim that is repeated pays nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Sum
from django.utils.translation import gettext_noop as _noop

from compensation import journal, money, payees, reading
from compensation.contracts import owner_payouts
from compensation.models import (
    Account,
    Asset,
    Entry,
    FailedPush,
    PaidCursor,
    Payout,
    PayoutClaim,
    PayoutEpoch,
    PayoutLeaf,
)
from compensation.payouts import contract_of, decimals, leaf_row, proof_of
from provenance import chains, evm, ledger, merkle, outbox, restrictions, signers, trees
from provenance.models import ChainContract, OutboxTransaction, Party, User
from provenance.refusals import Refused

Kind = Account.Kind
State = PayoutEpoch.State

PUSH_LIMIT = 200
FAILED_WORDS = _noop(
    "The token refused the transfer to this address; the money stays yours. Name "
    "another address, or ask the token's issuer why, and confirm this one when "
    "it may receive."
)
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
        claim=_open_claim(leaf),
    )


@transaction.atomic
def claim(*, party: Party, asset: Asset, at: datetime, by: User | None = None) -> PayoutClaim:
    """Send a party's open amount to its address; the service pays the gas. Safe to repeat.

    After a push that failed it is sent anew. Raises NothingToClaim or outbox.ChainIsAhead.
    """
    restrictions.require_payable(party, at)
    _lock_active(asset)
    found = claimable(party, asset)
    if found is None:
        raise NothingToClaim
    if found.claim is not None:
        return found.claim
    leaf, contract = found.leaf, found.leaf.epoch.contract
    outbox.require_not_behind(chain_id=contract.chain_id)
    number = leaf.claims.count() + 1
    row = outbox.enqueue(
        purpose=_noop("claim of epoch %(number)s") % {"number": leaf.epoch.number},
        idempotency_key=_claim_key(leaf, number),
        account=signers.address("treasury"),
        to_address=contract.address,
        data=_claim_data(leaf, number),
        gas_limit=CLAIM_GAS,
        chain_id=contract.chain_id,
        at=at,
    )
    made, _ = PayoutClaim.objects.get_or_create(
        leaf=leaf,
        number=number,
        defaults={"party": party, "outbox": row, "asked_by": by, "asked_at": at},
    )
    return made


@transaction.atomic
def push(*, asset: Asset, at: datetime, by: User | None = None) -> int:
    """Send every open amount of the active tree, many at once with one proof; how many payees."""
    contract = contract_of(asset)
    outbox.require_not_behind(chain_id=contract.chain_id)
    epoch = _lock_active(asset)
    if epoch is None:
        return 0
    leaves = list(epoch.leaves.order_by("position"))
    wanted = list(_open_tokens(epoch, leaves, at))
    for start in range(0, len(wanted), PUSH_LIMIT):
        proof = trees.multiproof(epoch.tree, wanted[start : start + PUSH_LIMIT])
        _enqueue_push(epoch, [leaves[position] for position in proof.order], proof, at, by)
    return len(wanted)


def look_at_push(*, epoch: PayoutEpoch, at: datetime) -> tuple[int, int]:
    """How many payees a push of `epoch` would pay at `at`, and how many units. Nothing is sent."""
    tokens = _open_tokens(epoch, list(epoch.leaves.all()), at).values()
    units = money.floor_from_tokens(sum(tokens), epoch.asset.scale, decimals(epoch.asset))
    return len(tokens), units


def _open_tokens(epoch: PayoutEpoch, leaves: Sequence[PayoutLeaf], at: datetime) -> dict[int, int]:
    """What is open for each leaf that nobody asked for, by its position in the tree."""
    paid = _paid(epoch.contract)
    asked = set(PayoutClaim.objects.filter(leaf__epoch=epoch).values_list("leaf", flat=True))
    stopped = restrictions.unpaid(None, at)
    return {
        leaf.position: tokens
        for leaf in leaves
        if leaf.pk not in asked
        and leaf.party_id not in stopped
        and (tokens := int(leaf.cumulative) - paid.get(leaf.party_id, 0)) > 0
    }


def _lock_active(asset: Asset) -> PayoutEpoch | None:
    """The active tree of an asset; until this transaction ends nobody else asks for its leaves."""
    rows = PayoutEpoch.objects.filter(asset=asset, state=State.ACTIVE)
    return rows.select_for_update(of=("self",)).last()


def settle(*, at: datetime, chain_id: int | None = None) -> int:
    """Book what final `Paid` logs of a chain (home unless named) say, and what could not be paid.

    Returns how much of it was new. The chain is read outside of the transaction. Raises
    evm.ChainUnreachable or reading.HistoryChanged.
    """
    contracts = ChainContract.objects.filter(
        chain_id=chain_id or chains.home(), kind=ChainContract.Kind.OWNER_PAYOUTS
    )
    return sum(_settle(contract, at) for contract in contracts if contract.epochs.exists())


def _open_claim(leaf: PayoutLeaf) -> PayoutClaim | None:
    """The last claim of a leaf, unless it failed: then it may be claimed again."""
    last = leaf.claims.select_related("outbox").order_by("number").last()
    if last is None or last.outbox.state == OutboxTransaction.State.DISMISSED:
        return None
    if leaf.failures.filter(tx_hash=last.outbox.tx_hash).exists():
        return None
    return last


def _claim_key(leaf: PayoutLeaf, number: int) -> str:
    again = f":{number}" if number > 1 else ""
    where = leaf.epoch.contract.address
    return f"claim:{where}:{_hex(leaf.payee_id)}:{leaf.cumulative}{again}"


def _claim_data(leaf: PayoutLeaf, number: int) -> bytes:
    """A claim; after a failure a push of one, which reports the next failure and never reverts."""
    if number == 1:
        return evm.encode_call(owner_payouts(), "claim", *leaf_row(leaf), proof_of(leaf))
    columns = [[value] for value in leaf_row(leaf)]
    proof = proof_of(leaf)
    return evm.encode_call(owner_payouts(), "push", *columns, proof, [False] * len(proof))


def open_failures(contract: ChainContract | None = None, **filters: Any) -> list[FailedPush]:
    """Pushes that failed and whose money has not arrived since, the newest of each payee."""
    rows = FailedPush.objects.filter(**filters)
    if contract is not None:
        rows = rows.filter(contract=contract)
    arrived = Payout.objects.filter(
        contract=OuterRef("contract"),
        party=OuterRef("party"),
        token_cumulative__gte=OuterRef("leaf__cumulative"),
    )
    newest = rows.filter(~Exists(arrived)).order_by("contract", "party", "-pk")
    return list(newest.distinct("contract", "party").select_related("party", "leaf__epoch__asset"))


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
        purpose=_noop("push %(count)s payouts of epoch %(number)s")
        % {"count": len(leaves), "number": epoch.number},
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
    chain = evm.connect(contract.chain_id)
    cursor, _ = PaidCursor.objects.get_or_create(
        contract=contract, defaults={"next_block": contract.block_number}
    )
    span = reading.next_span(chain, next_block=cursor.next_block, last_hash=cursor.last_hash)
    if span is None:
        return 0
    paid, failed = (
        chain.logs(
            owner_payouts(), contract.address, event, from_block=span.start, to_block=span.end
        )
        for event in ("Paid", "PayFailed")
    )
    reading.require_canonical(chain, [*paid, *failed])
    with transaction.atomic():
        journal.lock()
        locked = PaidCursor.objects.select_for_update().get(pk=cursor.pk)
        if (locked.next_block, locked.last_hash) != (cursor.next_block, cursor.last_hash):
            return 0
        settled = sum(_book(contract, one, at) for one in paid)
        settled += sum(_note_failure(contract, one, at) for one in failed)
        locked.next_block, locked.last_hash = span.end + 1, span.end_hash
        locked.save(update_fields=["next_block", "last_hash"])
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


def _note_failure(contract: ChainContract, failed: evm.Log, at: datetime) -> bool:
    """Keep that a push could not pay somebody, and ask them about their address; once a log."""
    leaf = (
        PayoutLeaf.objects.filter(
            epoch__contract=contract,
            payee_id=bytes(failed.args["payeeId"]),
            address__iexact=str(failed.args["account"]),
            claims__outbox__tx_hash=failed.tx_hash,
        )
        .select_related("party", "epoch__asset")
        .last()
    )
    if leaf is None:
        # Somebody else pushed: nothing of ours failed, and the money stays owed as before.
        return False
    _, is_new = FailedPush.objects.get_or_create(
        leaf=leaf,
        tx_hash=failed.tx_hash,
        defaults={
            "contract": contract,
            "party": leaf.party,
            "token_amount": int(failed.args["amount"]),
            "block_number": failed.block_number,
            "seen_at": at,
        },
    )
    method = payees.method_in_force(leaf.party, leaf.epoch.asset)
    if is_new and method is not None and method.chain_address.lower() == leaf.address.lower():
        payees.flag_method(method=method, words=FAILED_WORDS, at=at)
    return is_new


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


def _units(asset: Asset, tokens: int) -> int:
    return money.from_tokens(tokens, asset.scale, decimals(asset))


def _hex(value: bytes | memoryview) -> str:
    return "0x" + bytes(value).hex()
