"""A payee whom the token refuses holds up nobody; it is told what to do, and is paid afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core import mail

from compensation import deployment as compensation_deployment
from compensation import invariants, payees, payouts, progress, reconciliation, settlement
from compensation.models import Account, Asset, FailedPush, Payout, PayoutClaim
from provenance import deployment, evm, mailing, outbox, signers
from provenance.models import ChainContract
from tests import doors
from tests.compensation.conftest import held
from tests.paying import ADAS_ADDRESS, BENS_ADDRESS, address, earn

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = Path(__file__).parents[1] / "contracts" / "artefacts" / "HostileToken.json"
HONEST, REVERTS = 0, 2
NOBODY = "0x" + "00" * 20


@pytest.fixture
def act(chain, clock, drive):
    """Let a role call a contract, final."""

    def call(role: str, to: str, artefact: evm.Artefact, function: str, *arguments) -> None:
        row = outbox.enqueue(
            purpose=function,
            idempotency_key=f"{function}:{arguments!r}:{clock()}"[:200],
            account=signers.address(role),
            to_address=to,
            data=evm.encode_call(artefact, function, *arguments),
            gas_limit=500_000,
            chain_id=signers.DEVELOPMENT_CHAIN,
            at=clock(),
        )
        drive()
        row.refresh_from_db()
        assert row.state == "final", row.state

    return call


@pytest.fixture
def dollar(chain, clock, settings, act) -> Asset:
    """A token that refuses whom its issuer names, payable; nothing is held back."""
    settings.HOLD_BACK_DAYS = 0
    hostile = evm.load_artefact(HOSTILE)
    order = deployment.Order(ChainContract.Kind.TEST_TOKEN, hostile, [], "hostile")
    token = deployment.deploy(orders=[order], clock=clock, say=print)[0].address
    compensation_deployment.deploy_all(
        token=token, admin=signers.address("deployer"), clock=clock, say=print
    )
    act("deployer", token, hostile, "transfer", signers.address("treasury"), 10**24)
    return Asset.objects.get()


@pytest.fixture
def block(dollar, act):
    """Let the token refuse an address, or nobody."""

    def refuse(target: str) -> None:
        mode = REVERTS if target != NOBODY else HONEST
        act(
            "deployer", dollar.token_address, evm.load_artefact(HOSTILE), "misbehave",
            evm.checksum(target), mode, False, NOBODY, [],
        )  # fmt: skip

    return refuse


def test_a_refused_payee_stays_owed_is_told_and_claims_again(
    ada, ben, paid_lab, dollar, clock, drive, block
):
    ada.contact_email = "ada@archive.example"
    ada.save()
    earn(paid_lab, ada, dollar, clock)
    earn(paid_lab, ben, dollar, clock, name="notes")
    method = address(ada, ADAS_ADDRESS, clock)
    address(ben, BENS_ADDRESS, clock)
    payouts.build_epoch(dollar, clock())
    drive()
    block(ADAS_ADDRESS)
    mailing.send_due(at=clock())
    mail.outbox.clear()
    assert settlement.push(asset=dollar, at=clock()) == 2
    drive()
    owed = held(dollar, Account.Kind.PAYOUTS_IN_FLIGHT, ada)
    assert (owed, held(dollar, Account.Kind.PAYOUTS_IN_FLIGHT, ben)) == (250_000, 0)
    assert Payout.objects.get().party == ben
    told(ada, dollar, method, clock)
    others = doors.of(ben).get("payouts/progress")
    assert all("refused" not in one["words"] for one in others)
    assert settlement.push(asset=dollar, at=clock()) == 0
    retried(ada, dollar, method, clock, drive, block)
    assert list(invariants.broken()) == []


def told(ada, dollar, method, clock) -> None:
    """The owner by letter, page and API, the operator among the differences."""
    method.refresh_from_db()
    assert "The token refused the transfer" in method.flag_words
    mailing.send_due(at=clock())
    refused = [one for one in mail.outbox if "did not arrive" in one.subject]
    assert [one.to for one in refused] == [["ada@archive.example"]]
    (shown,) = progress.payouts_of(party=ada, asset=dollar)
    assert "Name another address, or claim again" in shown.words
    (difference,) = reconciliation.reconcile(at=clock()).differences
    assert f"refused 0.00025 HOST to {method.chain_address}" in difference.words
    (open_now,) = doors.of(ada).get("payouts/claimable")
    assert open_now["claim"] is None


def retried(ada, dollar, method, clock, drive, block) -> None:
    """Claimed again it fails again, without stopping the outbox; unblocked it is paid once."""
    for expected in (2, 3):
        if expected == 3:
            block(NOBODY)
        settlement.claim(party=ada, asset=dollar, at=clock())
        settlement.claim(party=ada, asset=dollar, at=clock())
        assert PayoutClaim.objects.filter(party=ada).count() == expected
        drive()
    assert FailedPush.objects.filter(party=ada).count() == 2
    assert Payout.objects.get(party=ada).amount_units == 250_000
    assert settlement.open_failures() == []
    assert reconciliation.reconcile(at=clock()).is_clean
    payees.confirm_method(method=method, at=clock())
