"""Proof files of things that really happened on a chain, and ways to spoil them."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import pytest
from tallymark.receipts import Receipt, Taken, hidden, mark, marks_digest, micros
from tallymark.typed import Domain

from compensation.contracts import owner_payouts
from provenance import anchor, deployment, evm, ledger, merkle, outbox, signers
from provenance.models import ChainContract, Event
from tests.signing import KEY, OTHER_KEY

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHAIN_ID = signers.DEVELOPMENT_CHAIN
USAGE = "8a6e0804-2bd0-4672-b79d-d97027f9071a"
VERSION = "0f6e0804-2bd0-4672-b79d-d97027f9071a"
TENANT = "1c6e0804-2bd0-4672-b79d-d97027f9071a"
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


def charge_row(usage, revision, *numbers):
    row = UUID(usage).bytes + revision.to_bytes(4, "big")
    return row + b"".join(number.to_bytes(8, "big", signed=True) for number in numbers)


def int8s(*numbers):
    return b"".join(number.to_bytes(8, "big", signed=True) for number in numbers)


def digest(data):
    return sha256(data).digest()


def hexed(data):
    return "0x" + data.hex()


def own_line(entry_hash):
    """Entry 12 with the payee's line alone, and the root by which the ledger seals it."""
    salts = (b"\x33" * 32, b"\x88" * 32)
    lines = ((3, -701), (8, 701))
    leaves = [
        digest(b"\3" + int8s(12, *line) + salt) for line, salt in zip(lines, salts, strict=True)
    ]
    lines_root = digest(b"\2" + int8s(2) + digest(b"\1" + b"".join(leaves)))
    entries = [digest(b"\4" + int8s(12) + entry_hash + lines_root), digest(b"entry 13")]
    line = {"account": 8, "units": 701, "salt": hexed(salts[1]), "lines": 2}
    shown = {"number": 12, "hash": hexed(entry_hash), "lines_root": hexed(lines_root)}
    shown |= {"entries": 2, "path": [[hexed(one) for one in entries]]}
    shown |= {"line": line | {"path": [[hexed(one) for one in leaves]]}}
    return shown, digest(b"\2" + int8s(2) + digest(b"\1" + b"".join(entries)))


