"""A restored backup never proposes a tree beside one that the chain has: no leaf can shrink."""

from __future__ import annotations

import pytest

from compensation import deployment, journal, payees, payouts, settlement
from compensation.contracts import owner_payouts
from compensation.models import Account, Asset, PayoutEpoch
from provenance import evm, outbox, restore, signers
from provenance.models import ChainContract, OutboxTransaction
from tests.compensation import books

pytestmark = pytest.mark.django_db(transaction=True)

CHAIN_ID = signers.DEVELOPMENT_CHAIN
ADAS_ADDRESS = "0x00000000000000000000000000000000000000aa"


@pytest.fixture
def earn(ada, chain, clock):
    """Ada has an address, and earns."""
    deployment.deploy_all(
        token="", admin=signers.address("deployer"), clock=clock, say=lambda _: None
    )
    payees.add_method(party=ada, address=ADAS_ADDRESS, chain_id=CHAIN_ID, at=clock())
    dollar = Asset.objects.get()

    def units(count):
        target = journal.account(Account.Kind.OWNER, dollar, party=ada)
        books.move(books.outside(dollar), target, count, f"earned {count}", posted_at=clock())
        return dollar

    return units


@pytest.fixture
def drive(chain, clock):
    """Until everything is final that is under way."""

    def until_final():
        for _ in range(5):
            outbox.send_all(chain_id=CHAIN_ID, at=clock())
            chain.mine(3)
            outbox.send_all(chain_id=CHAIN_ID, at=clock())
            payouts.advance(at=clock())
            settlement.settle(at=clock())

    return until_final


def test_a_tree_that_our_books_forgot_is_never_replaced(earn, drive, clock, backup):
    earn(1_000)
    payouts.build_epochs(at=clock())
    drive()
    assert PayoutEpoch.objects.get().state == PayoutEpoch.State.ACTIVE
    backup.keep()
    earn(500)
    payouts.build_epochs(at=clock())
    drive()
    contract = ChainContract.objects.get(kind=ChainContract.Kind.OWNER_PAYOUTS)
    on_chain = (owner_payouts(), contract.address, "root")
    root = evm.connect().call(*on_chain)
    backup.restore()
    earn(7)
    for _ in range(2):
        # Also where an operator has cleared the alarm: the tree is still unknown.
        with pytest.raises(outbox.ChainIsAhead, match="epoch 2 is active, our books know 1"):
            payouts.build_epochs(at=clock())
        assert outbox.chain_is_ahead(chain_id=CHAIN_ID)
        restore.reconcile(at=clock())
    assert PayoutEpoch.objects.count() == 1
    assert not OutboxTransaction.objects.filter(purpose__contains="epoch 2").exists()
    drive()
    assert evm.connect().call(*on_chain) == root
