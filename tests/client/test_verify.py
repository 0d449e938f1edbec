"""A proof is believed for what it shows, refused for one changed digit, and says why."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tallymark import cli
from tallymark.proofs import NotAProof, parse
from tallymark.rpc import Node as VerifierNode
from tallymark.rpc import NodeFailed
from tallymark.verify import verify

from compensation.contracts import owner_payouts
from provenance import anchor, deployment, evm, ledger, merkle, outbox, signers
from provenance.models import ChainContract, Event

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHAIN_ID = signers.DEVELOPMENT_CHAIN
USAGE = "8a6e0804-2bd0-4672-b79d-d97027f9071a"
PAYEE = b"\x5a" * 32
ADDRESS = "0x00000000000000000000000000000000000000A1"
TOTAL, OWED = 1_000, 700


def places(value, path=()):
    """Where every single value of a JSON document stands."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from places(inner, (*path, key))
    else:
        yield path


def at(document, path):
    for key in path:
        document = document[key]
    return document


def changed(value):
    """Another value of the same shape."""
    if isinstance(value, bool) or value is None:
        return "0x" + "11" * 32
    if isinstance(value, int):
        return value + 1
    last = value[-1:]
    return value[:-1] + ("1" if last != "1" else "2") if value else "x"


def with_change(proof, path):
    forged = copy.deepcopy(proof)
    at(forged, path[:-1])[path[-1]] = changed(at(proof, path))
    return forged


@pytest.fixture
def event_proof(lineage_anchor, send, clock):
    """The proof of one of five anchored events, final on the chain."""
    for number in range(5):
        ledger.record("test.happened", at=NOON, body={"number": number, "nested": {"is": ["é"]}})
    ledger.seal()
    return proofs_of(send, clock, 3)[0]


def proofs_of(send, clock, *sequences):
    anchor.anchor_next(at=clock())
    send("anchorer")
    send("anchorer", blocks=2)
    anchor.settle(at=clock())
    events = Event.objects.filter(sequence__in=sequences).order_by("sequence")
    return [json.loads(json.dumps(anchor.proof_for(event))) for event in events]


@pytest.mark.django_db(transaction=True)
def test_an_event_proof_holds_with_and_without_the_chain(event_proof, chain, lineage_anchor):
    alone = verify(event_proof)
    assert alone.is_true
    assert any("--rpc" in point for point in alone.not_checked)
    report = verify(event_proof, node=VerifierNode(chain.url), contract=lineage_anchor.address)
    assert report.is_true
    assert report.not_checked == []
    assert any("existed at" in fact for fact in report.facts)


@pytest.mark.django_db(transaction=True)
def test_every_single_change_of_an_event_proof_is_found(event_proof, chain):
    node = VerifierNode(chain.url)
    tampered = list(places(event_proof))
    assert len(tampered) >= 20
    for path in tampered:
        report = verify(with_change(event_proof, path), node=node)
        assert not report.is_true, path
        assert all(report.failures), path


@pytest.mark.django_db(transaction=True)
def test_without_a_node_only_the_transaction_can_be_changed_unseen(event_proof):
    unseen = [
        path for path in places(event_proof) if verify(with_change(event_proof, path)).is_true
    ]
    assert unseen == [("anchor", "tx_hash")]


@pytest.mark.django_db(transaction=True)
def test_what_was_changed_is_named(event_proof, chain, lineage_anchor):
    node = VerifierNode(chain.url)
    said = {
        ("event", "body", "number"): "its content, or the hash before it, was changed",
        ("anchor", "merkle_proof", 0): "the Merkle path leads to",
        ("anchor", "batch"): "the head hash of batch 2 does not fit",
        ("anchor", "tx_hash"): "did not anchor this batch",
        ("format",): "this program checks tallymark-proof/1",
        ("kind",): "neither 'event' nor 'payment'",
    }
    for path, words in said.items():
        failures = verify(with_change(event_proof, path), node=node).failures
        assert any(words in one for one in failures), (path, failures)
    stranger = verify(event_proof, contract="0x" + "22" * 20)
    assert any("not 0x2222" in one for one in stranger.failures)


@pytest.mark.django_db(transaction=True)
def test_a_forged_batch_that_fits_itself_is_not_on_the_chain(event_proof, chain):
    """A whole new history is consistent; only the chain tells it from the true one."""
    forged = copy.deepcopy(event_proof)
    forged["event"]["body"] = {"number": 1_000_000}
    content = bytes.fromhex(forged["previous_hash"][2:]) + canonical_bytes(forged["event"])
    forged["hash"] = "0x" + sha256(content).hexdigest()
    leaf = merkle.leaf_hash(anchor.LEAF_TYPES, (3, bytes.fromhex(forged["hash"][2:])))
    stated = forged["anchor"]
    path = [bytes.fromhex(one[2:]) for one in stated["merkle_proof"]]
    root = merkle.root_from(leaf, path)
    stated["root"] = "0x" + root.hex()
    head = anchor.next_head_hash(
        chain_id=CHAIN_ID,
        contract=stated["contract"].split(":")[2],
        previous=bytes(32),
        batch=1,
        root=root,
        first_sequence=1,
        event_count=5,
    )
    stated["head_hash"] = "0x" + head.hex()
    assert verify(forged).is_true
    failures = verify(forged, node=VerifierNode(chain.url)).failures
    assert any("the chain holds another root for batch 1" in one for one in failures)


