"""One pass over contracts: what is proposed or pays is checked, and vetoed where it is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tallymark.rpc import Node, NodeFailed
from tallymark.watching import roots
from tallymark.watching.contract import Contract, Pending
from tallymark.watching.guardian import Guardian, VetoFailed
from tallymark.watching.roots import Fault, Ledger, Outcome, Root
from tallymark.watching.service import Service, Withheld

SOUND, WRONG, WAITS = "sound", "wrong", "waits"


@dataclass
class Verdict:
    """What is to be said of one root."""

    root: Root
    verdict: str
    leaf_count: int
    faults: list[Fault]
    not_checked: list[str]
    # When it may be activated, in seconds since 1970; null for one that is active.
    ready_at: int | None = None
    veto_tx_hash: str = ""
    veto_problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """The verdict for programs."""
        return {
            "contract": self.root.contract,
            "epoch": self.root.epoch,
            "root": "0x" + self.root.root.hex(),
            "total": str(self.root.total),
            "state": "active" if self.root.is_active else "pending",
            "verdict": self.verdict,
            "leaves": self.leaf_count,
            "faults": [{"kind": one.kind, "words": one.words} for one in self.faults],
            "not_checked": self.not_checked,
            "ready_at": self.ready_at,
            "veto_tx_hash": self.veto_tx_hash or None,
            "veto_problem": self.veto_problem or None,
        }


@dataclass
class Watcher:
    """Watches the roots of some contracts; `guardian` vetoes, where there is one.

    What was found sound is not computed again. A file that is missing makes a root wrong only
    `patience_seconds` after it was proposed (or first seen, if it pays already), by the chain's
    clock.
    """

    service: Service
    node: Node
    ledger: Ledger
    patience_seconds: int
    # Empty: those that the service names at each look.
    named: list[Contract] = field(default_factory=list)
    guardian: Guardian | None = None
    # Where copies of what was found sound are kept, if anywhere.
    keep: Path | None = None
    # What is not checked of any root.
    notes: list[str] = field(default_factory=list)
    _sound: dict[Root, Outcome] = field(default_factory=dict)
    _first_seen: dict[Root, int] = field(default_factory=dict)

    def contracts(self) -> list[Contract]:
        """The contracts of the node's chain that are watched; raises Withheld."""
        if self.named:
            return self.named
        try:
            names = [str(one["contract"]) for one in self.service.index()["contracts"]]
        except (KeyError, TypeError):
            raise Withheld("the service's list of contracts cannot be read") from None
        served = self.node.chain_id()
        found = (Contract(name, self.node) for name in names)
        return [one for one in found if one.chain_id == served]

    def look(self) -> Iterator[Verdict]:
        """One pass; raises rpc.NodeFailed, or Withheld where no contract is named."""
        for contract in self.contracts():
            contract.require_there()
            active, pending = contract.active(), contract.pending()
            now = self.node.newest("timestamp")
            if active is not None:
                since = self._first_seen.setdefault(active, now)
                is_late = now - since >= self.patience_seconds
                yield self._verdict(self._check(active), is_late=is_late)
            if pending is not None:
                yield self._judge(contract, pending, now)

    def _judge(self, contract: Contract, pending: Pending, now: int) -> Verdict:
        is_late = now - pending.proposed_at >= self.patience_seconds
        found = self._verdict(self._check(pending.root), is_late=is_late)
        found.ready_at = pending.ready_at
        if found.verdict == WRONG and self.guardian is not None:
            try:
                found.veto_tx_hash = self.guardian.veto(
                    self.node, contract.chain_id, contract.address, pending.root.root
                )
            except (VetoFailed, NodeFailed) as problem:
                found.veto_problem = str(problem)
        return found

    def _check(self, root: Root) -> Outcome:
        known = self._sound.get(root)
        if known is not None:
            return known
        outcome = roots.check(root, self.service, self.ledger)
        if not outcome.faults:
            self._keep(outcome)
            outcome.files.clear()
            self._sound[root] = outcome
        return outcome

    def _keep(self, outcome: Outcome) -> None:
        """Write copies of sound files, whole or not at all: with them lost books are rebuilt."""
        if self.keep is None:
            return
        self.keep.mkdir(parents=True, exist_ok=True)
        for name, data in outcome.files.items():
            part = self.keep / f"{name}.part"
            part.write_bytes(data)
            part.replace(self.keep / name)

    def _verdict(self, outcome: Outcome, *, is_late: bool) -> Verdict:
        """What follows from an outcome: what is only missing may come, while it is early."""
        verdict = WRONG if outcome.faults else SOUND
        if outcome.is_withheld and not is_late:
            verdict = WAITS
        return Verdict(
            root=outcome.root,
            verdict=verdict,
            leaf_count=outcome.leaf_count,
            faults=outcome.faults,
            not_checked=[*self.notes, *outcome.not_checked],
        )
