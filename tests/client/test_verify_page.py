"""The page that checks proofs in a browser finds what the client finds, word for word."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
import rfc8785
from tallymark import secp256k1
from tallymark.keccak import keccak
from tallymark.rpc import Node as VerifierNode
from tallymark.verify import verify

from tests.proofs import OLDER_TAMPERINGS, TAMPERINGS, places, with_change
from tests.signing import KEY, OTHER_KEY

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "provenance" / "static" / "provenance" / "verify.html"
HARNESS = Path(__file__).with_name("verify_page.mjs")

needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="the page's script is run under node, which is not here"
)


@pytest.fixture
def page():
    """Ask the page's script; any number of questions at once."""

    def ask(*questions):
        lines = "".join(json.dumps(question) + "\n" for question in questions)
        command = ["node", str(HARNESS), str(PAGE)]
        done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return ask


def test_the_page_was_made_from_its_parts():
    command = [sys.executable, str(ROOT / "provenance" / "verifier" / "build.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


def test_the_page_needs_nothing_from_outside():
    text = PAGE.read_text()
    assert "src=" not in text
    assert "href=" not in text
    assert "import " not in text.split("<script>")[1]


@needs_node
def test_its_hashes_and_its_canonical_json_are_the_standards(page):
    data = [bytes(range(256)) * 3, b"", b"abc", *(b"\xa5" * n for n in (55, 56, 64, 135, 136, 137))]
    for one, answer in zip(data, page(*({"hash": one.hex()} for one in data)), strict=True):
        assert answer["keccak"] == "0x" + keccak(one).hex()
        assert answer["sha256"] == "0x" + sha256(one).hexdigest()
    values = [
        {
            "b": [1, 2.5, 1e-7, -0.0, 2**53 - 1],
            "a": 'é\u2028"\\',
            "\U0001f600": None,
            "\ufb33": True,
        }
    ]
    for value, answer in zip(values, page(*({"text": json.dumps(v)} for v in values)), strict=True):
        assert answer == "0x" + rfc8785.dumps(value).hex()


@needs_node
def test_it_finds_whose_key_signed_as_the_client_does(page):
    digests = [sha256(bytes([seed])).digest() for seed in range(12)]
    signatures = [key.sign(one) for one in digests for key in (KEY, OTHER_KEY)]
    signatures += [bytes(65), b"\xff" * 65, bytes(64) + b"\x1b", b"", signatures[0][:64] + b"\x1d"]
    signed = [(digests[place // 2 % 12], one) for place, one in enumerate(signatures)]
    answers = page(*({"hash": one.hex(), "signature": each.hex()} for one, each in signed))
    for (digest, signature), answer in zip(signed, answers, strict=True):
        try:
            assert answer == secp256k1.signer_of(digest, signature)
        except secp256k1.NotSigned:
            assert answer is None
    assert answers[:2] == [KEY.address, OTHER_KEY.address]
    assert answers[-5:] == [None] * 5


def outcome(report):
    return {
        "isTrue": report.is_true,
        "checks": [{"isOk": check.is_ok, "words": check.words} for check in report.checks],
        "facts": report.facts,
    }


def agree(page, chain, proofs, *, alone=True):
    """The page and the client must say the same of every proof, against the chain and `alone`."""
    questions, expected = [], []
    for proof in proofs:
        for url in (chain.url, None) if alone else (chain.url,):
            questions.append({"proof": json.dumps(proof), "rpc": url})
            expected.append(outcome(verify(proof, node=VerifierNode(url) if url else None)))
    for answer, wanted in zip(page(*questions), expected, strict=True):
        assert "error" not in answer, answer
        answer.pop("notChecked")
        if any("Not a proof" in one["words"] for one in wanted["checks"]):
            assert answer["isTrue"] is wanted["isTrue"] is False
        else:
            assert answer == wanted


@needs_node
@pytest.mark.django_db(transaction=True)
def test_of_an_event_proof_and_all_its_forgeries_the_page_says_what_the_client_says(
    page, chain, event_proof
):
    forged = [with_change(event_proof, path) for path in places(event_proof)]
    agree(page, chain, [event_proof, *forged])


@needs_node
@pytest.mark.django_db(transaction=True)
def test_of_a_payment_proof_and_each_tampering_the_page_says_what_the_client_says(
    page, chain, payment_proof, older_payment_proof
):
    proof, older = (json.loads(json.dumps(one)) for one in (payment_proof, older_payment_proof))
    unsigned = proof | {"receipts": [], "division": None}
    forged = [with_change(proof, path) for path, _ in TAMPERINGS.values()]
    forged += [with_change(older, path) for path, _ in OLDER_TAMPERINGS.values()]
    forged.append(proof | {"events": proof["events"][:-1]})
    booked = ("events", 6, "event")
    for place in ("kind",), ("body", "entry"), ("body", "entry_hash"):
        forged.append(with_change(proof, (*booked, *place)))
    agree(page, chain, [proof, older, unsigned])
    agree(page, chain, forged, alone=False)


@needs_node
def test_a_file_of_another_kind_is_refused_in_words(page):
    answers = page({"proof": "[]"}, {"proof": '{"format":"tallymark-proof/1"}'})
    assert [one["isTrue"] for one in answers] == [False, False]
    assert "kind is missing" in answers[1]["checks"][0]["words"]


@needs_node
@pytest.mark.django_db(transaction=True)
def test_a_node_that_refuses_web_pages_is_explained(page, event_proof):
    (answer,) = page({"proof": json.dumps(event_proof), "rpc": "http://127.0.0.1:9"})
    assert "tallymark verify FILE --rpc" in answer["error"]
