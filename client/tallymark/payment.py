"""Checks proofs of payment: usage event, charge, journal entry, payout leaf, money on the chain.

A part that the file leaves out is named as not shown; a part that is there must link to the others.
"""

from __future__ import annotations

from typing import Any

from tallymark import proofs
from tallymark.divided import check_division
from tallymark.journal import Booked, Charge, Entry, body_of, is_hash
from tallymark.lines import OwnLine
from tallymark.proofs import NotAProof, Section, word
from tallymark.report import Report
from tallymark.reported import check_receipts
from tallymark.rpc import Node, Nodes, find_log, serving
from tallymark.verify import block_date, check_chain, check_contract, check_event

PAYEE_NAMED = "payee.named"
ACTIVATED = "RootActivated(uint64,bytes32,uint128)"
PAID = "Paid(bytes32,address,uint256,uint256)"


def check_payment(whole: Section, report: Report, node: Nodes | None, contract: str) -> None:
    """Check every part of a payment proof, and that each part links to the next.

    `contract` names the payouts' contract here; the events' contract is shown as a fact.
    """
    for name in ("format", "kind"):
        whole.get(name)
    events = _check_events(whole, report, node)
    entry = whole.optional_section("entry")
    section = whole.optional_section("charge")
    charge = Charge(section) if section is not None else None
    division = whole.optional_section("division") if "division" in whole.value else None
    payout = _Payout(whole.section("payout"))
    if charge is not None and entry is None:
        raise NotAProof("charge needs the journal entry that holds it")
    if division is not None and charge is None:
        raise NotAProof("division needs the charge that it divides")
    if entry is None:
        report.not_checked.append("the journal entry: it is not part of this file")
    else:
        booked: Booked = OwnLine(entry) if "line" in entry.value else Entry(entry)
        booked.check(report, events)
        accounts = payout.check_payee(report, events, booked)
        if charge is not None:
            charge.check(report, events, booked)
            check_division(division, report, events, (booked, charge), accounts)
    if charge is None:
        report.not_checked.append("the charge for the usage: it is not part of this file")
    check_receipts(whole, report, events, charge)
    whole.done()
    payout.check(report, node, contract)


def _check_events(whole: Section, report: Report, node: Nodes | None) -> list[dict[str, Any]]:
    """Check each event proof; returns the events."""
    found = whole.items("events")
    if not found.value:
        raise NotAProof("events must hold at least one event proof")
    events = []
    for at in found.value:
        section = found.section(at)
        if section.get("format") != proofs.FORMAT or section.get("kind") != "event":
            raise NotAProof(f"{section.where} is not an event proof of {proofs.FORMAT}")
        check_event(section, report, node, "")
        events.append(section.section("event").value)
    return events


class _Payout:
    """The `payout` section of a payment proof."""

    def __init__(self, payout: Section) -> None:
        self.chain_id, self.contract = payout.contract("contract")
        self.token = payout.address("token")
        self.epoch = payout.number("epoch", least=1)
        self.root, self.total = payout.hash("root"), payout.amount("total")
        self.payee, self.account = payout.hash("payee"), payout.address("account")
        self.cumulative = payout.amount("cumulative")
        self.merkle_proof = payout.hashes("merkle_proof")
        self.activated_tx_hash = payout.optional_hash("activated_tx_hash")
        self.paid = payout.optional_section("paid")
        if payout.chain("chain") != self.chain_id:
            raise NotAProof("payout.chain and payout.contract name different chains")
        payout.done()
        if self.paid is not None:
            self.paid_tx_hash = self.paid.hash("tx_hash")
            self.paid_amount = self.paid.amount("amount")
            self.paid_cumulative = self.paid.amount("cumulative")
            self.paid.done()

    def check_payee(self, report: Report, events: list[dict[str, Any]], entry: Booked) -> list[Any]:
        """The entry must move money of an account that an event joins to this payee: all such."""
        joined = [
            body_of(one).get("account")
            for one in events
            if one.get("kind") == PAYEE_NAMED and is_hash(body_of(one).get("payee"), self.payee)
        ]
        report.check(
            any(account in entry.accounts for account in joined),
            "Payout: the journal entry has a line for this payee's account.",
            "Payout: no event in this file joins this payee to an account of the journal entry.",
        )
        return joined

    def check(self, report: Report, node: Nodes | None, contract: str) -> None:
        """Check the leaf, and on the chain if a node is given that it was active and paid."""
        leaf = proofs.leaf(self.payee, word(self.account), word(self.cumulative))
        report.check(
            proofs.root_from(leaf, self.merkle_proof) == self.root,
            f"Payout: payee, account and amount are under the root of epoch {self.epoch}.",
            f"Payout: payee, account or amount is not under the root of epoch {self.epoch}.",
        )
        report.check(
            self.cumulative <= self.total,
            "Payout: the amount is within the epoch's total.",
            "Payout: the amount is more than the epoch's total.",
        )
        check_contract(report, "Payout", self.contract, self.chain_id, contract)
        self._check_paid_amount(report)
        report.facts.append(
            f"Payout: payee 0x{self.payee.hex()[:16]}… is owed {self.cumulative} units of token "
            f"eip155:{self.chain_id}/erc20:{self.token} in all, to {self.account}."
        )
        on_chain = None if node is None else serving(node, self.chain_id)
        if on_chain and check_chain(report, "Payout", on_chain, self.chain_id, self.contract):
            self._check_on_chain(report, on_chain)

    def _check_paid_amount(self, report: Report) -> None:
        if self.paid is None:
            report.not_checked.append("the payment itself: the file says that it is still to come")
            return
        report.check(
            0 < self.paid_amount <= self.paid_cumulative == self.cumulative,
            "Payout: what was paid brings the payee to the amount in the leaf.",
            "Payout: what was paid does not bring the payee to the amount in the leaf.",
        )

    def _check_on_chain(self, report: Report, node: Node) -> None:
        token = node.call(self.contract, "token()")
        report.check(
            token == word(self.token),
            "Payout: the contract pays in this token.",
            f"Payout: the contract pays in the token 0x{token[-20:].hex()}.",
        )
        self._check_activated(report, node)
        if self.paid is None:
            return
        claimed = int.from_bytes(node.call(self.contract, "claimed(bytes32)", self.payee), "big")
        report.check(
            claimed >= self.cumulative,
            "Payout: the contract counts the amount as paid.",
            f"Payout: the contract counts only {claimed} as paid.",
        )
        receipt = node.receipt(self.paid_tx_hash)
        log = find_log(receipt, self.contract, PAID, self.payee, word(self.account))
        report.check(
            log is not None and log.words == [word(self.paid_amount), word(self.paid_cumulative)],
            f"Payout: the chain holds the payment of {self.paid_amount} units.",
            f"Payout: the transaction 0x{self.paid_tx_hash.hex()} did not make this payment.",
        )
        if receipt is not None:
            report.facts.append(f"Payout: it was paid at {block_date(node, receipt)}.")

    def _check_activated(self, report: Report, node: Node) -> None:
        """The root must have been active: now, or by the named transaction."""
        if self.activated_tx_hash is None:
            active = node.call(self.contract, "root()")
            held = active == self.root
        else:
            receipt = node.receipt(self.activated_tx_hash)
            log = find_log(receipt, self.contract, ACTIVATED, word(self.epoch))
            held = log is not None and log.words == [self.root, word(self.total)]
        report.check(
            held,
            f"Payout: the contract activated this root for epoch {self.epoch}.",
            f"Payout: the contract did not activate this root for epoch {self.epoch}.",
        )