@pytest.fixture
def journal():
    """An entry with one of its charges, and the entry after it, hashed as the database does.

    `own` is the entry as the payee of its second line sees it, `entry` as files showed it before.
    """
    charges = charge_row(USAGE, 0, 3, 1, 500, 0, 1, 0, 700, 700, 700, 0)
    charges += charge_row("9" + USAGE[1:], 0, 3, 1, 1, 0, 1, 0, 1, 1, 701, 0)
    groups = [digest(b"\0" + int8s(4) + digest(charges)), digest(b"another group")]
    root = digest(b"\1" + b"".join(groups))
    header = 'usage\neip155:31337/erc20:0x00\n1\n1\nkey\n\n\n{"batch":"1"}'
    lines = [[3, -701], [8, 701]]
    tree = digest(b"\2" + int8s(2) + root)
    digests = (digest(header.encode()), digest(int8s(3, -701, 8, 701)), tree)
    previous, later = b"\x0e" * 32, (b"\x01" * 32, b"\x02" * 32, bytes(32))
    own = digest(previous + int8s(12) + b"".join(digests))
    head = digest(own + int8s(13) + b"".join(later))
    charge = {"usage": USAGE, "revision": 0, "rate": 1, "records": 500, "tokens": 0, "amount": 700}
    charge |= {"total": 700, "running": 700, "account": 3, "weight_version": 4, "tallied": 0}
    charge |= {"epochs": 1, "fetches": 0, "groups": 2, "path": [[hexed(one) for one in groups]]}
    shown, entries = own_line(own)
    return {
        "head": head,
        "hash": own,
        "charges": tree,
        "own": shown,
        "entries": entries,
        "charge": charge | {"group": hexed(charges)},
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
def payout(test_token, send, clock):
    """The part of a payment's proof that a final claim of an active tree gives."""
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
    proposal = (1, tree.root, TOTAL, b"\x01" * 32, "")
    run(send, clock, "proposer", payouts, artefact, "proposeRoot", *proposal)
    activated = run(send, clock, "proposer", payouts, artefact, "activateRoot", 1)
    claim = (PAYEE, ADDRESS, OWED, tree.proof(0))
    paid = run(send, clock, "deployer", payouts, artefact, "claim", *claim)
    return {
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
    }


@pytest.fixture
def division():
    """The payee's weight in the division of the charge, beside the platform's."""
    rows = [(4, 8, 19, 20, b"\x77" * 32), (4, 9, 1, 20, bytes(32))]
    tree = merkle.Tree.of(("uint256", "uint256", "uint256", "uint256", "bytes32"), rows)
    shown = {"account": 8, "weight": "19", "weight_sum": "20", "salt": hexed(b"\x77" * 32)}
    return {"root": tree.root, "shown": shown | {"merkle_proof": [hexed(tree.proof(0)[0])]}}


def receipt(stream, records):
    """A report that a lab signed and the service countersigned, as proofs show it."""
    domain = Domain("https://ledger.example", CHAIN_ID)
    counts = {"records": records, "tokens": 0, "epochs": 1, "fetches": 0}
    said = Receipt(
        tenant=TENANT, run="a run", version="acme/essays@1", purpose="pretrain", stream=stream,
        sequence=3, used_at=micros(NOON), **counts,
    )  # fmt: skip
    digest = said.digest(domain)
    signature = KEY.sign(digest)
    taken = Taken(
        usage=USAGE, version=VERSION, run="run-abc", revision=0, received_at=micros(NOON) + 1
    )
    countersignature = OTHER_KEY.sign(taken.digest(domain, digest, signature, KEY.address))
    shown = {
        "service": domain.service, "chain": f"eip155:{CHAIN_ID}", "tenant": TENANT,
        "run": hexed(hidden("a run").hash), "version": said.version, "purpose": said.purpose,
        "stream": hexed(hidden(stream).hash), "sequence": 3, "used_at": said.used_at, **counts,
        "signer": KEY.address, "signature": hexed(signature),
        "taken": asdict(taken) | {
            "signer": OTHER_KEY.address, "signature": hexed(countersignature)
        },
    }  # fmt: skip
    return mark(digest, signature), shown


@pytest.fixture
def payment_proof(lineage_anchor, payout, journal, division, send, clock, monkeypatch):
    """A proof from a signed report to the money on the chain."""
    # These events are of nobody whom a notice could tell.
    monkeypatch.setattr(ledger.notices, "follow", lambda event: None)
    marks, receipts = zip(receipt("rank-0", 300), receipt("rank-1", 200), strict=True)
    counts = {"records": 500, "tokens": 0, "epochs": 1, "fetches": 0}
    price = {"rate": 1, "basis": "per_1k_records", "price_units": "1400"}
    weights = {"entry": 12, "entry_hash": journal["hash"], "weights": division["root"]}
    bodies = {
        "dataset.used": {"revision": 0, "receipts": marks_digest(list(marks)), **counts},
        "reporting_key.registered": {"tenant": TENANT, "address": KEY.address},
        "rate.set": price,
        "weights.committed": weights,
        "payee.named": {"payee": PAYEE, "account": 8},
        "journal.sealed": {
            "number": 13, "hash": journal["head"], "entries": journal["entries"]
        },
        "usage.charged": {
            "entry": 12, "entry_hash": journal["hash"], "digest": journal["charges"]
        },
    }  # fmt: skip
    for kind, body in bodies.items():
        subject = UUID(USAGE) if kind == "dataset.used" else None
        ledger.record(kind, at=NOON, subject_id=subject, body=body)
    ledger.seal()
    return {
        "format": "tallymark-proof/1",
        "kind": "payment",
        "events": proofs_of(send, clock, *range(1, len(bodies) + 1)),
        "entry": journal["own"],
        "charge": journal["charge"],
        "division": division["shown"],
        "receipts": list(receipts),
        "payout": payout,
    }


@pytest.fixture
def older_payment_proof(payment_proof, journal):
    """The same proof as it was made before lines were committed to: with all of the entry."""
    return payment_proof | {"entry": journal["entry"]}


# One field each, and what is said of it.
TAMPERINGS = {
    "a lab's signature": (("receipts", 0, "signature"), "its signature does not fit"),
    "the lab's key": (("receipts", 0, "signer"), "its signature does not fit"),
    "the organisation": (("receipts", 0, "tenant"), "its signature does not fit"),
    "the service": (("receipts", 0, "service"), "its signature does not fit"),
    "the run": (("receipts", 0, "run"), "its signature does not fit"),
    "the dataset version": (("receipts", 0, "version"), "its signature does not fit"),
    "the number of a report": (("receipts", 1, "sequence"), "its signature does not fit"),
    "the records of a report": (("receipts", 1, "records"), "its signature does not fit"),
    "the time of a report": (("receipts", 1, "used_at"), "its signature does not fit"),
    "the countersignature": (
        ("receipts", 0, "taken", "signature"),
        "the countersignature does not fit",
    ),
    "the countersigned time": (
        ("receipts", 0, "taken", "received_at"),
        "the countersignature does not fit",
    ),
    "the reported count": (("events", 0, "event", "body", "records"), "its content, or the hash"),
    "the key in the ledger": (
        ("events", 1, "event", "body", "address"),
        "no event in this file registers this key",
    ),
    "the price": (("events", 2, "event", "body", "price_units"), "its content, or the hash"),
    "the batch's root": (("events", 3, "anchor", "root"), "the Merkle path leads to"),
    "the rate of the charge": (("charge", "rate"), "not among the charges of its group"),
    "the amount of the charge": (("charge", "amount"), "not among the charges of its group"),
    "the payee's weight": (("division", "weight"), "is not what the ledger committed to"),
    "the sum of weights": (("division", "weight_sum"), "is not what the ledger committed to"),
    "the charges in the ledger": (
        ("events", 6, "event", "body", "digest"),
        "its content, or the hash",
    ),
    "the entry's number": (("entry", "number"), "seals it with this hash and these lines"),
    "the entry's hash": (("entry", "hash"), "seals it with this hash and these lines"),
    "the root of its lines": (("entry", "lines_root"), "seals it with this hash and these lines"),
    "the number of entries": (("entry", "entries"), "seals it with this hash and these lines"),
    "the way to the entries": (("entry", "path", 0, 1), "seals it with this hash and these lines"),
    "the payee's amount": (("entry", "line", "units"), "are not of one of its lines"),
    "the payee's account": (("entry", "line", "account"), "are not of one of its lines"),
    "the line's salt": (("entry", "line", "salt"), "are not of one of its lines"),
    "the number of lines": (("entry", "line", "lines"), "are not of one of its lines"),
    "the way to the lines": (("entry", "line", "path", 0, 0), "are not of one of its lines"),
    "the amount in the leaf": (("payout", "cumulative"), "is not under the root of epoch 1"),
    "the address in the leaf": (("payout", "account"), "is not under the root of epoch 1"),
    "the amount in the log": (("payout", "paid", "amount"), "did not make this payment"),
    "the transaction of the log": (("payout", "paid", "tx_hash"), "did not make this payment"),
}
# The same of a file from before lines were committed to one by one.
OLDER_TAMPERINGS = {
    "a line of the entry": (("entry", "lines", 1, 1), "its content was changed"),
    "the entry's number": (("entry", "number"), "its content was changed"),
    "the entry's hash": (("entry", "hash"), "its content was changed"),
    "the entry's header": (("entry", "header"), "its content was changed"),
    "the hash before it": (("entry", "previous_hash"), "its content was changed"),
    "its charges": (("entry", "charges_digest"), "its content was changed"),
    "the journal after it": (("entry", "later", 0, "lines"), "seals the journal that holds it"),
}
