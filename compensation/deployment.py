"""Puts every contract on the chain and makes the token payable: what a start needs of the chain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_noop as _noop

from compensation.contracts import owner_payouts
from compensation.models import Asset
from provenance import chains, deployment, evm, outbox, signers
from provenance.models import ChainContract, OutboxTransaction

Kind = ChainContract.Kind

LARGEST_SCALE = 9
# What the treasury of a development chain has to pay with, in units of a millionth.
PLAY_MONEY = 10**15
MINT_GAS = 200_000


def deploy_all(
    *,
    token: str,
    admin: str,
    clock: Callable[[], datetime],
    say: Callable[[str], None],
    chain_id: int | None = None,
) -> list[ChainContract]:
    """See to it that all contracts stand on a chain, home unless named; returns them.

    The ledger is anchored at home only. Without a `token` a TestToken is deployed, which only
    the development chain allows. Raises what provenance.deployment.deploy raises.
    """
    told = chains.settings_of(chain_id or chains.home())
    where: dict[str, Any] = {"chain_id": told.chain_id, "clock": clock, "say": say}
    orders = []
    if told.chain_id == chains.home():
        first = [admin, signers.address("anchorer")]
        orders.append(deployment.Order(Kind.LINEAGE_ANCHOR, evm.lineage_anchor(), first))
    if not token:
        orders.append(deployment.Order(Kind.TEST_TOKEN, evm.development_token(), []))
    standing = deployment.deploy(orders=orders, **where)
    token_address = evm.checksum(token) if token else standing[-1].address
    roles = [admin, signers.address("proposer"), signers.address("guardian")]
    payouts = deployment.Order(
        Kind.OWNER_PAYOUTS,
        owner_payouts(),
        [token_address, told.payout_delay_seconds, *roles],
        token_address,
    )
    # Queued first, so that one block can carry both.
    minting = [] if token else [_fill_treasury(standing[-1], clock)]
    standing += deployment.deploy(orders=[payouts], **where)
    deployment.wait_until_mined(rows=minting, clock=clock)
    asset = payable_asset(token_address=token_address, chain_id=told.chain_id)
    say(f"owners are paid in {asset.symbol}: {asset.code}")
    return standing


def payable_asset(*, token_address: str, chain_id: int | None = None) -> Asset:
    """A token on a chain (home unless named) as an asset of the journal.

    It is made from what the token says of itself.
    """
    chain_id = chain_id or chains.home()
    code = f"{evm.caip2(chain_id)}/erc20:{token_address}"
    found = Asset.objects.filter(code=code).first()
    if found is not None:
        return found
    chain, artefact = evm.connect(chain_id), evm.development_token()
    name, symbol, decimals = (
        chain.call(artefact, token_address, question) for question in ("name", "symbol", "decimals")
    )
    asset, _ = Asset.objects.get_or_create(
        code=code,
        defaults={
            "symbol": str(symbol)[:12],
            "name": str(name)[:80],
            "scale": min(int(decimals), LARGEST_SCALE),
            "token_decimals": int(decimals),
        },
    )
    return asset


def _fill_treasury(token: ChainContract, clock: Callable[[], datetime]) -> OutboxTransaction:
    """Enqueue the minting of play money to the treasury, once for each token."""
    return outbox.enqueue(
        purpose=_noop("mint play money"),
        idempotency_key=f"mint:{token.address}:treasury",
        account=signers.address("deployer"),
        to_address=token.address,
        data=evm.encode_call(
            evm.development_token(), "mint", signers.address("treasury"), PLAY_MONEY
        ),
        gas_limit=MINT_GAS,
        chain_id=token.chain_id,
        at=clock(),
    )
