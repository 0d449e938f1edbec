"""Which EVM chains the service is on, and how each is reached.

The ledger is anchored, and reports are signed for, on one: the home chain, that of CHAIN_ID. Labs
may deposit and owners may be paid on others too, which MORE_CHAINS names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from django.conf import settings
from django.utils.translation import gettext as _

from provenance.refusals import Refused

DEVELOPMENT_CHAIN: Final = 31337

# Of chains that wallets call by a name (https://chainid.network).
NAMES: Final = {
    1: "Ethereum",
    10: "OP Mainnet",
    100: "Gnosis",
    137: "Polygon",
    8453: "Base",
    42161: "Arbitrum One",
    11155111: "Sepolia",
}

log = structlog.get_logger(__name__)


class UnknownChain(Refused):
    """This service is not on that chain."""

    code = "unknown_chain"
    status = 400


@dataclass(frozen=True)
class ChainSettings:
    """How one chain is reached, and when what it says is believed."""

    chain_id: int
    rpc_url: str
    finality: str
    confirmations: int
    fee_ceiling_gwei: int
    payout_delay_seconds: int

    @property
    def is_development(self) -> bool:
        """Whether it is a chain that may be rebuilt, with keys that everybody knows."""
        return self.chain_id == DEVELOPMENT_CHAIN


def home() -> int:
    """The EIP-155 id of the chain that carries the ledger."""
    return int(settings.CHAIN_ID)


def ids() -> list[int]:
    """The EIP-155 ids of all chains, home first."""
    return [home(), *sorted(settings.MORE_CHAINS.keys() - {home()})]


def name_of(chain_id: int) -> str:
    """What people call a chain, with its id."""
    if chain_id == DEVELOPMENT_CHAIN:
        return _("the development chain (%(chain_id)s)") % {"chain_id": chain_id}
    name = NAMES.get(chain_id)
    return f"{name} ({chain_id})" if name else _("chain %(chain_id)s") % {"chain_id": chain_id}


def settings_of(chain_id: int) -> ChainSettings:
    """How a chain is reached; raises UnknownChain."""
    if chain_id == home():
        return ChainSettings(
            chain_id=chain_id,
            rpc_url=settings.CHAIN_RPC_URL,
            finality=settings.CHAIN_FINALITY,
            confirmations=int(settings.CHAIN_CONFIRMATIONS),
            fee_ceiling_gwei=int(settings.CHAIN_FEE_CEILING_GWEI),
            payout_delay_seconds=int(settings.PAYOUT_DELAY_SECONDS),
        )
    if chain_id not in settings.MORE_CHAINS:
        raise UnknownChain(
            f"This service is not on chain {chain_id}.",
            hint=f"It is on {', '.join(map(str, ids()))}; TALLYMARK_MORE_CHAINS names others.",
        )
    return ChainSettings(chain_id=chain_id, **settings.MORE_CHAINS[chain_id])


def is_development() -> bool:
    """Whether no chain of ours holds anything real, so that the public keys will do."""
    return ids() == [DEVELOPMENT_CHAIN]


def on_each(work: Callable[[int], int], *, unless: tuple[type[Exception], ...], waits: str) -> int:
    """The sum of `work` over all chains; one that cannot be worked on does not keep the others.

    What is `unless` is logged under the name `waits`.
    """
    done = 0
    for chain_id in ids():
        try:
            done += work(chain_id)
        except unless as reason:
            log.warning(waits, chain=chain_id, reason=str(reason))
    return done


def shortened(text: str) -> str:
    """The two ends of a long hash, address or id; the whole stands on its page."""
    return text if len(text) <= 18 else f"{text[:10]}…{text[-6:]}"
