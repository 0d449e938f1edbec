"""Checks what a payment proof shows of the reports behind its charge: who signed, and what.

Receipts lead from a lab's signature to the counters that the ledger holds; see `receipts` for what
is signed, and docs/receipts.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tallymark import secp256k1
from tallymark.journal import Charge, body_of
from tallymark.proofs import Section
from tallymark.receipts import Receipt, Taken, mark, marks_digest
from tallymark.report import Report
from tallymark.typed import Domain, Hidden

KEY_REGISTERED = "reporting_key.registered"
COUNTERS = ("records", "tokens", "epochs", "fetches")


@dataclass(frozen=True)
class Shown:
    """One receipt of a proof file."""

    label: str
    said: Receipt
    domain: Domain
    signer: str
    signature: bytes
    taken: Taken | None
    countersigner: str
    countersignature: bytes

    @classmethod
    def of(cls, section: Section) -> Shown:
        """The receipt that stands in a section; raises NotAProof."""
        sequence = section.number("sequence", least=1)
        said = Receipt(
            tenant=section.plain("tenant"),
            run=Hidden(section.hash("run")),
            version=section.plain("version"),
            purpose=section.plain("purpose"),
            stream=Hidden(section.hash("stream")),
            sequence=sequence,
            used_at=section.number("used_at"),
            **{name: section.number(name) for name in COUNTERS},
        )
        domain = Domain(service=section.plain("service"), chain_id=section.chain("chain"))
        signer, signature = section.address("signer"), section.data("signature")
        taken = section.optional_section("taken")
        section.done()
        whose, value = "", b""
        if taken is not None:
            whose, value = taken.address("signer"), taken.data("signature")
        return cls(
            label=f"Receipt {sequence} of {signer}",
            said=said,
            domain=domain,
            signer=signer,
            signature=signature,
            taken=_taken(taken) if taken is not None else None,
            countersigner=whose,
            countersignature=value,
        )

    @property
    def digest(self) -> bytes:
        """What the lab signed."""
        return self.said.digest(self.domain)

    def check(self, report: Report, events: list[dict[str, Any]], charge: Charge) -> None:
        """Its signatures must be its signers', its key the lab's, and its usage the charge's."""
        report.check(
            _is_signed(self.digest, self.signature, self.signer),
            f"{self.label}: it is as its key signed it.",
            f"{self.label}: its signature does not fit: what was signed was changed.",
        )
        named = {"tenant": self.said.tenant, "address": self.signer}
        report.check(
            any(one.get("kind") == KEY_REGISTERED and body_of(one) == named for one in events),
            f"{self.label}: the ledger knows this key of {self.said.tenant}.",
            f"{self.label}: no event in this file registers this key for {self.said.tenant}.",
        )
        if self.taken is None:
            report.not_checked.append(f"{self.label}: the service did not countersign it")
            return
        digest = self.taken.digest(self.domain, self.digest, self.signature, self.signer)
        report.check(
            _is_signed(digest, self.countersignature, self.countersigner),
            f"{self.label}: the service signed that it took it.",
            f"{self.label}: the countersignature does not fit: what it holds was changed.",
        )
        report.check(
            self.taken.usage == charge.usage and self.taken.revision <= charge.revision,
            f"{self.label}: it was taken for the charge's usage.",
            f"{self.label}: it was not taken for the charge's usage.",
        )
        report.facts.append(f"{self.label} was countersigned by {self.countersigner}.")


def check_receipts(
    whole: Section, report: Report, events: list[dict[str, Any]], charge: Charge | None
) -> None:
    """Check the receipts of a file, if it has any: they must make what the ledger counts."""
    section = whole.items("receipts") if "receipts" in whole.value else None
    shown = [Shown.of(section.section(at)) for at in section.value] if section else []
    if not shown:
        report.not_checked.append("who reported the use: no signed receipt is part of this file")
        return
    if charge is None:
        report.check(False, "", "Receipts: there is no charge in this file that they are for.")  # noqa: FBT003
        return
    for one in shown:
        one.check(report, events, charge)
    used = charge.used
    marks = [mark(one.digest, one.signature) for one in shown]
    report.check(
        used.get("receipts") == marks_digest(marks).hex(),
        "Receipts: the ledger committed to exactly these when it counted the use.",
        "Receipts: the ledger did not commit to these when it counted the use.",
    )
    counted = {name: [getattr(one.said, name) for one in shown] for name in COUNTERS}
    sums = {name: max(each) if name == "epochs" else sum(each) for name, each in counted.items()}
    report.check(
        all(used.get(name) == value for name, value in sums.items()),
        "Receipts: together they count what the ledger counts.",
        "Receipts: together they do not count what the ledger counts.",
    )


def _taken(section: Section) -> Taken:
    found = Taken(
        usage=section.plain("usage"),
        version=section.plain("version"),
        run=section.plain("run"),
        revision=section.number("revision"),
        received_at=section.number("received_at"),
    )
    section.done()
    return found


def _is_signed(digest: bytes, signature: bytes, signer: str) -> bool:
    try:
        return secp256k1.signer_of(digest, signature) == signer
    except secp256k1.NotSigned:
        return False
