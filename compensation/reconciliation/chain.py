"""The journal against the chain: what the payout contracts hold, paid, and which tree is active."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Sum
from django.utils.translation import gettext_noop as _noop

from compensation import settlement
from compensation.contracts import owner_payouts
from compensation.models import Account, Asset, Balance, Payout, PayoutEpoch
from compensation.payouts import decimals
from compensation.reconciliation.finding import Finding, say
from provenance import chains, evm
from provenance.models import ChainContract, OutboxTransaction

# Final payments are booked within seconds; after so long something stands still.
PATIENCE = timedelta(hours=1)


class NotThereYet(Exception):
    """What the chain holds for final does not reach to the contract's deployment."""


@dataclass(frozen=True)
class _Said:
    """What the chain says of a contract at its last final block, in the token's own decimals."""

    balance: int
    funded: int
    epoch: int
    root: bytes
    paid: list[evm.Log]

    @property
    def paid_tokens(self) -> int:
        return sum(int(one.args["amount"]) for one in self.paid)


def findings(at: datetime) -> Iterator[Finding]:
    """Everything that differs on our chains.

    Raises evm.ChainUnreachable, evm.WrongChain or NotThereYet.
    """
    contracts = ChainContract.objects.filter(
        chain_id__in=chains.ids(), kind=ChainContract.Kind.OWNER_PAYOUTS
    )
    for contract in contracts:
        last = contract.epochs.select_related("asset").order_by("number").last()
        if last is None:
            continue
        chain = evm.connect(contract.chain_id)
        said = _ask(chain, contract)
        yield from _holdings(contract, last, said)
        yield from _flight(contract, last)
        yield from _payments(contract, last.asset, said, chain, at)
        yield from _trees(contract, last, said)
        yield from _failures(contract)


def _ask(chain: evm.Chain, contract: ChainContract) -> _Said:
    final = chain.final_block()
    if final < contract.block_number:
        raise NotThereYet(
            f"Only block {final} is final, and {contract.caip10} was deployed in block "
            f"{contract.block_number}: wait a moment; if it stays so, run reconcile_restore."
        )

    def call(name: str) -> int:
        return int(chain.call(owner_payouts(), contract.address, name, block=final))

    held = chain.call(
        evm.development_token(),
        contract.token_address,
        "balanceOf",
        evm.checksum(contract.address),
        block=final,
    )
    start = contract.block_number
    return _Said(
        balance=int(held),
        funded=call("totalFunded"),
        epoch=call("epoch"),
        root=bytes(chain.call(owner_payouts(), contract.address, "root", block=final)),
        paid=chain.logs(
            owner_payouts(), contract.address, "Paid", from_block=start, to_block=final
        ),
    )


def _holdings(contract: ChainContract, last: PayoutEpoch, said: _Said) -> Iterator[Finding]:
    """What the contract holds and was given."""
    asset = last.asset
    rest = said.balance - (said.funded - said.paid_tokens)
    if rest:
        yield _finding(
            contract,
            "balance",
            asset,
            rest,
            None,
            _noop("The contract holds %(say)s other than it was given and paid out.")
            % {"say": _say(rest, asset)},
            _noop("Somebody sent tokens to it, or the token took a fee: look at its transfers."),
        )
    possible = _fundings(contract, last)
    if said.funded not in possible:
        rest = said.funded - possible[-1]
        yield _finding(
            contract,
            "funding",
            asset,
            rest,
            None,
            _noop("The contract was given %(say)s; our trees add up to %(say_2)s.")
            % {"say": _say(said.funded, asset), "say_2": _say(possible[-1], asset)},
            _noop("Look at the outbox for a funding that stopped, or that was sent by hand."),
        )


def _flight(contract: ChainContract, last: PayoutEpoch) -> Iterator[Finding]:
    """What the journal has on its way, against the trees less what was paid from them."""
    asset = last.asset
    paid = Payout.objects.filter(contract=contract).aggregate(total=Sum("token_amount"))["total"]
    owed = _units(int(last.total) - int(paid or 0), asset)
    flight = Balance.objects.filter(
        account__kind=Account.Kind.PAYOUTS_IN_FLIGHT, account__asset=asset
    ).aggregate(total=Sum("posted"))["total"]
    if owed != int(flight or 0):
        yield _finding(
            contract,
            "flight",
            asset,
            0,
            None,
            _noop("The journal has %(say)s in flight; trees less payments are %(say_2)s.")
            % {"say": say(int(flight or 0), asset), "say_2": say(owed, asset)},
            _noop(
                "This is our own mistake: run verify_journal and stop payouts until it is found."
            ),
            units=owed - int(flight or 0),
        )


