"""Whatever goes wrong on the way to the chain, a transaction lands once or a person is called."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction

from provenance import anchor, evm, gas, ledger, outbox, signers
from provenance.models import ChainAccount, OutboxAttempt, OutboxTransaction
from provenance.signers.keystore import write_keystore, write_privately

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHAIN_ID = signers.DEVELOPMENT_CHAIN
PAYEE = "0x00000000000000000000000000000000000000A1"
STATE = OutboxTransaction.State

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mint(test_token, send, clock):
    """Enqueue the minting of play money to the payee, so that sending twice would show."""
    send(blocks=2)  # The token's own deployment is final before the test begins.

    def enqueue(key="mint", amount=5, gas_limit=200_000):
        return outbox.enqueue(
            purpose="mint",
            idempotency_key=key,
            account=signers.address("deployer"),
            to_address=test_token.address,
            data=evm.encode_call(evm.development_token(), "mint", PAYEE, amount),
            gas_limit=gas_limit,
            chain_id=CHAIN_ID,
            at=clock(),
        )

    return enqueue


@pytest.fixture
def balance(test_token):
    def of(address=PAYEE):
        chain = evm.connect()
        return chain.call(evm.development_token(), test_token.address, "balanceOf", address)

    return of


@pytest.fixture
def broadcasts(monkeypatch):
    """Lets a test lose the request or the reply of the next broadcasts."""
    honest = evm.Chain.broadcast
    plan: list[str] = []

    def broadcast(self, raw):
        fate = plan.pop(0) if plan else "arrives"
        if fate == "crash":
            raise KeyboardInterrupt
        if fate == "request lost":
            raise evm.ChainUnreachable("the request was lost")
        answer = honest(self, raw)
        if fate == "reply lost":
            raise evm.ChainUnreachable("the reply was lost")
        return answer

    monkeypatch.setattr(evm.Chain, "broadcast", broadcast)
    return plan


def test_a_queued_transaction_is_sent_mined_and_at_last_final(mint, send, balance):
    row = mint()
    assert send().sent == 1
    assert send().mined == 1
    assert send(blocks=2).final == 1
    row.refresh_from_db()
    assert row.state == STATE.FINAL
    assert row.final_at is not None
    assert row.tx_hash == row.attempts.get().tx_hash
    assert balance() == 5


def test_the_same_key_is_enqueued_and_sent_once(mint, send, balance):
    assert mint().pk == mint().pk
    send()
    assert mint().state == STATE.SENT
    send(blocks=3)
    assert send().sent == 0
    assert balance() == 5


def test_the_same_key_with_other_content_is_our_own_bug(mint):
    mint(amount=5)
    with pytest.raises(AssertionError, match="used before with other content"):
        mint(amount=6)


def test_a_rolled_back_fact_sends_nothing(mint, send):
    with transaction.atomic():
        mint()
        transaction.set_rollback(True)
    assert send().sent == 0
    assert not OutboxTransaction.objects.filter(purpose="mint").exists()


def test_a_lost_reply_pays_once(mint, send, balance, broadcasts, clock):
    mint()
    broadcasts.append("reply lost")
    assert send().answers == ["no answer"]
    clock.pass_time(60)
    assert send(blocks=2).final == 1
    assert balance() == 5
    assert OutboxAttempt.objects.filter(transaction__purpose="mint").count() == 1


def test_a_lost_request_is_sent_again_with_the_same_bytes(mint, send, balance, broadcasts, clock):
    mint()
    broadcasts += ["request lost", "request lost"]
    send()
    assert send().rebroadcast == 0, "a moment later is too early"
    for _ in range(2):
        clock.pass_time(11)
        assert send().rebroadcast == 1
    assert send(blocks=2).final == 1
    assert balance() == 5
    assert OutboxAttempt.objects.filter(transaction__purpose="mint").count() == 1


def test_what_is_sent_behind_a_lost_transaction_takes_the_next_nonce(
    mint, send, balance, broadcasts, clock
):
    first, second = mint("first"), mint("second")
    broadcasts.append("request lost")
    assert send().sent == 2
    first.refresh_from_db()
    second.refresh_from_db()
    assert second.nonce == first.nonce + 1
    clock.pass_time(11)
    send()
    assert send(blocks=2).final == 2
    assert balance() == 10


def test_a_crash_after_the_bytes_were_stored_loses_and_doubles_nothing(
    mint, send, balance, broadcasts, clock
):
    row = mint()
    broadcasts.append("crash")
    with pytest.raises(KeyboardInterrupt):
        send()
    row.refresh_from_db()
    assert row.state == STATE.SENT
    clock.pass_time(11)
    assert send().rebroadcast == 1
    assert send(blocks=2).final == 1
    assert balance() == 5


def test_a_crash_before_the_bytes_were_stored_takes_no_nonce(mint, send, monkeypatch, balance):
    row = mint()
    account = ChainAccount.objects.get(address=signers.address("deployer"))
    with monkeypatch.context() as patch:
        patch.setattr(signers.LocalKey, "sign", lambda *_: exec("raise KeyboardInterrupt"))
        with pytest.raises(KeyboardInterrupt):
            send()
    row.refresh_from_db()
    before = account.next_nonce
    account.refresh_from_db()
    assert (row.state, row.nonce, account.next_nonce) == (STATE.QUEUED, None, before)
    send()
    assert send(blocks=2).final == 1
    assert balance() == 5


def test_a_reverted_transaction_waits_for_a_person(lineage_anchor, send, clock):
    data = evm.encode_call(evm.lineage_anchor(), "anchor", 7, bytes(32), b"\x01" * 32, 1)
    row = outbox.enqueue(
        purpose="anchor out of turn",
        idempotency_key="wrong",
        account=signers.address("anchorer"),
        to_address=lineage_anchor.address,
        data=data,
        gas_limit=200_000,
        chain_id=CHAIN_ID,
        at=clock(),
    )
    send("anchorer")
    assert send("anchorer", blocks=2).reverted == 1
    row.refresh_from_db()
    assert row.state == STATE.REVIEW
    clock.pass_time(3600)
    assert send("anchorer").sent == 0, "it is never repeated by itself"
    with pytest.raises(CommandError, match="--reason"):
        call_command("send", again=row.pk)
    call_command("send", again=row.pk, reason="the gap was closed")
    row.refresh_from_db()
    assert (row.state, row.nonce) == (STATE.QUEUED, None)
    assert "the gap was closed" in row.note
    assert send("anchorer").sent == 1
    assert send("anchorer", blocks=2).reverted == 1
    with pytest.raises(outbox.NotInReview):
        outbox.send_again(reviewed=mined_elsewhere(row), reason="twice", at=clock())


def mined_elsewhere(row):
    OutboxTransaction.objects.filter(pk=row.pk).update(state=STATE.FINAL)
    return row


def sign_as_a_stranger(role, nonce):
    fields = {
        "type": 2,
        "chainId": CHAIN_ID,
        "nonce": nonce,
        "to": PAYEE,
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 50 * evm.GWEI,
        "maxPriorityFeePerGas": evm.GWEI,
    }
    return signers.signer(role).sign(fields).raw


def test_a_nonce_that_a_stranger_used_stops_the_account(mint, send, broadcasts, clock):
    first = mint("first")
    broadcasts.append("request lost")
    send()
    first.refresh_from_db()
    assert evm.connect().broadcast(sign_as_a_stranger("deployer", first.nonce)).value == "accepted"
    clock.pass_time(60)
    assert send().alarm == "", "a block that may be taken back is no proof"
    mint("second")
    assert send(blocks=2).alarm == "foreign_nonce"
    clock.pass_time(60)
    later = send()
    assert (later.sent, later.rebroadcast) == (0, 0)
    assert outbox.chain_is_ahead(chain_id=CHAIN_ID)
    with pytest.raises(outbox.ChainIsAhead, match="not ours"):
        outbox.require_not_behind(chain_id=CHAIN_ID)


def test_a_chain_that_knows_more_than_our_books_stops_the_account(mint, send):
    account = ChainAccount.objects.get(address=signers.address("deployer"))
    evm.connect().broadcast(sign_as_a_stranger("deployer", account.next_nonce))
    mint()
    sent = send()
    assert (sent.alarm, sent.sent) == ("chain_ahead", 0)


def test_a_node_that_counts_before_it_has_caught_up_stops_nobody(mint, send, monkeypatch):
    mint()
    send()
    assert send(blocks=3).final == 1
    count = evm.Chain.transaction_count
    monkeypatch.setattr(
        evm.Chain, "transaction_count", lambda chain, *args, **of: count(chain, *args, **of) - 1
    )
    sent = send()
    assert (sent.is_node_behind, sent.alarm) == (True, "")
    # Where the block itself is another one, the chain did go back.
    monkeypatch.setattr(evm.Chain, "block_hash", lambda chain, number: "0x" + "13" * 32)
    assert send().alarm == "chain_behind"


def test_a_node_that_does_not_know_a_contract_yet_is_asked_again_later(chain):
    with pytest.raises(evm.ChainUnreachable, match="in step"):
        evm.connect().call(evm.lineage_anchor(), "0x" + "13" * 20, "head")


def test_only_one_sender_writes_for_an_account(mint, send):
    mint()
    account = signers.address("deployer")
    taken, release = threading.Event(), threading.Event()

    def hold():
        with outbox.only_writer(CHAIN_ID, account) as is_ours:
            assert is_ours
            taken.set()
            release.wait(10)
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    assert taken.wait(10)
    assert send().is_busy
    release.set()
    holder.join()
    assert send().sent == 1


def test_four_senders_at_once_land_every_transaction_once(mint, chain, clock, balance):
    rows = [mint(f"mint {number}", amount=1) for number in range(24)]
    account = signers.address("deployer")

    def work():
        for _ in range(12):
            outbox.send_pending(chain_id=CHAIN_ID, account=account, at=clock())
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chain.mine(2)
    outbox.send_pending(chain_id=CHAIN_ID, account=account, at=clock())
    states = {OutboxTransaction.objects.get(pk=row.pk).state for row in rows}
    assert states == {STATE.FINAL}
    assert balance() == 24


def test_what_nobody_takes_for_minutes_is_offered_dearer(mint, send, balance, broadcasts, clock):
    row = mint()
    broadcasts += ["request lost"] * 2
    send()
    clock.pass_time(170)
    assert (send().bumped, row.attempts.count()) == (0, 1)
    clock.pass_time(20)
    assert send().bumped == 1
    first, second = row.attempts.order_by("pk")
    assert first.nonce == second.nonce
    assert second.max_priority_fee_per_gas * 1000 > first.max_priority_fee_per_gas * 1125
    assert send(blocks=2).final == 1
    assert balance() == 5


def test_a_fee_below_the_base_fee_is_raised_under_the_same_nonce(mint, send, balance, monkeypatch):
    row = mint()
    base_fee = evm.connect().fees().base_fee
    cheap = evm.Fees(max_fee=base_fee // 4, tip=1, base_fee=base_fee // 8)
    with monkeypatch.context() as patch:
        patch.setattr(evm.Chain, "fees", lambda self: cheap)
        assert send().answers != ["accepted"]
    assert send().bumped == 1
    first, second = row.attempts.order_by("pk")
    assert first.nonce == second.nonce
    assert second.max_fee_per_gas * 1000 > first.max_fee_per_gas * 1125
    assert send(blocks=2).final == 1
    assert balance() == 5


def test_a_block_that_is_taken_back_puts_its_transaction_in_flight_again(
    mint, send, monkeypatch, balance
):
    row = mint()
    send()
    send()
    row.refresh_from_db()
    assert row.state == STATE.MINED
    with monkeypatch.context() as patch:
        patch.setattr(evm.Chain, "receipt", lambda self, tx_hash: None)
        assert send().lost_to_reorg == 1
    row.refresh_from_db()
    assert (row.state, row.block_number) == (STATE.SENT, None)
    assert send(blocks=2).final == 1
    assert balance() == 5


def test_no_more_than_the_limit_is_in_flight(mint, send):
    for number in range(outbox.IN_FLIGHT_LIMIT + 5):
        mint(f"mint {number}")
    assert send().sent == outbox.IN_FLIGHT_LIMIT
    assert send().sent == 5


def test_the_database_refuses_a_nonce_twice(mint, send):
    row = mint("one")
    send()
    row.refresh_from_db()
    other = mint("two")
    with pytest.raises(Exception, match="outbox_nonce_once"), transaction.atomic():
        OutboxTransaction.objects.filter(pk=other.pk).update(nonce=row.nonce, state="sent")


def test_a_chain_that_does_not_answer_says_what_to_do(settings, chain):
    settings.CHAIN_RPC_URL = "http://127.0.0.1:9"
    with pytest.raises(evm.ChainUnreachable, match="CHAIN_RPC_URL"):
        evm.connect()


def test_another_chain_than_the_settings_name_is_refused(settings, chain):
    settings.CHAIN_ID = 1
    with pytest.raises(evm.WrongChain, match="serves chain 31337, not 1"):
        evm.connect()


def test_the_lock_is_free_again_after_a_pass(mint, send):
    send()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone() == (0,)


def test_a_new_key_takes_over_where_the_old_one_ends(
    lineage_anchor, send, clock, settings, tmp_path
):
    def record():
        ledger.record("test.happened", at=NOON, body={})
        ledger.seal()
        return anchor.anchor_next(at=clock())

    old, new = signers.address("anchorer"), signers.LocalKey("0x" + "5a" * 32)
    first = record()
    send("anchorer")
    give_role(lineage_anchor, new.address, clock)
    send("deployer")
    write_keystore(tmp_path / "new.json", new, "correct horse")
    write_privately(tmp_path / "new.json.passphrase", "correct horse\n")
    settings.CHAIN_KEYS = {
        "anchorer": f"keystore:{tmp_path / 'new.json'}",
        "anchorer.former": signers.DEVELOPMENT_KEYS["anchorer"],
    }
    assert record() is None, "no batch may overtake one of the old account"
    done = outbox.send_all(chain_id=CHAIN_ID, at=clock())
    assert done[old].final == 1, "the old key sees its own through"
    second = anchor.anchor_next(at=clock())
    assert (second.batch, second.outbox.account) == (first.batch + 1, new.address)
    assert send("anchorer").sent == 1
    assert send("anchorer", blocks=2).final == 1
    second.outbox.refresh_from_db()
    assert (second.outbox.nonce, second.outbox.is_reverted) == (0, False)


def give_role(contract, account, clock):
    """The administrator grants the anchorer's role, and gas."""
    chain, artefact = evm.connect(), evm.lineage_anchor()
    role = chain.call(artefact, contract.address, "ANCHORER_ROLE")
    outbox.enqueue(
        purpose="grant",
        idempotency_key=f"grant:{account}",
        account=signers.address("deployer"),
        to_address=contract.address,
        data=evm.encode_call(artefact, "grantRole", role, account),
        gas_limit=200_000,
        chain_id=CHAIN_ID,
        at=clock(),
    )
    gift = {"type": 2, "chainId": CHAIN_ID, "to": account, "value": 10**18, "gas": 21_000}
    gift |= {"nonce": chain.transaction_count(signers.address("guardian"))}
    gift |= {"maxFeePerGas": 50 * evm.GWEI, "maxPriorityFeePerGas": evm.GWEI}
    chain.broadcast(signers.signer("guardian").sign(gift).raw)


