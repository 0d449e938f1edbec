"""A chain that knows more than our books stops us, until they are in step again."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from provenance import anchor, deployment, evm, ledger, outbox, restore, signers
from provenance.models import Anchor, ChainAccount, ChainContract, OutboxAttempt, OutboxTransaction
from tests.chain import node

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHAIN_ID = signers.DEVELOPMENT_CHAIN

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def three_batches(lineage_anchor, send, clock):
    for number in range(3):
        ledger.record("test.happened", at=NOON, body={"number": number})
        ledger.seal()
        anchor.anchor_next(at=clock())
    send("anchorer")
    send("anchorer", blocks=2)
    anchor.settle(at=clock())


@pytest.fixture
def forget():
    """Put the books back to where only `kept` batches had been sent, as an old backup would."""

    def back_to(kept):
        gone = Anchor.objects.filter(batch__gt=kept)
        rows = list(gone.values_list("outbox", flat=True))
        gone.delete()
        OutboxAttempt.objects.filter(transaction__in=rows).delete()
        OutboxTransaction.objects.filter(pk__in=rows).delete()
        account = ChainAccount.objects.get(address=signers.address("anchorer"))
        account.next_nonce -= len(rows)
        account.save()

    return back_to


def test_a_restored_backup_is_noticed_and_the_books_are_rebuilt(three_batches, forget, clock):
    before = heads()
    forget(1)
    assert restore.look(at=clock())
    assert outbox.chain_is_ahead(chain_id=CHAIN_ID)
    with pytest.raises(outbox.ChainIsAhead):
        anchor.anchor_next(at=clock())
    said = StringIO()
    call_command("reconcile_restore", stdout=said)
    assert "batch 3 was rebuilt" in said.getvalue()
    assert not outbox.chain_is_ahead(chain_id=CHAIN_ID)
    assert heads() == before
    assert restore.look(at=clock()) == []


def test_what_the_books_forgot_and_may_land_yet_is_waited_for(three_batches, clock, monkeypatch):
    count = evm.Chain.transaction_count
    waiting = {"pending": 1}
    monkeypatch.setattr(
        evm.Chain,
        "transaction_count",
        lambda chain, address, *, block="latest": (
            count(chain, address, block="latest") + waiting.get(block, 0)
        ),
    )
    assert restore.look(at=clock())
    assert outbox.chain_is_ahead(chain_id=CHAIN_ID)
    with pytest.raises(restore.StillOnTheWay, match="are final"):
        restore.reconcile(at=clock())
    assert outbox.chain_is_ahead(chain_id=CHAIN_ID)
    waiting.clear()
    restore.reconcile(at=clock())
    assert not outbox.chain_is_ahead(chain_id=CHAIN_ID)


def heads():
    return [(one.batch, bytes(one.root), bytes(one.head_hash)) for one in Anchor.objects.all()]


def test_after_it_the_ledger_goes_on_where_the_chain_stands(three_batches, forget, send, clock):
    forget(0)
    restore.look(at=clock())
    restore.reconcile(at=clock())
    ledger.record("test.happened", at=NOON, body={})
    ledger.seal()
    assert anchor.anchor_next(at=clock()).batch == 4
    send("anchorer")
    assert send("anchorer", blocks=2).final == 1


def test_yesterdays_backup_reuses_no_nonce_and_no_sequence(three_batches, send, clock, backup):
    for number in range(3, 6):
        ledger.record("test.happened", at=NOON, body={"number": number})
    ledger.seal()
    anchor.anchor_next(at=clock(), limit=1)
    backup.keep()
    anchor.anchor_next(at=clock(), limit=1)
    send("anchorer")
    anchor.anchor_next(at=clock(), limit=1)
    send("anchorer", blocks=1)
    send("anchorer", blocks=3)
    before, account = heads(), signers.address("anchorer")
    count = evm.connect().transaction_count(account)
    backup.restore()
    assert len(heads()) < len(before)
    assert send("anchorer").alarm == "chain_ahead", "the sender sees it also by itself"
    with pytest.raises(outbox.ChainIsAhead):
        anchor.anchor_next(at=clock())
    restore.reconcile(at=clock())
    assert heads() == before
    assert ChainAccount.objects.get(address=account).next_nonce == count
    ledger.record("test.happened", at=NOON, body={})
    ledger.seal()
    assert anchor.anchor_next(at=clock()).batch == before[-1][0] + 1
    for blocks in (0, 1, 3):
        send("anchorer", blocks=blocks)
    nonces = list(
        OutboxTransaction.objects.filter(account=account, nonce__gte=count)
        .order_by("nonce")
        .values_list("nonce", "state")
    )
    assert nonces[-1][1] == "final"
    assert [nonce for nonce, _ in nonces] == list(range(count, count + len(nonces)))
    assert not OutboxTransaction.objects.filter(state="review").exists()


def test_a_ledger_that_lost_anchored_events_stays_read_only(
    three_batches, forget, as_table_owner, clock
):
    forget(1)
    as_table_owner.execute("ALTER TABLE provenance_event DISABLE TRIGGER USER")
    as_table_owner.execute("DELETE FROM provenance_event WHERE sequence > 1")
    restore.look(at=clock())
    with pytest.raises(CommandError, match=r"anchors 3 events, this ledger has 1.*later backup"):
        call_command("reconcile_restore", stdout=StringIO())
    assert outbox.chain_is_ahead(chain_id=CHAIN_ID)
    assert Anchor.objects.count() == 1


def test_a_ledger_with_other_events_stays_read_only(three_batches, forget, as_table_owner, clock):
    forget(1)
    as_table_owner.execute("ALTER TABLE provenance_event DISABLE TRIGGER USER")
    as_table_owner.execute(
        "UPDATE provenance_event SET hash = decode(repeat('11', 32), 'hex') WHERE sequence = 2"
    )
    with pytest.raises(restore.LedgerIsShorter, match="batch 2 differ"):
        restore.reconcile(at=clock())
    assert Anchor.objects.count() == 1


def test_a_transaction_whose_nonce_was_used_elsewhere_is_queued_again(
    lineage_anchor, send, clock, monkeypatch
):
    ledger.record("test.happened", at=NOON, body={})
    ledger.seal()
    batch = anchor.anchor_next(at=clock())
    with monkeypatch.context() as patch:
        patch.setattr(evm.Chain, "broadcast", lambda self, raw: evm.Broadcast.REFUSED)
        send("anchorer")
    batch.outbox.refresh_from_db()
    stranger = {"type": 2, "chainId": CHAIN_ID, "nonce": batch.outbox.nonce, "value": 0}
    stranger |= {"to": lineage_anchor.address, "gas": 60_000, "maxFeePerGas": 50 * evm.GWEI}
    signed = signers.signer("anchorer").sign(stranger | {"maxPriorityFeePerGas": 1})
    evm.connect().broadcast(signed.raw)
    assert send("anchorer", blocks=3).alarm == "foreign_nonce"
    steps = restore.reconcile(at=clock()).steps
    assert any("queued again" in step for step in steps)
    send("anchorer")
    assert send("anchorer", blocks=2).final == 1


def test_an_emptied_embedded_chain_is_rebuilt_from_the_stored_bytes(
    transactional_db, settings, clock, send_to, tmp_path
):
    order = deployment.Order(
        ChainContract.Kind.LINEAGE_ANCHOR,
        evm.lineage_anchor(),
        [signers.address("deployer"), signers.address("anchorer")],
    )
    with node(tmp_path / "first") as first:
        settings.CHAIN_RPC_URL = first.url
        (contract,) = deployment.deploy(orders=[order], clock=clock, say=print)
        ledger.record("test.happened", at=NOON, body={})
        ledger.seal()
        batch = anchor.anchor_next(at=clock())
        send_to(first, "anchorer")
        anchor.settle(at=clock())
        first.mine(5)
    said = []
    with node(tmp_path / "second") as second:
        settings.CHAIN_RPC_URL = second.url
        (again,) = deployment.deploy(orders=[order], clock=clock, say=said.append)
        assert again.address == contract.address
        assert "the embedded chain is new: sending everything again that it held" in said
        call = (evm.lineage_anchor(), contract.address, "rootOf", 1)
        assert evm.connect().call(*call) == bytes(batch.root)
        send_to(second, "anchorer")
        anchor.settle(at=clock())
        batch.refresh_from_db()
        assert batch.block_number == batch.outbox.block_number
        assert deployment.deploy(orders=[order], clock=clock, say=said.append) == [contract]


@pytest.fixture
def send_to(clock):
    def until_final(at_node, role):
        for blocks in (0, 3):
            at_node.mine(blocks)
            outbox.send_pending(chain_id=CHAIN_ID, account=signers.address(role), at=clock())

    return until_final


def test_on_a_real_network_a_missing_contract_is_never_replaced(
    lineage_anchor, settings, chain, clock, monkeypatch
):
    monkeypatch.setattr(deployment, "_is_development", lambda chain_id: False)
    monkeypatch.setattr(evm.Chain, "has_code", lambda self, address: False)
    with pytest.raises(deployment.ContractMissing, match="is it the right network"):
        deployment.deploy(orders=[], clock=clock, say=print)
