"""Checks what a payment proof shows of the division of its charge: the payee's weight in it.

The ledger's event of a billing entry commits to the weights of all its divisions as one Merkle
root, of leaves [uint256 division, uint256 account, uint256 weight, uint256 sum, bytes32 salt]; the
salt keeps others' weights from being guessed.
"""

from __future__ import annotations

from typing import Any

from tallymark import proofs
from tallymark.journal import Booked, Charge, body_of, is_hash
from tallymark.proofs import Section, word
from tallymark.report import Report


def check_division(
    section: Section | None,
    report: Report,
    events: list[dict[str, Any]],
    booked: tuple[Booked, Charge],
    accounts: list[Any],
) -> None:
    """Check the weight, if the file has it: it must be the payee's, as the ledger knows it."""
    entry, charge = booked
    if section is None:
        report.not_checked.append("how the charge was divided: it is not part of this file")
        return
    account, weight = section.integer("account"), section.amount("weight")
    weight_sum, salt = section.amount("weight_sum"), section.hash("salt")
    path = section.hashes("merkle_proof")
    section.done()
    leaf = proofs.leaf(
        word(charge.division % 2**256), word(account % 2**256), word(weight), word(weight_sum), salt
    )
    root = proofs.root_from(leaf, path)
    report.check(
        any(is_hash(one.get("weights"), root) for one in _bookings(events, entry)),
        "Division: the ledger committed to this weight when it booked the charge.",
        "Division: weight, sum or account is not what the ledger committed to.",
    )
    report.check(
        account in accounts and 0 < weight <= weight_sum,
        "Division: the weight is the payee's.",
        "Division: the weight is not the payee's.",
    )
    if weight_sum:
        before = charge.running - charge.amount
        part = charge.running * weight // weight_sum - before * weight // weight_sum
        report.facts.append(
            f"Division: of the charge's {charge.amount} units the payee's part is {part}, by a "
            f"weight of {weight} in {weight_sum}."
        )


def _bookings(events: list[dict[str, Any]], entry: Booked) -> list[dict[str, Any]]:
    """What the ledger said when it booked the entry."""
    bodies = map(body_of, events)
    return [
        body
        for body in bodies
        if body.get("entry") == entry.number and is_hash(body.get("entry_hash"), entry.hash)
    ]
