"""What owners are owed on the chain: one cumulative tree per contract, epoch by epoch.

An epoch moves what is payable to `payouts in flight` and proposes a tree of all that was ever
owed. Once it is funded, proposed and past its delay it is activated; `settlement` claims and books.
Leaves never fall.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from compensation import dues, journal, limits, payees, publication, totals
from compensation.contracts import owner_payouts
from compensation.dues import Due
from compensation.models import (
    Account,
    Asset,
    Balance,
    Entry,
    PayoutEpoch,
    PayoutLeaf,
    PayoutMethod,
)
from provenance import chains, deployment, evm, ledger, outbox, signers, trees
from provenance.models import ChainAccount, ChainContract, Event, OutboxTransaction
from provenance.refusals import Refused

Kind = Account.Kind
State = PayoutEpoch.State

log = structlog.get_logger(__name__)

LEAF_TYPES = ("bytes32", "address", "uint256")
# Outside of development a root costs real gas, so that one a day must do.
EPOCH_EVERY = timedelta(days=1)
UNLIMITED = 2**256 - 1
APPROVE_GAS, FUND_GAS, PROPOSE_GAS, ACTIVATE_GAS = 100_000, 200_000, 250_000, 200_000


class NotOnThisChain(Refused):
    """This asset is not paid on a chain that this service is on."""

    code = "not_on_this_chain"
    hint = "Choose an asset whose token lives on one of this service's chains."


class NotVetoed(Refused):
    """Only a root that was vetoed is proposed again, by somebody who says why."""

    code = "not_vetoed"
    hint = "Look at the epoch: it is active, waits for its delay, or is still being sent."


@dataclass(frozen=True)
class _Call:
    """One call of an epoch's beginning, and who signs it."""

    verb: str
    role: str
    to_address: str
    data: bytes
    gas_limit: int


def contract_of(asset: Asset) -> ChainContract:
    """The contract that pays out an asset; raises NotOnThisChain or ContractMissing."""
    if not asset.is_on_chain or asset.chain_id not in chains.ids():
        named = ", ".join(evm.caip2(one) for one in chains.ids())
        raise NotOnThisChain(
            _("%(code)s is not on %(named)s.") % {"code": asset.code, "named": named}
        )
    return deployment.contract(
        ChainContract.Kind.OWNER_PAYOUTS,
        token_address=asset.token_address,
        chain_id=asset.chain_id,
    )


@transaction.atomic
def build_epoch(
    asset: Asset, at: datetime, *, approved_units: int | None = None
) -> PayoutEpoch | None:
    """Propose the next tree: all that is due to owners with an address. None if it must wait.

    It waits while another is under way, and while nothing has changed. Raises outbox.ChainIsAhead,
    or limits.TakesTwo where what it adds is over the limit and over what was approved.
    """
    contract = contract_of(asset)
    outbox.require_not_behind(chain_id=contract.chain_id)
    journal.lock()
    last = PayoutEpoch.objects.filter(contract=contract).order_by("number").last()
    if last is not None and last.state != State.ACTIVE:
        return None
    number = last.number + 1 if last else 1
    methods = payees.payable_methods(asset=asset, at=at)
    key = f"{contract.pk}:{number}"
    added = dues.take(asset=asset, methods=methods, decimals=decimals(asset), key=key, at=at)
    total = {asset: sum(one.units for one in added)}
    limits.require(limits.Act.PAYOUT, total, approved_units=approved_units)
    before = {leaf.party_id: leaf for leaf in last.leaves.select_related("party")} if last else {}
    leaves = _leaves(before, added, methods)
    if not leaves or (not added and _addresses(before.values()) == _addresses(leaves)):
        return None
    epoch = PayoutEpoch(
        contract=contract,
        asset=asset,
        number=number,
        total=sum(int(one.cumulative) for one in leaves),
        entry=_send(asset, contract, number, added, at),
        built_at=at,
    )
    store(epoch, leaves)
    epoch.outbox.set(_enqueue(epoch, sum(one.tokens for one in added), at))
    _name_payees([leaf for leaf in leaves if leaf.added_units], asset, at)
    _record_epoch(epoch, at)
    totals.commit(epoch=epoch, leaves=leaves, decimals=decimals(asset), at=at)
    return epoch


def store(epoch: PayoutEpoch, leaves: Sequence[PayoutLeaf]) -> None:
    """Save an epoch with its leaves in their order, its root, its tree and their file's digest."""
    body = b"".join(map(publication.packed, leaves))
    tree = publication.tree_of(body)
    assert bytes(epoch.root) in (b"", tree.root), f"{epoch} has another root than its leaves"
    epoch.root, epoch.leaf_count, epoch.tree = tree.root, len(leaves), trees.store(tree)
    epoch.leaves_digest = publication.digest_of(epoch, body)
    epoch.save()
    for position, leaf in enumerate(leaves):
        leaf.epoch, leaf.position = epoch, position
    PayoutLeaf.objects.bulk_create(leaves)