def canonical_bytes(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_a_node_that_does_not_answer_says_nothing_about_the_proof():
    with pytest.raises(NodeFailed, match="does not answer"):
        VerifierNode("http://127.0.0.1:9").chain_id()
    with pytest.raises(NodeFailed, match="not an http"):
        VerifierNode("file:///etc/passwd")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "holds a list"),
        (b'{"a":1,"a":2}', "'a' stands twice"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_proof_is_refused_in_words(data, says):
    with pytest.raises(NotAProof, match=says):
        parse(data)


@pytest.mark.parametrize(
    ("proof", "says"),
    [
        ({}, "format is missing"),
        ({"format": "tallymark-proof/1"}, "kind is missing"),
        ({"format": "tallymark-proof/1", "kind": "event"}, "event is missing"),
        ({"format": "tallymark-proof/1", "kind": "event", "event": 7}, "must be an object"),
        ({"format": "tallymark-proof/1", "kind": "payment", "events": []}, "at least one"),
        ({"format": "tallymark-proof/2", "kind": "event"}, "checks tallymark-proof/1"),
    ],
)
def test_a_proof_of_another_shape_is_refused_in_words(proof, says):
    report = verify(proof)
    assert not report.is_true
    assert any(says in one for one in report.failures)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)


@given(st.sampled_from(["event", "payment"]), st.dictionaries(st.text(), json_values), st.data())
def test_no_document_whatever_crashes_the_verifier(kind, extra, data):
    names = ["event", "hash", "previous_hash", "anchor", "events", "entry", "charge", "payout"]
    fields = {name: data.draw(json_values) for name in names}
    assert not verify({"format": "tallymark-proof/1", "kind": kind, **fields, **extra}).is_true


