"""Money on its way to owners: a token that pays, use that earns, a real chain that moves."""

from __future__ import annotations

import pytest

from compensation import billing, deployment, deposits, holdback, payees, payouts, settlement
from compensation.models import Asset
from provenance import outbox, signers
from tests import factories
from tests.compensation.conftest import grant, priced, texts, use

ADAS_ADDRESS = "0x00000000000000000000000000000000000000aa"
BENS_ADDRESS = "0x00000000000000000000000000000000000000bb"


@pytest.fixture
def dollar(chain, clock, settings) -> Asset:
    """The test token, payable; nothing is held back."""
    settings.HOLD_BACK_DAYS = 0
    deployment.deploy_all(
        token="", admin=signers.address("deployer"), clock=clock, say=lambda _: None
    )
    return Asset.objects.get()


@pytest.fixture
def drive(chain, clock):
    """Let the chain and the outbox come to rest, and book what they did."""

    def until_quiet() -> None:
        for _ in range(8):
            outbox.send_all(chain_id=signers.DEVELOPMENT_CHAIN, at=clock())
            chain.mine(3)
            outbox.send_all(chain_id=signers.DEVELOPMENT_CHAIN, at=clock())
            moved = payouts.advance(at=clock()) + settlement.settle(at=clock())
            open_rows = outbox.OutboxTransaction.objects.exclude(state__in=["final", "review"])
            if not moved and not open_rows.exists():
                return

    return until_quiet


def earn(lab, owner, dollar, clock, *, name="essays", records=10, price_units=25_000_000):
    """Use of an owner's data, charged and payable: ten records at 25 dollars a thousand."""
    version = priced(
        factories.version(factories.dataset(owner, name), texts(10, name)),
        dollar,
        price_units=price_units,
        at=clock(),
    )
    return earn_again(lab, version, clock, records=records)


def earn_again(lab, version, clock, *, records=10):
    grant(lab, version, at=clock())
    use(lab, version, records=records, at=clock())
    clock.pass_time(120)
    billing.bill_batch(at=clock())
    holdback.mature_credits(at=clock())
    return version


@pytest.fixture
def paid_lab(lab, dollar, clock):
    deposits.deposit(lab=lab, asset=dollar, amount_units=10**9, reference="a", at=clock())
    return lab


def address(party, text, clock):
    return payees.add_method(
        party=party, address=text, chain_id=signers.DEVELOPMENT_CHAIN, at=clock()
    )
