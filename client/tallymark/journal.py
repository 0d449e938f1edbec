"""Checks what a payment proof shows of the journal: an entry in its hash chain, a charge in it.

The bytes that are hashed are those of compensation/sql/journal.sql and billing.sql.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID

from tallymark.charge_tree import group_digest, root_above
from tallymark.proofs import AMOUNT, NotAProof, Section
from tallymark.report import Report

JOURNAL_SEALED = "journal.sealed"
USED = "dataset.used"
RATE_SET = "rate.set"
CHARGE_BYTES = 100
COUNTERS = ("records", "tokens", "epochs", "fetches")
# Tokens are priced as the sealed version counts them, where records were counted.
REPORTED = ("records", "epochs", "fetches")
# Which counter a basis prices (none: a run counts as one), and for how many of it the price is.
BASES: dict[str, tuple[str | None, int]] = {
    "per_1k_records": ("records", 1_000),
    "per_1m_tokens": ("tokens", 1_000_000),
    "per_epoch": ("epochs", 1),
    "per_fetch": ("fetches", 1),
    "flat_per_run": (None, 1),
}


class Booked(Protocol):
    """An entry of the journal, as a payment proof shows it: the payee's line, or all lines."""

    number: int
    hash: bytes

    @property
    def accounts(self) -> set[int]:
        """The accounts that it is known to have lines in."""

    def check(self, report: Report, events: list[dict[str, Any]]) -> None:
        """Check it against what the ledger's events say of the journal."""

    def is_made_of(self, charges: bytes) -> bool:
        """Whether these are the charges that it booked, by their digest."""


class Entry:
    """The `entry` section of a payment proof from before lines were committed to one by one."""

    def __init__(self, entry: Section) -> None:
        self.number = entry.number("number", least=1)
        self.hash, self.previous_hash = entry.hash("hash"), entry.hash("previous_hash")
        self.header = entry.text("header")
        self.charges_digest = entry.hash("charges_digest")
        self.lines = [_line(entry.items("lines"), at) for at in entry.items("lines").value]
        later = entry.items("later")
        self.later = [_later(later.section(at)) for at in later.value]
        entry.done()

    @property
    def accounts(self) -> set[int]:
        """The accounts that it has lines in."""
        return {account for account, _ in self.lines}

    def is_made_of(self, charges: bytes) -> bool:
        """Whether its hash holds these charges."""
        return charges == self.charges_digest

    def check(self, report: Report, events: list[dict[str, Any]]) -> None:
        """Its content must have its hash, balance, and be in the chain that the ledger sealed."""
        parts = (_digest(self.header.encode()), lines_digest(self.lines), self.charges_digest)
        report.check(
            chained(self.previous_hash, self.number, parts) == self.hash,
            f"Journal entry {self.number}: its content has the stated hash.",
            f"Journal entry {self.number}: its content was changed.",
        )
        report.check(
            sum(units for _, units in self.lines) == 0,
            f"Journal entry {self.number}: its lines add up to zero.",
            f"Journal entry {self.number}: its lines do not add up to zero.",
        )
        head, number = self.hash, self.number
        for parts in self.later:
            number += 1
            head = chained(head, number, parts)
        sealed = [body_of(one) for one in events if one.get("kind") == JOURNAL_SEALED]
        report.check(
            any(one.get("number") == number and is_hash(one.get("hash"), head) for one in sealed),
            f"Journal entry {self.number}: the ledger sealed the journal that holds it.",
            f"Journal entry {self.number}: no `{JOURNAL_SEALED}` event in this file seals the "
            "journal that holds it.",
        )