def test_an_account_that_runs_out_of_gas_is_told_of_in_time(mint, send, settings, clock):
    mint()
    send(blocks=0)
    gas.look(at=clock())
    assert gas.warnings() == []
    settings.CHAIN_GAS_RESERVE = 10**12
    told = gas.warnings()
    assert len(told) == len(gas.HOT_ROLES), "neither the deployer nor the guardian sends daily"
    assert all("more transactions: send it some" in words for words in told)
    balance = evm.connect().balance(signers.address("deployer"))
    row = ChainAccount.objects.get(address=signers.address("deployer"))
    assert (int(row.balance_wei), row.roles) == (balance, ["deployer"])
    assert not ChainAccount.objects.filter(address=signers.address("guardian")).exists()
    said = StringIO()
    call_command("chain_accounts", stdout=said)
    lines = said.getvalue().splitlines()
    assert sum("RUNS OUT OF GAS" in line for line in lines) == len(gas.HOT_ROLES)
    assert any(line.startswith("guardian: 0x") for line in lines)


def test_no_fee_is_offered_above_the_ceiling(mint, send, settings, chain):
    row = mint()
    settings.CHAIN_FEE_CEILING_GWEI = 1
    base_fee = evm.connect().fees().base_fee
    send()
    assert row.attempts.get().max_fee_per_gas <= evm.GWEI
    assert base_fee * 9 // 8 > evm.GWEI or send(blocks=3).bumped == 0


def test_finality_may_be_the_nodes_own_word(mint, send, settings, chain):
    settings.CHAIN_FINALITY, settings.CHAIN_CONFIRMATIONS = "finalized", 1_000
    row = mint()
    send()
    send(blocks=3)
    row.refresh_from_db()
    assert row.state == STATE.FINAL, "the embedded node calls what is two blocks deep finalized"


def test_the_command_sends_as_the_task_does(mint, send, balance, settings, monkeypatch):
    row, said = mint(), StringIO()
    # Closing what is old would close this test's own connection.
    monkeypatch.setattr("provenance.management.commands.send.close_old_connections", lambda: None)
    call_command("send", once=True, stdout=said)
    row.refresh_from_db()
    assert row.state == STATE.SENT
    assert signers.address("deployer") in said.getvalue()
    send()
    assert send(blocks=2).final == 1
    assert balance() == 5
    OutboxTransaction.objects.filter(pk=mint("elsewhere").pk).update(chain_id=1)
    settings.CHAIN_ID = 1
    with pytest.raises(CommandError, match="serves chain 31337, not 1"):
        call_command("send", once=True)