def _fundings(contract: ChainContract, last: PayoutEpoch) -> list[int]:
    """What the contract may have been given by now: while a funding is under way, two amounts."""
    if all(row.state == OutboxTransaction.State.FINAL for row in last.outbox.all()):
        return [int(last.total)]
    before = contract.epochs.filter(number__lt=last.number).order_by("number").last()
    return [int(before.total) if before else 0, int(last.total)]


def _payments(
    contract: ChainContract, asset: Asset, said: _Said, chain: evm.Chain, at: datetime
) -> Iterator[Finding]:
    """Payments that only the chain or only we know of."""
    booked = {
        (bytes(one.leaf.payee_id), int(one.token_cumulative)): one
        for one in Payout.objects.filter(contract=contract).select_related("leaf")
    }
    for log in said.paid:
        key = (bytes(log.args["payeeId"]), int(log.args["cumulative"]))
        if booked.pop(key, None) is not None:
            continue
        mined_at = datetime.fromtimestamp(chain.block_time(log.block_number), UTC)
        if at - mined_at < PATIENCE:
            continue
        tokens = int(log.args["amount"])
        yield _finding(
            contract,
            f"paid:{log.tx_hash}:{key[1]}",
            asset,
            tokens,
            mined_at,
            _noop("The chain paid %(say)s in %(tx_hash)s, and it is not booked.")
            % {"say": _say(tokens, asset), "tx_hash": log.tx_hash},
            _noop("Look whether the worker runs, and at its log for what stops it."),
        )
    for payout in booked.values():
        yield _finding(
            contract,
            f"unpaid:{payout.pk}",
            asset,
            -int(payout.token_amount),
            payout.settled_at,
            _noop("We booked %(say)s as paid in %(tx_hash)s; the chain has no such payment.")
            % {"say": say(payout.amount_units, asset), "tx_hash": payout.tx_hash},
            _noop("The chain was rebuilt, or is another one: run reconcile_restore."),
        )


def _trees(contract: ChainContract, last: PayoutEpoch, said: _Said) -> Iterator[Finding]:
    """The tree that the chain follows is the one that we hold to be active, or about to be."""
    ours = {one.number: one for one in contract.epochs.all()}
    active = max(
        (one.number for one in ours.values() if one.state == PayoutEpoch.State.ACTIVE), default=0
    )
    known = ours.get(said.epoch)
    is_next = known is not None and known.state == PayoutEpoch.State.ACTIVATING
    fits = known is not None and bytes(known.root) == said.root
    if said.epoch == 0 == active or (fits and (said.epoch == active or is_next)):
        return
    yield _finding(
        contract,
        "epoch",
        last.asset,
        0,
        None,
        (
            _noop("The chain follows epoch %(epoch)s, and we hold epoch %(active)s to be active.")
            if known is None or fits
            else _noop(
                "The chain follows epoch %(epoch)s with another root, and we hold epoch "
                "%(active)s to be active."
            )
        )
        % {"epoch": said.epoch, "active": active},
        _noop(
            "A backup was restored or another service writes: run reconcile_restore "
            "before anything."
        ),
    )


def _failures(contract: ChainContract) -> Iterator[Finding]:
    """Pushes that the token refused; the money stays in the contract, owed."""
    for one in settlement.open_failures(contract):
        asset, tokens = one.leaf.epoch.asset, int(one.token_amount)
        yield _finding(
            contract,
            f"failed:{one.pk}",
            asset,
            tokens,
            one.seen_at,
            _noop(
                "The token refused %(say)s to %(address)s of %(party)s in %(tx_hash)s; it "
                "stays owed."
            )
            % {
                "say": _say(tokens, asset),
                "address": one.leaf.address,
                "party": one.party,
                "tx_hash": one.tx_hash,
            },
            _noop(
                "The owner was asked for another address, or to confirm this one and claim "
                "again. Ask the token's issuer whether it is blocked."
            ),
        )


def _finding(
    contract: ChainContract,
    name: str,
    asset: Asset,
    tokens: int,
    since: datetime | None,
    words: str,
    advice: str,
    *,
    units: int | None = None,
) -> Finding:
    return Finding(
        key=f"chain:{contract.caip10}:{name}",
        asset=asset,
        amount_units=_units(tokens, asset) if units is None else units,
        words=words,
        advice=advice,
        since=since,
    )


def _units(tokens: int, asset: Asset) -> int:
    """Tokens in units of the journal, towards zero where those are coarser."""
    step = decimals(asset) - asset.scale
    if step <= 0:
        return int(tokens * 10**-step)
    units = abs(tokens) // 10**step
    return int(units if tokens >= 0 else -units)


def _say(tokens: int, asset: Asset) -> str:
    return say(_units(tokens, asset), asset)
