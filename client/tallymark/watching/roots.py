"""Holds one root against what the service published and what its ledger committed to.

Each fault has a kind: `withheld` (a file that must be public is not), `root` and `total` (the
leaves do not give what stands on the chain), `file` (what is published is not what the contract was
told), `dropped`, `fell` and `twice` (a payee lost what was owed), `committed` (the ledger's word on
the journal's totals does not hold), `growth` (a leaf grew by something else than the journal sent),
`uncredited` (more was sent than the payee had earned).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from tallymark.proofs import word
from tallymark.rpc import Node
from tallymark.verify import verify
from tallymark.watching import files
from tallymark.watching.files import BadFile, Leaf, Total
from tallymark.watching.service import Service, Withheld

EVENT = "payout.totals"
# How many payees are named for one kind of fault; the others are counted.
NAMED_LIMIT = 10


@dataclass(frozen=True)
class Root:
    """A root as it stands on the chain; `previous` is the one before it, where that is known.

    `digest` is the SHA-256 of the file of its leaves, as the contract was told; None if unknown.
    """

    contract: str
    epoch: int
    root: bytes
    total: int
    is_active: bool
    previous: bytes | None = None
    digest: bytes | None = None


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a root, in words."""

    kind: str
    words: str


@dataclass
class Outcome:
    """What was found of a root."""

    root: Root
    leaf_count: int = 0
    faults: list[Fault] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def is_withheld(self) -> bool:
        """Whether nothing is known to be wrong, but something is missing."""
        return bool(self.faults) and all(one.kind == "withheld" for one in self.faults)


@dataclass(frozen=True)
class Ledger:
    """Where the service's ledger is anchored: a node of that chain, and the contract by CAIP-10."""

    node: Node
    anchor: str


def check(root: Root, service: Service, ledger: Ledger) -> Outcome:
    """Compute a root again and compare it; raises rpc.NodeFailed where a node cannot be asked.

    The outcome has the files by their names, so that a copy of what was checked can be kept.
    """
    outcome = Outcome(root)
    try:
        leaves_file = service.leaves(root.contract, root.epoch)
        leaves = files.leaves(leaves_file)
        outcome.files[files.name_of("leaves", root.contract, root.epoch)] = leaves_file
        outcome.leaf_count = len(leaves)
        outcome.faults += _of_file(root, leaves_file, outcome)
        outcome.faults += _of_tree(root, leaves)
        outcome.faults += _against_previous(root, leaves, service, outcome)
    except (Withheld, BadFile) as reason:
        outcome.faults.append(Fault("withheld", f"The leaves cannot be had: {reason}."))
        return outcome
    try:
        manifest = service.tree(root.contract, root.epoch)
        totals_file = service.totals(root.contract, root.epoch)
        totals = files.totals(totals_file)
        outcome.files[files.name_of("totals", root.contract, root.epoch)] = totals_file
    except (Withheld, BadFile) as reason:
        words = f"The journal's totals cannot be had: {reason}."
        outcome.faults.append(Fault("withheld", words))
        return outcome
    outcome.faults += _of_commitment(root, manifest, totals_file, ledger)
    outcome.faults += _against_journal(leaves, totals)
    return outcome


def _of_file(root: Root, leaves_file: bytes, outcome: Outcome) -> Iterator[Fault]:
    """The contract was told of exactly this file, so that nobody is shown another."""
    if root.digest is None:
        outcome.not_checked.append(
            "whether the leaves' file is the one that the contract was told of: the node does not "
            "say its digest any more"
        )
    elif sha256(leaves_file).digest() != root.digest:
        yield Fault(
            "file",
            f"The leaves' file has the SHA-256 {_short(sha256(leaves_file).digest())}, the "
            f"contract was told {_short(root.digest)}.",
        )


def _of_tree(root: Root, leaves: list[Leaf]) -> Iterator[Fault]:
    """What the leaves alone show."""
    computed = files.root(leaves, root.root)
    if computed != root.root:
        yield Fault(
            "root",
            f"The published leaves give the root {_short(computed)}, the chain has "
            f"{_short(root.root)}.",
        )
    total = sum(one.cumulative for one in leaves)
    if total != root.total:
        yield Fault(
            "total", f"The leaves add up to {total}, the chain was told a total of {root.total}."
        )
    often = Counter(one.payee for one in leaves)
    yield from _named(
        "twice",
        (f"{_payee(one)} has {count} leaves." for one, count in often.items() if count > 1),
    )