def build_epochs(*, at: datetime, chain_id: int | None = None) -> int:
    """Build what is due for every asset that is paid on a chain, home unless named.

    What is over the limit waits for two operators. Returns how many were proposed. Raises
    outbox.ChainIsAhead where the chain has a tree that our books do not know.
    """
    built = 0
    for asset in assets_to_build(at, chain_id or chains.home()):
        try:
            built += build_epoch(asset, at) is not None
        except limits.TakesTwo as waits:
            log.info("payout_tree_waits_for_two", asset=asset.code, reason=waits.detail)
    return built


def assets_to_build(at: datetime, chain_id: int) -> list[Asset]:
    """The assets paid on a chain whose next tree may be built at `at`."""
    found = []
    for contract, last, asset in _ripe(at, chain_id):
        _require_no_unknown_tree(contract, last, at)
        found.append(asset)
    return found


def look(*, at: datetime) -> dict[Asset, list[Due]]:
    """What trees built at `at` would add, by asset. Nothing moves, and no chain is asked."""
    found = {}
    for chain_id in chains.ids():
        for _contract, last, asset in _ripe(at, chain_id):
            if last is None or last.state == State.ACTIVE:
                methods = payees.payable_methods(asset=asset, at=at)
                found[asset] = dues.look(
                    asset=asset, methods=methods, decimals=decimals(asset), at=at
                )
    return found


def _ripe(at: datetime, chain_id: int) -> Iterator[tuple[ChainContract, PayoutEpoch | None, Asset]]:
    """Contracts on a chain whose last tree is old enough at `at` for another."""
    contracts = ChainContract.objects.filter(
        chain_id=chain_id, kind=ChainContract.Kind.OWNER_PAYOUTS
    )
    for contract in contracts:
        code = f"{evm.caip2(contract.chain_id)}/erc20:{contract.token_address}"
        asset = Asset.objects.filter(code__iexact=code).first()
        last = PayoutEpoch.objects.filter(contract=contract).order_by("number").last()
        is_early = (
            last is not None
            and contract.chain_id != signers.DEVELOPMENT_CHAIN
            and at < last.built_at + EPOCH_EVERY
        )
        if asset is not None and not is_early:
            yield contract, last, asset


def over_limit() -> QuerySet[Any]:
    """Assets of which more is payable to addresses on their chain than one operator may send.

    `payable_units` is what they are owed now; thresholds and schedules may let some of it wait.
    """
    named = PayoutMethod.objects.filter(
        party=OuterRef("account__party"),
        verified_at__isnull=False,
        removed_at=None,
        flagged_at=None,
    )
    payable = Q(pk__in=[])
    for one in map(evm.caip2, chains.ids()):
        payable |= Q(Exists(named.filter(chain=one)), account__asset__code__startswith=f"{one}/")
    owed = Balance.objects.filter(payable, account__kind=Kind.OWNER, posted__gt=0)
    sums = owed.values("account__asset").annotate(total=Sum("posted")).order_by()
    assets = Asset.objects.in_bulk([row["account__asset"] for row in sums])
    over = [
        row["account__asset"]
        for row in sums
        if assets[row["account__asset"]].is_on_chain
        and row["total"] > limits.limit_units(limits.Act.PAYOUT, assets[row["account__asset"]])
    ]
    mine = sums.filter(account__asset=OuterRef("pk")).values("total")
    return Asset.objects.filter(pk__in=over).annotate(payable_units=Subquery(mine))


def _require_no_unknown_tree(
    contract: ChainContract, last: PayoutEpoch | None, at: datetime
) -> None:
    """Stop the proposer where a tree is active that our books forgot: a leaf of it might shrink.

    Its leaves cannot be had from the chain, which holds only their root.
    """
    chain, known = evm.connect(contract.chain_id), last.number if last else 0
    active = int(chain.call(owner_payouts(), contract.address, "epoch"))
    if active <= known:
        return
    row = outbox.account_row(chain, signers.address("proposer"))
    detail = f"payout epoch {active} is active, our books know {known}: restore a later backup"
    outbox.raise_alarm(row=row, alarm=ChainAccount.Alarm.CHAIN_AHEAD, detail=detail, at=at)
    raise outbox.ChainIsAhead(f"{contract}: {detail}.")


def activate(*, epoch: PayoutEpoch, at: datetime) -> bool:
    """Take one epoch a step further, as far as the chain allows; whether anything changed."""
    with transaction.atomic():
        locked = PayoutEpoch.objects.select_for_update().get(pk=epoch.pk)
        if locked.state == State.PROPOSED:
            return _begin_activation(locked, at)
        if locked.state == State.ACTIVATING:
            return _finish_activation(locked, at)
    return False


