"""Two tokens on one chain: a contract, a tree and a payout each, and neither pays for the other."""

from __future__ import annotations

import pytest

from compensation import deployment as compensation_deployment
from compensation import deposits, invariants, payouts, reconciliation, settlement, totals
from compensation.models import Asset, Payout, PayoutEpoch
from provenance import deployment, evm, outbox, signers
from provenance.models import ChainContract
from tests.paying import ADAS_ADDRESS, address, earn

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def crown(dollar, clock, drive) -> Asset:
    """A second token of the same chain, in the treasury as well, payable."""
    order = deployment.Order(ChainContract.Kind.TEST_TOKEN, evm.development_token(), [], "second")
    token = deployment.deploy(orders=[order], clock=clock, say=print)[0].address
    standing = compensation_deployment.deploy_all(
        token=token, admin=signers.address("deployer"), clock=clock, say=print
    )
    mint = evm.encode_call(evm.development_token(), "mint", signers.address("treasury"), 10**12)
    outbox.enqueue(
        purpose="mint", idempotency_key="mint the second", account=signers.address("deployer"),
        to_address=token, data=mint, gas_limit=200_000, chain_id=31337, at=clock(),
    )  # fmt: skip
    drive()
    assert len(standing) == 2
    return compensation_deployment.payable_asset(token_address=token)


def test_each_token_is_paid_by_its_own_contract(ada, paid_lab, dollar, crown, clock, drive):
    deposits.deposit(lab=paid_lab, asset=crown, amount_units=10**9, reference="b", at=clock())
    earn(paid_lab, ada, dollar, clock)
    earn(paid_lab, ada, crown, clock, name="notes", records=4)
    address(ada, ADAS_ADDRESS, clock)
    assert payouts.build_epochs(at=clock()) == 2
    drive()
    assert PayoutEpoch.objects.filter(number=1, state=PayoutEpoch.State.ACTIVE).count() == 2
    assert {one["asset"] for one in totals.index()["contracts"]} == {dollar.code, crown.code}
    for asset in (dollar, crown):
        settlement.claim(party=ada, asset=asset, at=clock())
    drive()
    paid = {
        one.asset: (one.amount_units, one.contract.token_address) for one in Payout.objects.all()
    }
    assert paid == {
        dollar: (250_000, dollar.token_address),
        crown: (100_000, crown.token_address),
    }
    for asset, tokens in ((dollar, 250_000), (crown, 100_000)):
        held = evm.connect().call(
            evm.development_token(), asset.token_address, "balanceOf", evm.checksum(ADAS_ADDRESS)
        )
        assert held == tokens
    assert list(invariants.broken()) == []
    assert reconciliation.reconcile(at=clock()).is_clean