class Charge:
    """The `charge` section of a payment proof."""

    def __init__(self, charge: Section) -> None:
        self.usage, self.revision = charge.text("usage"), charge.number("revision")
        self.row = _charge_bytes(charge)
        self.counts = {name: charge.integer(name) for name in COUNTERS}
        self.rate, self.total = charge.integer("rate"), charge.integer("total")
        self.amount, self.running = charge.integer("amount"), charge.integer("running")
        self.division, self.group = charge.integer("weight_version"), charge.data("group")
        path = charge.items("path")
        self.groups = charge.number("groups", least=1)
        self.levels = [path.hashes(at) for at in path.value]
        # The body of the event that reports it, once that was found.
        self.used: dict[str, Any] = {}
        charge.done()

    def check(self, report: Report, events: list[dict[str, Any]], entry: Booked) -> None:
        """It must be one of its entry's, and count what an event reports, at the rate's price."""
        starts = range(0, len(self.group), CHARGE_BYTES)
        report.check(
            self.row in [self.group[at : at + CHARGE_BYTES] for at in starts],
            "Charge: it is among the charges of its group.",
            "Charge: it was changed, or is not among the charges of its group.",
        )
        group = group_digest(self.division, _digest(self.group))
        charges = root_above(group, self.groups, self.levels)
        report.check(
            charges is not None and entry.is_made_of(charges),
            "Charge: the journal entry was made of these charges.",
            "Charge: the journal entry was not made of these charges.",
        )
        for one in events:
            is_its = one.get("kind") == USED and one.get("subject_id") == self.usage
            if is_its and body_of(one).get("revision") == self.revision:
                self.used = body_of(one)
        report.check(
            all(self.used.get(name) == self.counts[name] for name in REPORTED),
            f"Charge: it counts what the ledger says of the usage {self.usage}.",
            f"Charge: no event in this file reports this of its usage {self.usage}.",
        )
        self._check_price(report, events)

    def _check_price(self, report: Report, events: list[dict[str, Any]]) -> None:
        """Where the file has the rate, it must make the total."""
        found = [one for one in events if one.get("kind") == RATE_SET]
        if not found:
            report.not_checked.append("the price: it depends on more than this usage and its rate")
            return
        rate = body_of(found[0])
        counter, step = BASES.get(str(rate.get("basis")), (None, 0))
        price = str(rate.get("price_units"))
        quantity = self.counts[counter] if counter else 1
        report.check(
            step > 0
            and rate.get("rate") == self.rate
            and AMOUNT.fullmatch(price) is not None
            and quantity * int(price) // step == self.total,
            f"Charge: the rate {self.rate} makes this total.",
            f"Charge: the rate in this file does not make the total of {self.total}.",
        )


def body_of(event: dict[str, Any]) -> dict[str, Any]:
    """The body of an event; empty where it has none."""
    body = event.get("body")
    return body if isinstance(body, dict) else {}


def is_hash(value: Any, wanted: bytes) -> bool:
    """Whether a document's text is this hash; the ledger writes bytes without 0x."""
    return isinstance(value, str) and value.removeprefix("0x") == wanted.hex()


def chained(previous: bytes, number: int, parts: tuple[bytes, bytes, bytes]) -> bytes:
    """An entry's hash: from the one before it, and the digests of header, lines and charges."""
    return _digest(previous + int8(number) + b"".join(parts))


def lines_digest(lines: Iterable[tuple[int, int]]) -> bytes:
    """The digest of an entry's (account, units) lines."""
    return _digest(b"".join(int8(account) + int8(units) for account, units in sorted(lines)))


def _line(lines: Section, at: str) -> tuple[int, int]:
    pair = lines.items(at)
    if len(pair.value) != 2:
        raise NotAProof(f"{pair.where} must be [account, units]")
    return pair.integer("0"), pair.integer("1")


def _later(section: Section) -> tuple[bytes, bytes, bytes]:
    parts = (section.hash("header"), section.hash("lines"), section.hash("charges"))
    section.done()
    return parts


def _charge_bytes(charge: Section) -> bytes:
    """A charge as compensation_charge_bytes writes it."""
    try:
        usage = UUID(charge.text("usage")).bytes
    except ValueError:
        raise NotAProof(f"{charge.path('usage')} must be a UUID") from None
    numbers = ("account", "rate", "records", "tokens", "epochs", "fetches", "amount", "total",
               "running", "tallied")  # fmt: skip
    revision = charge.number("revision")
    if revision >= 2**31:
        raise NotAProof(f"{charge.path('revision')} must be a whole number of 32 bits")
    tail = b"".join(int8(charge.integer(name)) for name in numbers)
    return usage + revision.to_bytes(4, "big") + tail


def _digest(data: bytes) -> bytes:
    return sha256(data).digest()


def int8(value: int) -> bytes:
    """A number as PostgreSQL's int8send writes it."""
    return value.to_bytes(8, "big", signed=True)