@transaction.atomic
def propose_again(*, epoch: PayoutEpoch, reason: str, at: datetime) -> OutboxTransaction:
    """Propose an epoch's root anew after a guardian vetoed it, because a person found out why.

    Raises NotVetoed, and evm.ChainUnreachable where the contract cannot be asked.
    """
    locked = PayoutEpoch.objects.select_for_update(of=("self",)).get(pk=epoch.pk)
    contract = locked.contract
    waiting = evm.connect(contract.chain_id).call(owner_payouts(), contract.address, "pending")[0]
    if locked.state == State.ACTIVE or bytes(waiting) != bytes(32) or not reason.strip():
        raise NotVetoed
    rows = locked.outbox.all()
    if any(row.state != OutboxTransaction.State.FINAL for row in rows):
        raise NotVetoed(_("Its proposal is still on its way."))
    call, count = _proposal(locked), _proposals(locked)
    row = _enqueue_call(locked, call, f"{call.verb}:{count + 1}", at)
    locked.outbox.add(row)
    locked.state, locked.activation = State.PROPOSED, None
    locked.save(update_fields=["state", "activation"])
    ledger.record(
        "payout.proposed_again",
        at=at,
        subject_kind="payout_epoch",
        body={
            "contract": contract.caip10,
            "epoch": locked.number,
            "root": bytes(locked.root),
            "reason": reason.strip()[:300],
        },
    )
    return row


def advance(*, at: datetime, chain_id: int | None = None) -> int:
    """Take every epoch that is under way on a chain (home unless named) further; how many moved."""
    under_way = PayoutEpoch.objects.exclude(state=State.ACTIVE).filter(
        contract__chain_id=chain_id or chains.home()
    )
    return sum(activate(epoch=epoch, at=at) for epoch in under_way)


def _leaves(
    before: dict[Any, PayoutLeaf], added: Sequence[Due], methods: dict[UUID, PayoutMethod]
) -> list[PayoutLeaf]:
    """The leaves of the next tree: all payees ever, with what they are owed in all."""
    found = {}
    for party_id, leaf in before.items():
        # Whoever has no address now, or one on hold, keeps the last: it is owed there already.
        method = methods.get(party_id)
        address = method.chain_address if method is not None else leaf.address
        found[party_id] = PayoutLeaf(
            party=leaf.party,
            payee_id=bytes(leaf.payee_id),
            address=address,
            cumulative=int(leaf.cumulative),
            added_units=0,
        )
    for one in added:
        leaf = found.setdefault(
            one.party.pk,
            PayoutLeaf(party=one.party, payee_id=payees.payee_id(one.party), cumulative=0),
        )
        leaf.address = one.method.chain_address
        leaf.cumulative = int(leaf.cumulative) + one.tokens
        leaf.added_units = one.units
    return sorted(found.values(), key=lambda leaf: bytes(leaf.payee_id))


def _send(
    asset: Asset, contract: ChainContract, number: int, added: Sequence[Due], at: datetime
) -> Entry | None:
    """Move what the tree adds in flight; None where it only changes an address."""
    if not added:
        return None
    facts = {"contract": contract.caip10, "epoch": number}
    return dues.send(
        asset=asset, due=added, key=f"payout:{contract.pk}:{number}", facts=facts, at=at
    )


def _addresses(leaves: Any) -> dict[Any, str]:
    return {leaf.party_id: leaf.address for leaf in leaves}


def _enqueue(epoch: PayoutEpoch, new_tokens: int, at: datetime) -> list[OutboxTransaction]:
    """Fund what is new, and propose the root, each by its own account."""
    proposal = _enqueue_call(epoch, _proposal(epoch), "propose", at)
    if not new_tokens:
        return [proposal]
    approval = _enqueue_approval(epoch.contract, at)
    return [
        approval,
        _enqueue_call(epoch, _funding(epoch.contract, new_tokens), "fund", at),
        proposal,
    ]


def _enqueue_approval(contract: ChainContract, at: datetime) -> OutboxTransaction:
    """Let the contract draw what the treasury funds it with, once and for all epochs.

    An allowance for one epoch would be overwritten by another's where a restored backup sends both
    again. Nothing but the treasury's own call of `fund` draws on it.
    """
    data = evm.encode_call(evm.development_token(), "approve", contract.address, UNLIMITED)
    return outbox.enqueue(
        purpose=_noop("approve payouts"),
        idempotency_key=f"payouts:{contract.address}:approve",
        account=signers.address("treasury"),
        to_address=contract.token_address,
        data=data,
        gas_limit=APPROVE_GAS,
        chain_id=contract.chain_id,
        at=at,
    )


