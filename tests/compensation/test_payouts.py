"""Money reaches its owner on a real EVM, once, and the proof of it needs no trust in us."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
import tallymark
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from tallymark.rpc import Node
from tallymark.verify import verify

from compensation import (
    billing,
    holdback,
    invariants,
    payouts,
    proofs,
    settlement,
    statements,
)
from compensation.models import (
    Account,
    Balance,
    Charge,
    Payout,
    PayoutClaim,
    PayoutEpoch,
    PayoutLeaf,
)
from compensation.statements import Period
from provenance import anchor, evm, ledger, receipts, usage
from tests import doors, factories
from tests.compensation.conftest import grant, held, priced, texts
from tests.paying import ADAS_ADDRESS, BENS_ADDRESS, address, earn, earn_again
from tests.signing import body, registered

pytestmark = pytest.mark.django_db(transaction=True)

Kind = Account.Kind


def token_balance(dollar, holder):
    return evm.connect().call(
        evm.development_token(), dollar.token_address, "balanceOf", evm.checksum(holder)
    )


def test_from_use_to_a_paid_and_verified_proof(ada, paid_lab, dollar, clock, drive):
    earn(paid_lab, ada, dollar, clock)
    address(ada, ADAS_ADDRESS, clock)
    epoch = payouts.build_epoch(dollar, clock())
    assert payouts.build_epoch(dollar, clock()) is None
    drive()
    epoch.refresh_from_db()
    assert epoch.state == PayoutEpoch.State.ACTIVE
    ready = statements.owner_statement(
        party=ada, asset=dollar, period=Period.holding(clock()), at=clock()
    )
    assert ready.claimable_units == 250_000
    assert [todo.code for todo in ready.todos] == ["claim"]
    assert (ready.in_flight_units, ready.on_its_way_units) == (ready.claimable_units, 0)
    made = settlement.claim(party=ada, asset=dollar, at=clock())
    assert settlement.claim(party=ada, asset=dollar, at=clock()) == made
    assert held(dollar, Kind.PAYOUTS_IN_FLIGHT, ada) == 250_000
    drive()
    assert token_balance(dollar, ADAS_ADDRESS) == 250_000
    assert Payout.objects.get().amount_units == 250_000
    assert held(dollar, Kind.PAYOUTS_IN_FLIGHT, ada) == 0
    with pytest.raises(settlement.NothingToClaim):
        settlement.claim(party=ada, asset=dollar, at=clock())
    assert list(invariants.broken()) == []
    check_proof(ada, epoch, clock, drive)


def test_from_a_signed_report_to_a_proof_that_needs_no_service(
    ada, paid_lab, dollar, clock, drive, chain, tmp_path
):
    """The file alone, and the chain: our own database is not asked any more."""
    made = factories.version(factories.dataset(ada), texts(10))
    version = priced(made, dollar, price_units=25_000_000, at=clock())
    grant(paid_lab, version, at=clock())
    registered(paid_lab)
    run = usage.start_run(lab=paid_lab, purpose="pretrain", at=clock())
    door, at = doors.of(paid_lab), clock().isoformat()
    for stream, sequence, records in (("rank-0", 1, 3), ("rank-1", 1, 4), ("rank-0", 2, 6)):
        given = {"stream": stream, "sequence": sequence, "records": records, "used_at": at}
        door.post("usages", body(paid_lab, run, version, **given), 202)
    usage.end_run(run=run, at=clock())
    receipts.countersign()
    # The request was received by the real clock, which the test's must pass before it bills.
    clock.now = timezone.now() + timedelta(seconds=120)
    billing.bill_batch(at=clock())
    holdback.mature_credits(at=clock())
    address(ada, ADAS_ADDRESS, clock)
    epoch = payouts.build_epoch(dollar, clock())
    drive()
    settlement.claim(party=ada, asset=dollar, at=clock())
    drive()
    proof = anchored(ada, clock, drive)
    assert len(proof["receipts"]) == 2
    assert str(run.pk) not in json.dumps(proof)
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(proof))
    # Another process, which knows nothing of us but the address of the node.
    client = Path(tallymark.__file__).parents[1]
    command = [sys.executable, "-S", "-m", "tallymark", "verify", str(file), "--json"]
    command += ["--rpc", chain.url, "--contract", epoch.contract.caip10]
    done = subprocess.run(command, cwd=client, env={}, capture_output=True, text=True, check=False)
    said = json.loads(done.stdout)
    assert said["is_true"], said
    assert said["not_checked"] == []


def anchored(ada, clock, drive):
    billing.seal_journal(at=clock())
    ledger.seal()
    anchor.anchor_next(at=clock())
    drive()
    anchor.settle(at=clock())
    return proofs.payment_proof(ada, Charge.objects.get())


def check_proof(ada, epoch, clock, drive):
    proof = anchored(ada, clock, drive)
    node = Node(evm.connect().told.rpc_url)
    report = verify(proof, node=node, contract=epoch.contract.caip10)
    assert report.is_true, report.failures
    assert [point.split(":")[0] for point in report.not_checked] == ["who reported the use"]
    proof["charge"]["amount"] += 1
    assert not verify(proof).is_true


def _first_tree_leads_to_the_second(operator):
    """Only the newest tree is offered for payment; the page of the first says where it went on."""
    pages = {
        epoch.number: reverse("admin:compensation_payoutepoch_change", args=[epoch.pk])
        for epoch in PayoutEpoch.objects.all()
    }
    client = Client()
    client.force_login(operator)
    client.post(reverse("admin:reason"), {"reason": "books"})
    first, second = (client.get(pages[number]).content.decode() for number in (1, 2))
    assert "Replaced by epoch 2" in first
    assert pages[2] in first
    assert "Pay everybody who has not claimed" not in first
    assert "Pay everybody who has not claimed" in second


def test_a_second_epoch_pays_only_what_is_new_and_an_old_leaf_nothing(
    ada, ben, olga, paid_lab, dollar, clock, drive
):
    essays = earn(paid_lab, ada, dollar, clock)
    earn(paid_lab, ben, dollar, clock, name="notes")
    address(ada, ADAS_ADDRESS, clock)
    payouts.build_epoch(dollar, clock())
    drive()
    settlement.claim(party=ada, asset=dollar, at=clock())
    drive()
    address(ben, BENS_ADDRESS, clock)
    earn_again(paid_lab, essays, clock, records=4)
    assert payouts.build_epochs(at=clock()) == 1
    drive()
    leaves = PayoutLeaf.objects.filter(epoch__number=2)
    assert {leaf.party: int(leaf.cumulative) for leaf in leaves} == {ada: 350_000, ben: 250_000}
    _first_tree_leads_to_the_second(olga)
    newest = PayoutEpoch.objects.get(number=2)
    payee_count, units = settlement.look_at_push(epoch=newest, at=clock())
    assert (payee_count, units) == (2, sum(one.added_units for one in leaves))
    assert settlement.push(asset=dollar, at=clock()) == 2
    assert settlement.push(asset=dollar, at=clock()) == 0
    drive()
    assert (token_balance(dollar, ADAS_ADDRESS), token_balance(dollar, BENS_ADDRESS)) == (
        350_000,
        250_000,
    )
    assert payouts.build_epoch(dollar, clock()) is None
    assert sorted(Payout.objects.values_list("amount_units", flat=True)) == [
        100_000,
        250_000,
        250_000,
    ]
    assert list(invariants.broken()) == []


def test_a_new_address_enters_the_next_tree_by_itself(ada, paid_lab, dollar, clock, drive):
    earn(paid_lab, ada, dollar, clock)
    address(ada, BENS_ADDRESS, clock)
    payouts.build_epoch(dollar, clock())
    drive()
    address(ada, ADAS_ADDRESS, clock)
    assert payouts.build_epoch(dollar, clock()).entry is None
    drive()
    settlement.claim(party=ada, asset=dollar, at=clock())
    drive()
    assert (token_balance(dollar, ADAS_ADDRESS), token_balance(dollar, BENS_ADDRESS)) == (
        250_000,
        0,
    )
    assert list(invariants.broken()) == []


def test_the_service_that_forgot_how_far_it_read_books_nothing_twice(
    ada, paid_lab, dollar, clock, drive
):
    earn(paid_lab, ada, dollar, clock)
    address(ada, ADAS_ADDRESS, clock)
    epoch = payouts.build_epoch(dollar, clock())
    drive()
    settlement.claim(party=ada, asset=dollar, at=clock())
    drive()
    epoch.contract.paid_cursor.next_block = 0
    epoch.contract.paid_cursor.save()
    assert settlement.settle(at=clock()) == 0
    assert Payout.objects.count() == PayoutClaim.objects.count() == 1


def test_who_owes_pays_back_at_most_half_before_the_epoch(ada, ben, paid_lab, dollar, clock, drive):
    from compensation import journal
    from compensation.models import Entry

    earn(paid_lab, ada, dollar, clock)
    address(ada, ADAS_ADDRESS, clock)
    journal.post(
        kind=Entry.Kind.RESTATEMENT,
        lines=[
            (journal.account(Kind.RECEIVABLE, dollar, party=ada), -200_000),
            (journal.account(Kind.AWAITED, dollar, party=ben), 200_000),
        ],
        effective_at=clock(),
        posted_at=clock(),
        idempotency_key="owed",
    )
    payouts.build_epoch(dollar, clock())
    assert held(dollar, Kind.PAYOUTS_IN_FLIGHT, ada) == 125_000
    assert held(dollar, Kind.OWNER_PENDING, ben) == 125_000
    assert held(dollar, Kind.RECEIVABLE, ada) == -75_000


def test_a_threshold_and_a_missing_address_let_money_wait(
    ada, ben, paid_lab, dollar, clock, settings
):
    earn(paid_lab, ada, dollar, clock)
    earn(paid_lab, ben, dollar, clock, name="notes")
    assert payouts.build_epoch(dollar, clock()) is None
    address(ada, ADAS_ADDRESS, clock)
    settings.PAYOUT_THRESHOLD_UNITS = 250_001
    assert payouts.build_epoch(dollar, clock()) is None
    settings.PAYOUT_THRESHOLD_UNITS = 250_000
    payouts.build_epoch(dollar, clock())
    assert Balance.objects.get(account__kind=Kind.OWNER, account__party=ben).posted == 250_000
    assert PayoutLeaf.objects.get().party == ada


def test_the_delay_passes_before_a_root_is_activated(ada, paid_lab, dollar, clock, drive, settings):
    settings.PAYOUT_DELAY_SECONDS = 3600
    earn(paid_lab, ada, dollar, clock)
    address(ada, ADAS_ADDRESS, clock)
    epoch = payouts.build_epoch(dollar, clock())
    drive()
    epoch.refresh_from_db()
    assert epoch.state == PayoutEpoch.State.PROPOSED
    clock.pass_time(timedelta(hours=1, minutes=1).total_seconds())
    drive()
    epoch.refresh_from_db()
    assert epoch.state == PayoutEpoch.State.ACTIVE


def test_the_journal_is_proved_from_the_database_and_from_an_export(
    ada, paid_lab, dollar, clock, tmp_path
):
    earn(paid_lab, ada, dollar, clock)
    said = StringIO()
    call_command("verify_journal", stdout=said)
    assert said.getvalue().endswith("The journal is sound.\n")
    export = tmp_path / "journal.jsonl"
    call_command("verify_journal", export=export, stdout=said)
    call_command("verify_journal", source=export, stdout=said)
    honest = export.read_text()
    for old, new in (("250000", "250001"), ("usage:", "usagf:"), ('"number":2', '"number":7')):
        export.write_text(honest.replace(old, new))
        errors = StringIO()
        with pytest.raises(CommandError, match="broken"):
            call_command("verify_journal", source=export, stdout=said, stderr=errors)
        assert errors.getvalue()


def test_a_changed_row_is_found_where_it_stands(ada, paid_lab, dollar, clock, as_table_owner):
    earn(paid_lab, ada, dollar, clock)
    run = as_table_owner.execute
    run("ALTER TABLE compensation_line DISABLE TRIGGER USER")
    run("UPDATE compensation_line SET amount_units = amount_units * 2 WHERE entry_id = 2")
    errors = StringIO()
    with pytest.raises(CommandError, match="broken"):
        call_command("verify_journal", stderr=errors)
    words = errors.getvalue()
    assert "entry 2: its content was changed." in words
    assert "A balance is the sum of its lines" in words


def test_two_operators_who_push_at_once_pay_everybody_once(
    ada, ben, paid_lab, dollar, clock, drive
):
    for owner, where, name in ((ada, ADAS_ADDRESS, "essays"), (ben, BENS_ADDRESS, "notes")):
        earn(paid_lab, owner, dollar, clock, name=name)
        address(owner, where, clock)
    payouts.build_epoch(dollar, clock())
    drive()
    done: list[int] = []

    def push() -> None:
        try:
            done.append(settlement.push(asset=dollar, at=clock()))
        finally:
            connection.close()

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [0, 0, 0, 2]
    drive()
    assert Payout.objects.count() == 2
