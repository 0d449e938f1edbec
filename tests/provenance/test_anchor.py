"""Sealed events reach the chain in batches, and each gets a proof that needs no trust in us."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from tallymark.rpc import Node as VerifierNode
from tallymark.verify import verify

from provenance import anchor, deployment, evm, ledger, merkle
from provenance.models import Anchor, ChainContract, Event, OutboxTransaction

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def events(transactional_db):
    """Record and seal some facts."""

    def add(count=5):
        for number in range(count):
            ledger.record("test.happened", at=NOON, body={"number": number, "name": "Ž\u2028"})
        ledger.seal()
        return list(Event.objects.order_by("sequence"))

    return add


@pytest.fixture
def anchored(events, lineage_anchor, send, clock):
    """Three batches on the chain, final."""
    for count in (3, 1, 8):
        events(count)
        assert anchor.anchor_next(at=clock()) is not None
    send("anchorer")
    send("anchorer", blocks=2)
    assert anchor.settle(at=clock()) == 3
    return list(Anchor.objects.order_by("batch"))


def test_each_batch_goes_on_where_the_one_before_it_ended(anchored):
    assert [(one.first_sequence, one.event_count) for one in anchored] == [(1, 3), (4, 1), (5, 8)]
    heads = [bytes(one.head_hash) for one in anchored]
    assert [bytes(one.previous_head_hash) for one in anchored] == [bytes(32), *heads[:-1]]


def test_the_chain_holds_what_our_books_hold(anchored, lineage_anchor):
    chain = evm.connect()
    artefact, address = evm.lineage_anchor(), lineage_anchor.address
    for one in anchored:
        assert chain.call(artefact, address, "rootOf", one.batch) == bytes(one.root)
    assert chain.call(artefact, address, "headHash") == bytes(anchored[-1].head_hash)
    assert chain.call(artefact, address, "head")[:2] == [3, 13]


def test_nothing_is_anchored_twice_and_nothing_when_nothing_waits(anchored, clock):
    assert anchor.anchor_next(at=clock()) is None
    assert OutboxTransaction.objects.filter(purpose__startswith="anchor").count() == 3


def test_unsealed_events_wait(lineage_anchor, clock):
    ledger.record("test.happened", at=NOON, body={})
    assert anchor.anchor_next(at=clock()) is None


def test_a_limit_cuts_batches_without_a_gap(events, lineage_anchor, clock):
    events(7)
    sizes = []
    while batch := anchor.anchor_next(at=clock(), limit=3):
        sizes.append(batch.event_count)
    assert sizes == [3, 3, 1]


def test_every_event_has_a_proof_that_the_chain_confirms(anchored, lineage_anchor, chain):
    node = VerifierNode(chain.url)
    for event in Event.objects.order_by("sequence"):
        proof = json.loads(json.dumps(anchor.proof_for(event)))
        report = verify(proof, node=node, contract=lineage_anchor.caip10)
        assert report.is_true, report.failures
        assert report.not_checked == []


def test_the_contract_itself_confirms_a_proof(anchored, lineage_anchor):
    event = Event.objects.get(sequence=9)
    proof = anchor.proof_for(event)["anchor"]["merkle_proof"]
    path = [bytes.fromhex(one[2:]) for one in proof]
    ask = evm.connect().call
    call = (evm.lineage_anchor(), lineage_anchor.address, "verify", 3, 9)
    assert ask(*call, bytes(event.hash), path) is True
    assert ask(*call, b"\x01" * 32, path) is False


def test_an_event_without_a_batch_says_when_to_ask_again(events, lineage_anchor, clock):
    sealed = events(1)[0]
    with pytest.raises(anchor.NotAnchoredYet):
        anchor.proof_for(sealed)
    with pytest.raises(anchor.NotSealedYet):
        anchor.proof_for(ledger.record("test.happened", at=NOON, body={}))
    anchor.anchor_next(at=clock())
    assert anchor.proof_for(sealed)["anchor"]["tx_hash"] is None
    with pytest.raises(anchor.NotAnchoredYet):
        anchor.batch_of(2)


def test_a_changed_event_gets_no_proof_and_its_neighbour_keeps_its_own(anchored, as_table_owner):
    as_table_owner.execute("ALTER TABLE provenance_event DISABLE TRIGGER USER")
    as_table_owner.execute(
        "UPDATE provenance_event SET hash = decode(repeat('00', 32), 'hex') WHERE sequence = 5"
    )
    with pytest.raises(AssertionError, match="no longer matches batch 3"):
        anchor.proof_for(Event.objects.get(sequence=5))
    assert verify(anchor.proof_for(Event.objects.get(sequence=6))).is_true


def test_before_the_contract_stands_it_says_what_to_run(transactional_db, chain, clock):
    with pytest.raises(deployment.ContractMissing, match="deploy_contracts"):
        anchor.anchor_next(at=clock())


def test_the_head_hash_is_the_contracts(anchored, lineage_anchor):
    computed = anchor.next_head_hash(
        chain_id=31337,
        contract=lineage_anchor.address,
        previous=b"\x07" * 32,
        batch=4,
        root=b"\x08" * 32,
        first_sequence=13,
        event_count=2,
    )
    call = (evm.lineage_anchor(), lineage_anchor.address, "nextHeadHash")
    assert evm.connect().call(*call, b"\x07" * 32, 4, b"\x08" * 32, 13, 2) == computed


def test_a_tree_of_sequences_proves_each_position():
    tree = merkle.Tree.of(
        anchor.LEAF_TYPES, [(7 + at, bytes([at]) * 32) for at in range(5)], sort_leaves=False
    )
    leaf = merkle.leaf_hash(anchor.LEAF_TYPES, (9, b"\x02" * 32))
    assert merkle.verify(tree.root, leaf, tree.proof(2))


def test_a_contract_stands_once_however_often_it_is_ordered(lineage_anchor, clock):
    order = deployment.Order(
        ChainContract.Kind.LINEAGE_ANCHOR, evm.lineage_anchor(), ["0x" + "11" * 20] * 2
    )
    said = []
    (again,) = deployment.deploy(orders=[order], clock=clock, say=said.append)
    assert (again.pk, said) == (lineage_anchor.pk, [])
