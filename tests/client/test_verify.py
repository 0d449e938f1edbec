"""A proof is believed for what it shows, refused for one changed digit, and says why."""

from __future__ import annotations

import copy
import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tallymark import cli
from tallymark.lines import OwnLine
from tallymark.proofs import NotAProof, Section, parse
from tallymark.report import Report
from tallymark.rpc import Node as VerifierNode
from tallymark.rpc import NodeFailed
from tallymark.verify import verify

from provenance import anchor, merkle
from tests.proofs import CHAIN_ID, OLDER_TAMPERINGS, TAMPERINGS, places, with_change

# Files that were made before receipts have none of these.
NEWER = ("receipts", "division")


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
    names += NEWER
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


@pytest.mark.django_db(transaction=True)
def test_a_payment_is_followed_from_a_signed_report_to_money(payment_proof, chain):
    """The service that made the file has no part in this: only the file and the chain are asked."""
    proof = json.loads(json.dumps(payment_proof))
    report = verify(proof, node=VerifierNode(chain.url), contract=proof["payout"]["contract"])
    assert report.is_true, report.failures
    assert report.not_checked == []
    facts = " ".join(report.facts)
    assert "the payee's part is 665, by a weight of 19 in 20" in facts
    assert "Journal entry 12: it moved 701 units on the payee's account." in facts


@pytest.mark.django_db(transaction=True)
def test_a_file_from_before_lines_were_committed_to_still_holds(older_payment_proof, chain):
    node = VerifierNode(chain.url)
    report = verify(older_payment_proof, node=node)
    assert report.is_true, report.failures
    for what, (path, words) in OLDER_TAMPERINGS.items():
        failures = verify(with_change(older_payment_proof, path), node=node).failures
        assert any(words in one for one in failures), (what, failures)
    for path in places(older_payment_proof["entry"]):
        assert not verify(with_change(older_payment_proof, ("entry", *path))).is_true, path


def test_charges_count_only_as_those_of_the_entry_that_the_ledger_booked_them_in(journal):
    """The event that books charges names the entry by number and hash."""
    booked = {"entry": 12, "entry_hash": journal["hash"].hex(), "digest": journal["charges"].hex()}
    said = {
        "its own": (booked, "usage.charged", True),
        "another entry's": (booked | {"entry": 13}, "usage.charged", False),
        "of another hash": (booked | {"entry_hash": "11" * 32}, "usage.charged", False),
        "no such event": (booked, "usage.counted", False),
        "other charges": (booked | {"digest": "11" * 32}, "usage.charged", False),
    }
    for what, (body, kind, is_made) in said.items():
        entry = OwnLine(Section(journal["own"], "entry"))
        entry.check(Report(), [{"kind": kind, "body": body}])
        assert entry.is_made_of(journal["charges"]) is is_made, what


@pytest.mark.django_db(transaction=True)
def test_the_line_of_another_account_is_not_the_payees(payment_proof, journal):
    """A line that is really the entry's, shown for a payee to whom it does not belong."""
    lab = {"account": 3, "units": -701, "salt": "0x" + "33" * 32}
    line = payment_proof["entry"]["line"] | lab
    report = verify(payment_proof | {"entry": payment_proof["entry"] | {"line": line}})
    assert [words for words in report.failures if "entry 12" in words] == []
    assert any("no event in this file joins this payee" in one for one in report.failures)


@pytest.mark.django_db(transaction=True)
def test_each_single_field_that_is_tampered_with_is_found_and_named(payment_proof, chain):
    assert len(TAMPERINGS) >= 20
    node = VerifierNode(chain.url)
    for what, (path, words) in TAMPERINGS.items():
        report = verify(with_change(payment_proof, path), node=node)
        assert not report.is_true, what
        assert any(words in one for one in report.failures), (what, report.failures)


@pytest.mark.django_db(transaction=True)
def test_every_change_of_a_payment_proof_is_found(payment_proof, chain):
    """Events are tried one by one above."""
    node = VerifierNode(chain.url)
    proof = json.loads(json.dumps(payment_proof))
    for path in places(proof):
        if path[0] == "events" or path[:2] == ("receipts", 1):
            continue
        forged = with_change(proof, path)
        assert not verify(forged).is_true or not verify(forged, node=node).is_true, path


@pytest.mark.django_db(transaction=True)
def test_a_payment_proof_names_the_link_that_is_missing(payment_proof, chain):
    left_out = {"entry": None, "charge": None, "division": None, "receipts": []}
    report = verify(payment_proof | left_out, node=VerifierNode(chain.url))
    assert report.is_true
    assert [point.split(":")[0] for point in report.not_checked[:3]] == [
        "the journal entry",
        "the charge for the usage",
        "who reported the use",
    ]
    unlinked = {
        0: "no event in this file reports this of its usage",
        1: "no event in this file registers this key",
        3: "is not what the ledger committed to",
        4: "no event in this file joins this payee",
        5: "no `journal.sealed` event in this file seals",
        6: "the journal entry was not made of these charges",
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


@pytest.mark.django_db(transaction=True)
def test_a_receipt_left_out_or_of_another_use_does_not_pass(payment_proof):
    one_less = payment_proof | {"receipts": payment_proof["receipts"][:1]}
    failures = verify(one_less).failures
    assert any("did not commit to these" in one for one in failures)
    assert any("do not count what the ledger counts" in one for one in failures)
    twice = payment_proof | {"receipts": payment_proof["receipts"][:1] * 2}
    assert not verify(twice).is_true
    without = copy.deepcopy(payment_proof)
    without["receipts"][0]["taken"] = None
    report = verify(without)
    assert report.is_true
    assert any("did not countersign" in point for point in report.not_checked)
    older = {name: payment_proof[name] for name in payment_proof if name not in NEWER}
    report = verify(older)
    assert report.is_true
    assert any("no signed receipt" in point for point in report.not_checked)