def _against_previous(
    root: Root, leaves: list[Leaf], service: Service, outcome: Outcome
) -> Iterator[Fault]:
    """No payee is dropped, and no leaf falls."""
    if root.epoch == 1:
        return
    before = files.leaves(service.leaves(root.contract, root.epoch - 1))
    if root.previous is None:
        outcome.not_checked.append(
            f"whether the leaves of epoch {root.epoch - 1} are those that were active: the chain "
            "does not say its root any more"
        )
    elif files.root(before, root.previous) != root.previous:
        raise Withheld(
            f"what is published for epoch {root.epoch - 1} does not give the root that was active"
        )
    now = {one.payee: one.cumulative for one in leaves}
    yield from _named(
        "dropped",
        (
            f"{_payee(one.payee)} was owed {one.cumulative} in all, and has no leaf any more."
            for one in before
            if one.payee not in now
        ),
    )
    yield from _named(
        "fell",
        (
            f"{_payee(one.payee)} was owed {one.cumulative} in all, and its leaf fell to "
            f"{now[one.payee]}."
            for one in before
            if now.get(one.payee, one.cumulative) < one.cumulative
        ),
    )


def _of_commitment(
    root: Root, manifest: dict[str, Any], totals_file: bytes, ledger: Ledger
) -> Iterator[Fault]:
    """The ledger committed to exactly these totals, and anchored it."""
    proof = manifest.get("committed")
    if not isinstance(proof, dict):
        reason = str(manifest.get("waits_for") or "the service says nothing of it")
        yield Fault("withheld", f"The ledger's commitment to the totals is missing: {reason}")
        return
    if proof.get("kind") != "event":
        yield Fault("committed", "The commitment is no proof of an event.")
        return
    if not _is_anchored(proof, ledger):
        # Our node may be a moment behind theirs: no reason to veto yet.
        yield Fault("withheld", "The batch with the ledger's commitment is not on the chain yet.")
        return
    report = verify(proof, node=ledger.node, contract=ledger.anchor)
    yield from (Fault("committed", words) for words in report.failures)
    event = proof.get("event")
    event = event if isinstance(event, dict) else {}
    body = event.get("body")
    body = body if isinstance(body, dict) else {}
    names = (event.get("kind"), str(body.get("contract")).lower(), body.get("epoch"))
    if names != (EVENT, root.contract.lower(), root.epoch):
        yield Fault("committed", f"The commitment is for something else: {names}.")
    elif body.get("totals") != sha256(totals_file).hexdigest():
        yield Fault("committed", "The published totals are not those that the ledger committed to.")


def _is_anchored(proof: dict[str, Any], ledger: Ledger) -> bool:
    """Whether the chain has a batch of the number that the proof names."""
    anchor = proof.get("anchor")
    batch = anchor.get("batch") if isinstance(anchor, dict) else None
    if not isinstance(batch, int) or not 0 < batch < 2**64:
        return True
    address = ledger.anchor.rpartition(":")[2]
    return ledger.node.call(address, "rootOf(uint64)", word(batch)) != bytes(32)


def _against_journal(leaves: list[Leaf], totals: list[Total]) -> Iterator[Fault]:
    """Each leaf is what the journal sent, and nobody was sent more than was credited."""
    known = {one.payee: one for one in totals}
    yield from _named("growth", _differing(leaves, known))
    missing = known.keys() - {one.payee for one in leaves}
    yield from _named(
        "dropped",
        (
            f"{_payee(one)} was sent {known[one].sent} by the journal, and has no leaf."
            for one in sorted(missing)
        ),
    )
    yield from _named(
        "uncredited",
        (
            f"{_payee(one.payee)} was sent {one.sent}, and was credited only {one.credited}."
            for one in totals
            if one.sent > one.credited
        ),
    )


def _differing(leaves: list[Leaf], known: dict[bytes, Total]) -> Iterator[str]:
    for one in leaves:
        sent = known[one.payee].sent if one.payee in known else 0
        if one.cumulative != sent:
            yield (
                f"{_payee(one.payee)} has a leaf of {one.cumulative} in all; the journal sent "
                f"{sent}: {one.cumulative - sent:+} that nothing stands behind."
            )


def _named(kind: str, words: Iterable[str]) -> Iterator[Fault]:
    """The first faults of a kind one by one, the others counted."""
    found = list(words)
    yield from (Fault(kind, one) for one in found[:NAMED_LIMIT])
    if len(found) > NAMED_LIMIT:
        yield Fault(kind, f"The same is wrong with {len(found) - NAMED_LIMIT} more.")


def _payee(payee: bytes) -> str:
    return f"Payee 0x{payee.hex()[:16]}…"


def _short(value: bytes) -> str:
    return f"0x{value.hex()[:16]}…"
