"""Checks a proof file without trusting the service that made it.

Without a node: that the file agrees with itself, up to the Merkle root. With one: that this root
stands on the chain. What was not checked is said, too. See `proofs` for the format.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tallymark import proofs, secp256k1, signed
from tallymark.keccak import keccak
from tallymark.proofs import NotAProof, Section, word
from tallymark.report import Check, Report
from tallymark.rpc import Node, Nodes, Receipt, find_log, serving

ANCHORED = "Anchored(uint64,bytes32,bytes32,uint64,uint64)"


def verify_file(
    path: Path, *, rpc_urls: Sequence[str] = (), contract: str = "", signer: str = ""
) -> Report:
    """Check the proof, or the signed report, in a file; see `verify` and `check_signed`.

    Raises OSError if it cannot be read.
    """
    try:
        proof = proofs.parse(path.read_bytes())
    except NotAProof as error:
        return Report(checks=[Check(is_ok=False, words=f"Not a proof: {error}.")])
    if "report" in proof:
        return check_signed(proof, signer)
    return verify(proof, node=[Node(url) for url in rpc_urls] or None, contract=contract)


def check_signed(document: dict[str, Any], signer: str = "") -> Report:
    """Check that a screening report is as it was signed; by `signer`, where the reader knows it."""
    report = Report()
    try:
        found = signed.signer_of(document)
    except secp256k1.NotSigned as error:
        report.checks.append(Check(is_ok=False, words=f"Not a signed report: {error}."))
        return report
    stated = str(document["signature"].get("signer", "")).lower()
    report.check(
        found == stated,
        f"The report is as {found} signed it.",
        f"The report was changed after it was signed: its signature leads to {found}, not to "
        f"{stated}.",
    )
    if signer:
        report.check(
            found == signer.lower(),
            "The signer is the one that you named.",
            f"The signer is {found}, not {signer}.",
        )
    else:
        report.not_checked.append(
            "whether the signer is the service: compare it with the account that anchors its "
            "ledger, or give that with --signer"
        )
    report.facts.append(f"SHA-256 of the report: {signed.digest_of(document).hex()}.")
    return report


def verify(proof: dict[str, Any], *, node: Nodes | None = None, contract: str = "") -> Report:
    """Check a parsed proof; against the chain if a node is given, or one of each of its chains.

    `contract` is the address (0x.. or CAIP-10) that you know to be the service's: a forger can make
    a contract of their own, so compare it. Raises rpc.NodeFailed when the node cannot be asked,
    which says nothing about the proof.
    """
    from tallymark.payment import check_payment

    report = Report()
    try:
        whole = Section(proof, "")
        found = whole.get("format")
        if found != proofs.FORMAT:
            raise NotAProof(f"the format is {found!r}; this program checks {proofs.FORMAT}")
        kind = whole.get("kind")
        if kind == "event":
            check_event(whole, report, node, contract)
        elif kind == "payment":
            check_payment(whole, report, node, contract)
        else:
            raise NotAProof(f"kind is {kind!r}, neither 'event' nor 'payment'")
    except NotAProof as error:
        report.checks.append(Check(is_ok=False, words=f"Not a proof: {error}."))
    if node is None:
        report.not_checked.append("whether the chain holds the root: give a node with --rpc URL")
    if not contract:
        report.not_checked.append(
            "whether the contract is the service's own: compare it with the published address, "
            "or give that with --contract"
        )
    return report


def check_event(whole: Section, report: Report, node: Nodes | None, contract: str) -> None:
    """Check an event's way from its canonical JSON to the root of its batch, and to the chain."""
    event, claimed_hash, anchor = (
        whole.section("event"),
        whole.hash("hash"),
        whole.section("anchor"),
    )
    previous_hash = whole.hash("previous_hash")
    for name in ("format", "kind"):
        whole.get(name)
    whole.done()
    sequence = event.number("sequence", least=1)
    label = f"Event {sequence}"
    actual = proofs.document_hash(event.value, event.where, previous_hash)
    report.check(
        actual == claimed_hash,
        f"{label}: its content has the hash {_short(actual)}.",
        f"{label}: its content, or the hash before it, was changed: together their SHA-256 is "
        f"{_short(actual)}, the proof says {_short(claimed_hash)}.",
    )
    batch = _Batch(anchor)
    batch.check_place(report, label, sequence)
    root = proofs.root_from(proofs.leaf(word(sequence), claimed_hash), batch.merkle_proof)
    report.check(
        root == batch.root,
        f"{label}: the Merkle path leads to the root of batch {batch.number}.",
        f"{label}: the Merkle path leads to {_short(root)}, not to the root of batch "
        f"{batch.number}, {_short(batch.root)}.",
    )
    batch.check_head(report, label)
    check_contract(report, label, batch.contract, batch.chain_id, contract)
    report.facts.append(
        f"{label} ({event.value.get('kind', 'of no kind')}) is in batch {batch.number} of contract "
        f"eip155:{batch.chain_id}:{batch.contract}."
    )
    if node is not None:
        batch.check_on_chain(report, label, serving(node, batch.chain_id))


