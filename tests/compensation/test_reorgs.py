"""A chain that goes back takes nothing from the books, because they follow only what is final."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from eth_account import Account as Key

from compensation import invariants, payouts, reading, settlement, transfers
from compensation.contracts import owner_payouts
from compensation.models import Account, Asset, Deposit, Payout, Transfer
from provenance import evm, outbox, signers
from tests import anvil, ground
from tests.compensation.conftest import held
from tests.paying import ADAS_ADDRESS, address, earn

pytestmark = pytest.mark.django_db(transaction=True)

WALLET = Key.from_key(ground.KEYS[0])


@pytest.fixture
def chain(settings):
    """An anvil as the settings' chain: unlike the embedded node it can be made to go back."""
    if not anvil.is_here():
        pytest.skip("anvil is not here: `./run faults --chain` fetches it from npm")
    with anvil.anvil() as node:
        node.rpc("evm_setAutomine", True)
        settings.CHAIN_RPC_URL, settings.CHAIN_ID = node.url, signers.DEVELOPMENT_CHAIN
        settings.CHAIN_CONFIRMATIONS, settings.CHAIN_KEYS = 3, {}
        yield node


@pytest.fixture
def transfer(chain, dollar, lab, clock, drive) -> bytes:
    """The signed bytes with which the lab sends us 700 units; not yet broadcast."""
    transfers.name_address(lab=lab, address=WALLET.address, at=clock())
    outbox.enqueue(
        purpose="mint", idempotency_key="mint", account=signers.address("deployer"),
        to_address=dollar.token_address, gas_limit=200_000, chain_id=31337, at=clock(),
        data=evm.encode_call(evm.development_token(), "mint", WALLET.address, 700),
    )  # fmt: skip
    drive()
    transfers.watch(at=clock())
    node = evm.connect()
    fees = node.fees()
    fields = {"chainId": 31337, "nonce": 0, "to": dollar.token_address, "value": 0, "gas": 100_000}
    fields |= {"maxFeePerGas": 3 * fees.max_fee, "maxPriorityFeePerGas": fees.tip}
    fields["data"] = evm.encode_call(
        evm.development_token(), "transfer", transfers.deposit_address(), 700
    )
    return bytes(WALLET.sign_transaction(fields).raw_transaction)


def test_a_deposit_that_the_chain_takes_back_was_never_in_the_books(
    chain, dollar, lab, transfer, clock, monkeypatch
):
    node = evm.connect()
    node.broadcast(transfer)
    chain.mine(1)
    assert transfers.watch(at=clock()) == 0
    chain.rpc("anvil_reorg", 2, [])
    chain.mine(6)
    assert transfers.watch(at=clock()) == 0
    assert not Transfer.objects.exists()
    node.broadcast(transfer)
    chain.mine(4)
    assert transfers.watch(at=clock()) == 1
    chain.mine(2)
    assert transfers.watch(at=clock()) == 0
    assert (Deposit.objects.count(), held(dollar, Account.Kind.LAB, lab)) == (1, 700)
    deeper_than_final(chain, dollar, lab, clock, monkeypatch)


def deeper_than_final(chain, dollar: Asset, lab, clock, monkeypatch) -> None:
    """On a real chain a final block that is another one now stops the booking and says so."""
    chain.rpc("anvil_reorg", 5, [])
    chain.mine(2)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(reading, "signers", SimpleNamespace(DEVELOPMENT_CHAIN=1))
        for _ in range(2):
            with pytest.raises(reading.HistoryChanged, match="was final and is another now"):
                transfers.watch(at=clock())
    assert transfers.watch(at=clock()) == 0
    assert held(dollar, Account.Kind.LAB, lab) == 700


def test_a_payment_that_the_chain_takes_back_is_booked_once_it_stays(
    chain, ada, paid_lab, dollar, clock, drive
):
    earn(paid_lab, ada, dollar, clock)
    address(ada, ADAS_ADDRESS, clock)
    epoch = payouts.build_epoch(dollar, clock())
    drive()
    settlement.claim(party=ada, asset=dollar, at=clock())
    outbox.send_all(chain_id=31337, at=clock())
    chain.mine(1)
    chain.rpc("anvil_reorg", 2, [])
    chain.mine(1)
    assert settlement.settle(at=clock()) == 0
    assert held(dollar, Account.Kind.PAYOUTS_IN_FLIGHT, ada) == 250_000
    for _ in range(3):
        clock.pass_time(60)
        drive()
    assert Payout.objects.get().amount_units == 250_000
    assert held(dollar, Account.Kind.PAYOUTS_IN_FLIGHT, ada) == 0
    (log,) = evm.connect().logs(
        owner_payouts(), epoch.contract.address, "Paid", from_block=0, to_block=evm.connect().head()
    )
    reading.require_canonical(evm.connect(), [log])
    with pytest.raises(evm.ChainUnreachable, match="disagree on block"):
        reading.require_canonical(evm.connect(), [replace(log, block_hash="0x" + "13" * 32)])
    token = evm.connect().call(
        evm.development_token(), dollar.token_address, "balanceOf", evm.checksum(ADAS_ADDRESS)
    )
    assert token == 250_000
    assert list(invariants.broken()) == []
