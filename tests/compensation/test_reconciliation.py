"""The journal is held against bank and chain; what differs is listed with its age."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from compensation import bank_files, deposits, reconciliation
from compensation.models import BankPayout, Difference
from provenance.models import Event
from tests.compensation.banking import (
    LATER,
    Booked,
    account,
    camt053,
    debit,
    earn,
    our_account,
    pain002,
    returned,
    run_of,
)

__all__ = ["our_account"]

pytestmark = pytest.mark.django_db


def take(content: bytes, at=LATER) -> None:
    bank_files.take_file(content=content, name="", at=at)


def compared(days: int = 0) -> list[Difference]:
    return reconciliation.reconcile(at=LATER + timedelta(days=days)).differences


@pytest.fixture
def payout(ada, euro, our_account) -> BankPayout:
    """Ten euros came in at the bank, were earned by Ada, and are ordered to be paid to her."""
    account(ada, euro)
    earn(ada, euro, 10_000_000)
    return run_of(euro).payouts.get()


def test_where_bank_and_journal_agree_nothing_is_listed(payout):
    take(camt053([debit(payout)], opening=1_000))
    assert compared() == []
    said = StringIO()
    call_command("reconcile", stdout=said)
    assert said.getvalue() == "Nothing differs unexplained.\n"


def test_a_payment_that_is_never_booked_is_listed_with_its_age(payout):
    assert compared(4) == []
    (found,) = compared(7)
    assert found.key == f"bank:payout:{payout.reference}"
    assert reconciliation.age_days(found, LATER + timedelta(days=7)) == 7
    take(camt053([debit(payout)], opening=1_000))
    assert compared(8) == []
    found.refresh_from_db()
    assert found.gone_at


def test_what_the_bank_booked_and_nobody_knows_is_listed_until_it_is_explained(payout, olga, euro):
    take(camt053([debit(payout), Booked(-2_500, entry="fee")], opening=1_000))
    (found,) = compared()
    assert int(found.amount_units) == -25_000_000
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("reconcile", json=True, stdout=out)
    assert ended.value.code == 1
    (row,) = json.loads(out.getvalue())["differences"]
    assert (row["amount"], row["asset"], row["is_explained"]) == ("-25.00", euro.code, False)
    with pytest.raises(reconciliation.NoNote):
        reconciliation.explain(difference=found, note=" ", at=LATER, by=olga)
    reconciliation.explain(difference=found, note="The bank's own fee.", at=LATER, by=olga)
    call_command("reconcile", stdout=StringIO())
    assert Event.objects.filter(kind="difference.explained").count() == 1


def test_an_explanation_is_for_one_amount(payout, olga):
    take(camt053([debit(payout)], opening=5_000))
    (found,) = compared()
    assert (found.key.split(":")[1], int(found.amount_units)) == ("balance", 40_000_000)
    reconciliation.explain(difference=found, note="From before the service.", at=LATER, by=olga)
    assert reconciliation.reconcile(at=LATER).is_clean
    take(camt053([], statement="2", opening=4_000 + 1))
    outcome = reconciliation.reconcile(at=LATER + timedelta(days=3))
    keys = [one.key.split(":")[1] for one in outcome.unexplained]
    assert sorted(keys) == ["balance", "gap"]
    balance = next(one for one in outcome.unexplained if "balance" in one.key)
    assert reconciliation.age_days(balance, outcome.compared_at) == 3


def test_a_deposit_that_the_bank_names_is_no_difference(lab, euro, our_account):
    deposits.deposit(lab=lab, asset=euro, amount_units=50_000_000, reference="wire-7", at=LATER)
    take(camt053([Booked(5_000, remittance="lab wire-7 thanks", entry="in")]))
    assert compared() == []
    take(camt053([Booked(5_000, remittance="lab wire-7 thanks", entry="in2")], statement="2",
                 opening=5_000))  # fmt: skip
    assert [one.key.split(":")[1] for one in compared()] == ["booking"]


def test_what_came_back_before_it_left_and_what_was_rejected_and_booked_are_listed(payout):
    take(camt053([returned(payout)], opening=0))
    assert any("no statement says that it had left" in one.words for one in compared())
    take(camt053([debit(payout)], statement="2", opening=1_000))
    assert not any("no statement" in one.words for one in compared())
    assert compared()[0].words.startswith("On 2026")


def test_a_rejected_payment_that_was_booked_is_listed(payout):
    take(pain002(payout.run, [(payout.reference, "RJCT", "AC01")]))
    take(camt053([debit(payout)], opening=1_000))
    (found,) = compared()
    assert "booked all the same" in found.words
    payout.refresh_from_db()
    assert payout.state == BankPayout.State.PAID


@pytest.mark.django_db(transaction=True)
def test_the_chain_is_held_against_the_journal(ada, lab, chain, clock, settings):
    from compensation import deployment, payees, payouts, settlement
    from compensation.models import Asset
    from provenance import evm, outbox, signers

    deployment.deploy_all(token="", admin=signers.address("deployer"), clock=clock, say=print)
    dollar = Asset.objects.get()
    earn(ada, dollar, 250_000, clock())
    address = "0x00000000000000000000000000000000000000aa"
    payees.add_method(party=ada, address=address, chain_id=signers.DEVELOPMENT_CHAIN, at=clock())
    epoch = payouts.build_epoch(dollar, clock())
    chain.mine(3)
    assert reconciliation.reconcile(at=clock()).is_clean

    def drive():
        for _ in range(8):
            outbox.send_all(chain_id=signers.DEVELOPMENT_CHAIN, at=clock())
            chain.mine(3)
            outbox.send_all(chain_id=signers.DEVELOPMENT_CHAIN, at=clock())
            payouts.advance(at=clock())

    drive()
    assert reconciliation.reconcile(at=clock()).is_clean
    settlement.claim(party=ada, asset=dollar, at=clock())
    drive()
    (unbooked,) = reconciliation.reconcile(at=clock() + timedelta(days=365)).differences
    assert "not booked" in unbooked.words
    assert int(unbooked.amount_units) == 250_000
    settlement.settle(at=clock())
    assert reconciliation.reconcile(at=clock()).is_clean
    gift(epoch, evm, outbox, signers, clock)
    drive()
    (given_,) = reconciliation.reconcile(at=clock()).differences
    assert "other than it was given" in given_.words
    settings.CHAIN_RPC_URL = "http://127.0.0.1:9"
    away = reconciliation.reconcile(at=clock())
    assert [one.pk for one in away.differences] == [given_.pk]
    assert away.unread


def gift(epoch, evm, outbox, signers, clock) -> None:
    """Somebody sends tokens straight to the contract."""
    outbox.enqueue(
        purpose="a gift",
        idempotency_key="gift",
        account=signers.address("treasury"),
        to_address=epoch.contract.token_address,
        data=evm.encode_call(evm.development_token(), "transfer", epoch.contract.address, 7),
        gas_limit=100_000,
        chain_id=epoch.contract.chain_id,
        at=clock(),
    )