class _Batch:
    """The `anchor` section of an event proof."""

    def __init__(self, anchor: Section) -> None:
        self.number = anchor.number("batch", least=1)
        self.first_sequence = anchor.number("first_sequence", least=1)
        self.event_count = anchor.number("event_count", least=1)
        self.root = anchor.hash("root")
        self.previous_head_hash = anchor.hash("previous_head_hash")
        self.head_hash = anchor.hash("head_hash")
        self.chain_id, self.contract = anchor.contract("contract")
        self.tx_hash = anchor.optional_hash("tx_hash")
        self.merkle_proof = anchor.hashes("merkle_proof")
        if anchor.chain("chain") != self.chain_id:
            raise NotAProof("anchor.chain and anchor.contract name different chains")
        anchor.done()

    def check_place(self, report: Report, label: str, sequence: int) -> None:
        """The event must be one of those that the batch says it holds."""
        last = self.first_sequence + self.event_count - 1
        report.check(
            self.first_sequence <= sequence <= last,
            f"{label}: batch {self.number} holds the events {self.first_sequence} to {last}.",
            f"{label}: it is not among the events {self.first_sequence} to {last} of batch "
            f"{self.number}.",
        )

    def check_head(self, report: Report, label: str) -> None:
        """The head hash commits to the batch's place in the chain of batches."""
        words = [
            word(self.chain_id),
            word(self.contract),
            self.previous_head_hash,
            word(self.number),
            self.root,
            word(self.first_sequence),
            word(self.event_count),
        ]
        actual = keccak(b"".join(words))
        report.check(
            actual == self.head_hash,
            f"{label}: batch {self.number} is chained to the batch before it.",
            f"{label}: the head hash of batch {self.number} does not fit: its number, root, range, "
            "contract or previous head hash was changed.",
        )

    def check_on_chain(self, report: Report, label: str, node: Node) -> None:
        """The contract must hold the root, and the named transaction must have put it there."""
        if not check_chain(report, label, node, self.chain_id, self.contract):
            return
        answer = node.call(self.contract, "rootOf(uint64)", word(self.number))
        if answer == bytes(32):
            bad = f"{label}: batch {self.number} is not on the chain."
        else:
            bad = (
                f"{label}: the chain holds another root for batch {self.number}: {_short(answer)}."
            )
        good = f"{label}: the chain holds this root for batch {self.number}."
        report.check(answer == self.root, good, bad)
        if self.tx_hash is None:
            report.not_checked.append(
                f"{label}: when it was anchored; the file names no transaction"
            )
            return
        receipt = node.receipt(self.tx_hash)
        report.check(
            self._is_anchored_by(receipt),
            f"{label}: the named transaction anchored exactly this batch.",
            f"{label}: the transaction 0x{self.tx_hash.hex()} did not anchor this batch.",
        )
        if receipt is not None:
            report.facts.append(f"{label} existed at {block_date(node, receipt)}.")

    def _is_anchored_by(self, receipt: Receipt | None) -> bool:
        log = find_log(receipt, self.contract, ANCHORED, word(self.number), self.root)
        expected = [self.head_hash, word(self.first_sequence), word(self.event_count)]
        return log is not None and log.words == expected


def check_chain(report: Report, label: str, node: Node, chain_id: int, contract: str) -> bool:
    """The node must serve the proof's chain, and a contract must stand at its address."""
    served = node.chain_id()
    if not report.check(
        served == chain_id,
        f"{label}: the node serves the chain eip155:{chain_id}.",
        f"{label}: the proof is for the chain eip155:{chain_id}, the node serves eip155:{served}.",
    ):
        return False
    return report.check(
        node.has_code(contract),
        f"{label}: a contract stands at {contract}.",
        f"{label}: no contract stands at {contract} on this chain.",
    )


def check_contract(report: Report, label: str, found: str, chain_id: int, expected: str) -> None:
    """The contract must be the one that the reader knows, where the reader named one."""
    if not expected:
        return
    chain, _, address = expected.rpartition(":")
    report.check(
        address.lower() == found and chain in ("", f"eip155:{chain_id}"),
        f"{label}: the contract is the one that you named.",
        f"{label}: the contract is eip155:{chain_id}:{found}, not {expected}.",
    )


def block_date(node: Node, receipt: Receipt) -> str:
    """The time of a receipt's block, as text."""
    moment = datetime.fromtimestamp(node.block_time(receipt.block_number), UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC (block {receipt.block_number})"


def _short(value: bytes) -> str:
    """A hash, long enough to tell it from another."""
    return f"0x{value.hex()[:16]}…"