@pytest.mark.django_db(transaction=True)
def test_the_command_says_true_false_or_undecided(event_proof, chain, tmp_path, capsys):
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(event_proof))
    assert cli.main(["verify", str(file), "--rpc", chain.url]) == 0
    assert "TRUE: the proof holds, and the chain agrees." in capsys.readouterr().out
    assert cli.main(["verify", str(file)]) == 0
    assert "CONSISTENT" in capsys.readouterr().out
    assert cli.main(["verify", str(file), "--rpc", "http://127.0.0.1:9"]) == 2
    assert "Could not be checked" in capsys.readouterr().err
    file.write_text(json.dumps(with_change(event_proof, ("hash",))))
    assert cli.main(["verify", str(file), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["is_true"] is False
    assert cli.main(["verify", str(tmp_path / "none.json")]) == 2


def charge_row(usage, revision, *numbers):
    row = UUID(usage).bytes + revision.to_bytes(4, "big")
    return row + b"".join(number.to_bytes(8, "big", signed=True) for number in numbers)


def int8s(*numbers):
    return b"".join(number.to_bytes(8, "big", signed=True) for number in numbers)


def digest(data):
    return sha256(data).digest()


def hexed(data):
    return "0x" + data.hex()


@pytest.fixture
def journal():
    """An entry with one of its charges, and the entry after it, hashed as the database does."""
    charges = charge_row(USAGE, 0, 1, 500, 0, 700, 700, 700)
    charges += charge_row("9" + USAGE[1:], 0, 1, 1, 0, 1, 1, 701)
    groups = [digest(int8s(3, 4) + digest(charges)), digest(b"another group")]
    header = 'usage\neip155:31337/erc20:0x00\n1\n1\nkey\n\n\n{"batch":"1"}'
    lines = [[3, -701], [8, 701]]
    digests = (digest(header.encode()), digest(int8s(3, -701, 8, 701)), digest(b"".join(groups)))
    previous, later = b"\x0e" * 32, (b"\x01" * 32, b"\x02" * 32, bytes(32))
    own = digest(previous + int8s(12) + b"".join(digests))
    head = digest(own + int8s(13) + b"".join(later))
    charge = {"usage": USAGE, "revision": 0, "rate": 1, "records": 500, "tokens": 0, "amount": 700}
    charge |= {"total": 700, "running": 700, "account": 3, "weight_version": 4}
    return {
        "head": head,
        "charge": charge | {"group": hexed(charges), "groups": [hexed(one) for one in groups]},
        "entry": {
            "number": 12,
            "previous_hash": hexed(previous),
            "header": header,
            "lines": lines,
            "charges_digest": hexed(digests[2]),
            "hash": hexed(own),
            "later": [dict(zip(("header", "lines", "charges"), map(hexed, later), strict=True))],
        },
    }


def run(send, clock, role, address, artefact, function, *args):
    row = outbox.enqueue(
        purpose=function,
        idempotency_key=f"{function}:{args!r}"[:200],
        account=signers.address(role),
        to_address=address,
        data=evm.encode_call(artefact, function, *args),
        gas_limit=500_000,
        chain_id=CHAIN_ID,
        at=clock(),
    )
    send(role)
    send(role, blocks=2)
    row.refresh_from_db()
    assert row.state == "final", row.state
    return row.tx_hash


@pytest.fixture
def payment_proof(test_token, lineage_anchor, journal, send, clock):
    """A proof from a usage's event to the money on the chain."""
    token, artefact = evm.development_token(), owner_payouts()
    roles = [signers.address(role) for role in ("deployer", "proposer", "guardian")]
    order = deployment.Order(
        ChainContract.Kind.OWNER_PAYOUTS, artefact, [test_token.address, 0, *roles], "token"
    )
    payouts = deployment.deploy(orders=[order], clock=clock, say=print)[0].address
    run(send, clock, "deployer", test_token.address, token, "mint", roles[0], TOTAL)
    run(send, clock, "deployer", test_token.address, token, "approve", payouts, TOTAL)
    run(send, clock, "deployer", payouts, artefact, "fund", TOTAL)
    types = ("bytes32", "address", "uint256")
    tree = merkle.Tree.of(types, [(PAYEE, ADDRESS, OWED), (b"\x5b" * 32, ADDRESS, 300)])
    run(send, clock, "proposer", payouts, artefact, "proposeRoot", 1, tree.root, TOTAL, "")
    activated = run(send, clock, "proposer", payouts, artefact, "activateRoot", 1)
    claim = (PAYEE, ADDRESS, OWED, tree.proof(0))
    paid = run(send, clock, "deployer", payouts, artefact, "claim", *claim)
    for kind, body in (
        ("dataset.used", {"usage": USAGE}),
        ("payee.named", {"payee": PAYEE, "account": 8}),
        ("journal.sealed", {"number": 13, "hash": journal["head"]}),
    ):
        ledger.record(kind, at=NOON, body=body)
    ledger.seal()
    return {
        "format": "tallymark-proof/1",
        "kind": "payment",
        "events": proofs_of(send, clock, 1, 2, 3),
        "entry": journal["entry"],
        "charge": journal["charge"],
        "payout": {
            "chain": f"eip155:{CHAIN_ID}",
            "contract": f"eip155:{CHAIN_ID}:{payouts}",
            "token": test_token.address,
            "epoch": 1,
            "root": hexed(tree.root),
            "total": str(TOTAL),
            "payee": hexed(PAYEE),
            "account": ADDRESS,
            "cumulative": str(OWED),
            "merkle_proof": [hexed(one) for one in tree.proof(0)],
            "activated_tx_hash": activated,
            "paid": {"tx_hash": paid, "amount": str(OWED), "cumulative": str(OWED)},
        },
    }


@pytest.mark.django_db(transaction=True)
def test_a_payment_is_followed_from_usage_to_money_and_every_change_is_found(payment_proof, chain):
    node = VerifierNode(chain.url)
    proof = json.loads(json.dumps(payment_proof))
    report = verify(proof, node=node, contract=proof["payout"]["contract"])
    assert report.is_true, report.failures
    assert report.not_checked == []
    for path in places(proof):
        forged = verify(with_change(proof, path), node=node)
        assert not forged.is_true, path


@pytest.mark.django_db(transaction=True)
def test_a_payment_proof_names_the_link_that_is_missing(payment_proof, chain):
    without_entry = payment_proof | {"entry": None, "charge": None}
    report = verify(without_entry, node=VerifierNode(chain.url))
    assert report.is_true
    assert [point.split(":")[0] for point in report.not_checked[:2]] == [
        "the journal entry",
        "the charge for the usage",
    ]
    unlinked = {
        0: "no event in this file reports its usage",
        1: "no event in this file joins this payee",
        2: "no `journal.sealed` event in this file seals",
    }
    for left_out, words in unlinked.items():
        events = [one for at, one in enumerate(payment_proof["events"]) if at != left_out]
        failures = verify(payment_proof | {"events": events}).failures
        assert any(words in one for one in failures), failures
    to_come = copy.deepcopy(payment_proof)
    to_come["payout"]["paid"] = None
    report = verify(to_come, node=VerifierNode(chain.url))
    assert report.is_true
    assert any("still to come" in point for point in report.not_checked)