def _enqueue_call(epoch: PayoutEpoch, call: _Call, name: str, at: datetime) -> OutboxTransaction:
    contract = epoch.contract
    return outbox.enqueue(
        purpose=_noop("%(verb)s payout epoch %(number)s")
        % {"verb": call.verb, "number": epoch.number},
        idempotency_key=f"payouts:{contract.address}:{epoch.number}:{name}",
        account=signers.address(call.role),
        to_address=call.to_address,
        data=call.data,
        gas_limit=call.gas_limit,
        chain_id=contract.chain_id,
        at=at,
    )


def _proposals(epoch: PayoutEpoch) -> int:
    """How often an epoch was proposed."""
    return epoch.outbox.filter(purpose__startswith="propose ").count()


def _funding(contract: ChainContract, tokens: int) -> _Call:
    data = evm.encode_call(owner_payouts(), "fund", tokens)
    return _Call(_noop("fund"), "treasury", contract.address, data, FUND_GAS)


def _proposal(epoch: PayoutEpoch) -> _Call:
    contract = epoch.contract
    data = evm.encode_call(
        owner_payouts(),
        "proposeRoot",
        epoch.number,
        bytes(epoch.root),
        int(epoch.total),
        bytes(epoch.leaves_digest),
        publication.where(epoch),
    )
    return _Call(_noop("propose"), "proposer", contract.address, data, PROPOSE_GAS)


def _begin_activation(epoch: PayoutEpoch, at: datetime) -> bool:
    """Once all it needs is final and its delay is over, enqueue the activation."""
    rows = list(epoch.outbox.all())
    if any(row.state != OutboxTransaction.State.FINAL for row in rows):
        return False
    final_at = max(row.final_at or at for row in rows)
    # The proposal was mined before it was final: a delay counted from then is over on the chain.
    delay = chains.settings_of(epoch.contract.chain_id).payout_delay_seconds
    if at < final_at + timedelta(seconds=delay):
        return False
    data = evm.encode_call(owner_payouts(), "activateRoot", epoch.number)
    call = _Call(_noop("activate"), "proposer", epoch.contract.address, data, ACTIVATE_GAS)
    count = _proposals(epoch)
    # What was activated after an earlier proposal reverted: it was vetoed.
    name = call.verb if count == 1 else f"{call.verb}:{count}"
    epoch.activation = _enqueue_call(epoch, call, name, at)
    epoch.state = State.ACTIVATING
    epoch.save(update_fields=["activation", "state"])
    return True


def _finish_activation(epoch: PayoutEpoch, at: datetime) -> bool:
    row = epoch.activation
    assert row is not None, "an epoch that activates has its transaction"
    if row.state != OutboxTransaction.State.FINAL:
        return False
    epoch.state, epoch.active_at = State.ACTIVE, at
    epoch.save(update_fields=["state", "active_at"])
    return True


def _name_payees(leaves: Sequence[PayoutLeaf], asset: Asset, at: datetime) -> None:
    """Tie each new payee's pseudonym to its journal account, once, so that proofs can say so."""
    for leaf in leaves:
        account = journal.account(Kind.OWNER_PENDING, asset, party=leaf.party)
        known = Event.objects.filter(
            kind="payee.named", subject_id=leaf.party_id, body__account=account.pk
        )
        if not known.exists():
            ledger.record(
                "payee.named",
                at=at,
                subject_kind="party",
                subject_id=leaf.party_id,
                party=leaf.party,
                body={"payee": bytes(leaf.payee_id), "account": account.pk},
            )


def _record_epoch(epoch: PayoutEpoch, at: datetime) -> None:
    ledger.record(
        "payout.proposed",
        at=at,
        subject_kind="payout_epoch",
        body={
            "contract": epoch.contract.caip10,
            "epoch": epoch.number,
            "root": bytes(epoch.root),
            "total": str(epoch.total),
            "leaves_digest": bytes(epoch.leaves_digest),
            "entry": epoch.entry_id,
            "entry_hash": bytes(epoch.entry.hash) if epoch.entry else None,
        },
    )


def proof_of(leaf: PayoutLeaf) -> list[bytes]:
    """The siblings from a leaf up to the root of its epoch."""
    return trees.proof(leaf.epoch.tree, leaf.position)


def leaf_row(leaf: PayoutLeaf) -> tuple[bytes, str, int]:
    """A leaf's values, in the order of LEAF_TYPES."""
    return bytes(leaf.payee_id), leaf.address, int(leaf.cumulative)


def decimals(asset: Asset) -> int:
    """The decimals of an asset's token."""
    assert asset.token_decimals is not None, f"{asset.code} has no token"
    return asset.token_decimals
