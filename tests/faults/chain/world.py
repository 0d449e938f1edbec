"""A world that owes money on a chain: contracts, a treasury, and owners with addresses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from compensation import deployment, payees
from compensation.models import Asset
from provenance import evm, outbox, signers
from provenance.models import ChainContract, OutboxTransaction
from tests import factories
from tests.anvil import Anvil
from tests.chain import Clock

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
OWNERS = ("Ada", "Ben", "Cleo", "Dora", "Emil")
CONFIRMATIONS = 3
CALM_BASE_FEE = evm.GWEI


@dataclass(frozen=True)
class World:
    """What the harness knows of it; ids are text."""

    owners: dict[str, str]
    """Ids of parties, by name."""
    addresses: dict[str, str]
    """Where each owner is paid, by name."""
    token: str
    anchor: str
    payouts: str


def build(anvil: Anvil) -> World:
    """Make it in the database and on the chain that the settings name; all of it is final."""
    clock = Clock(START - timedelta(days=1))
    anvil.rpc("evm_setAutomine", True)
    standing = deployment.deploy_all(
        token="", admin=signers.address("deployer"), clock=clock, say=lambda _: None
    )
    anvil.rpc("evm_setAutomine", False)
    anvil.mine(CONFIRMATIONS + 1, base_fee=CALM_BASE_FEE)
    outbox.send_all(chain_id=signers.DEVELOPMENT_CHAIN, at=clock())
    assert not OutboxTransaction.objects.exclude(state="final").exists()
    owners = {name: factories.party(name, is_owner=True) for name in OWNERS}
    addresses = {name: f"0x{number:040x}" for number, name in enumerate(OWNERS, 0xA1)}
    for name, owner in owners.items():
        payees.add_method(
            party=owner, address=addresses[name], chain_id=signers.DEVELOPMENT_CHAIN, at=clock()
        )
    found = {one.kind: one.address for one in standing}
    return World(
        owners={name: str(one.pk) for name, one in owners.items()},
        addresses=addresses,
        token=Asset.objects.get().token_address,
        anchor=found[ChainContract.Kind.LINEAGE_ANCHOR],
        payouts=found[ChainContract.Kind.OWNER_PAYOUTS],
    )
