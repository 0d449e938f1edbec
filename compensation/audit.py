"""Proves the journal from its rows alone: the hash chain, and every sum that must hold.

The chain is recomputed here in Python from documents, which come from the database or from an
export, so that an auditor needs neither our database nor our word.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from django.db.models import Prefetch

from compensation import charge_tree
from compensation.models import Charge, Entry, JournalHead, Line

GENESIS = sha256(b"tallymark journal").digest()
BATCH = 500
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def header_of(entry: Entry) -> str:
    """An entry's header as it was hashed; see compensation/sql/journal.sql."""
    parts = [
        entry.kind,
        entry.asset.code,
        _micros(entry.effective_at),
        _micros(entry.posted_at),
        entry.idempotency_key,
        str(entry.reverses_id or ""),
        _micros(entry.matures_at),
        # Entries that are older than periods have no such line.
        *([entry.period_id] if entry.period_id else []),
        entry.facts_text,
    ]
    return "\n".join(parts)


def header_digest(entry: Entry) -> bytes:
    """The digest of an entry's header."""
    return sha256(header_of(entry).encode()).digest()


def lines_digest(lines: Iterable[tuple[int, int]]) -> bytes:
    """The digest of an entry's (account, units) lines."""
    return sha256(b"".join(struct.pack(">qq", *line) for line in sorted(lines))).digest()


def entry_hash(
    previous: bytes, number: int, header: bytes, lines: bytes, charges_digest: bytes
) -> bytes:
    """An entry's hash from the one before it and the digests of its parts."""
    return sha256(previous + number.to_bytes(8, "big") + header + lines + charges_digest).digest()


def charge_row(charge: Charge) -> charge_tree.Row:
    """One charge as it enters the digest of its group."""
    return charge_tree.Row.of(
        charge.usage_id,
        charge.revision,
        charge.account_id,
        charge.rate_id,
        charge.record_count,
        charge.token_count,
        charge.epoch_count,
        charge.fetch_count,
        charge.amount_units,
        charge.total_units,
        charge.running_units,
        charge.tally_quantity,
    )


def document_of(entry: Entry) -> dict[str, Any]:
    """All that an entry's hash commits to, as JSON: header, lines, and its charges in groups."""
    groups: dict[int, list[bytes]] = {}
    for charge in sorted(entry.charges.all(), key=lambda one: one.pk):
        assert charge.weight_version_id is not None
        groups.setdefault(charge.weight_version_id, []).append(charge_row(charge).packed())
    return {
        "number": entry.pk,
        "previous_hash": _hex(entry.previous_hash),
        "header": header_of(entry),
        "lines": sorted([line.account_id, line.amount_units] for line in entry.lines.all()),
        "charges": [
            {"weight_version": weights, "rows": _hex(b"".join(rows))}
            for weights, rows in sorted(groups.items())
        ],
        "charges_digest": _hex(entry.charges_digest),
        "hash": _hex(entry.hash),
    }


def documents(from_number: int = 1) -> Iterator[dict[str, Any]]:
    """Every entry from a number on, in order; memory holds a batch."""
    while True:
        batch = list(
            Entry.objects.filter(pk__gte=from_number)
            .select_related("asset")
            .prefetch_related(
                Prefetch("lines", Line.objects.only("entry", "account", "amount_units")), "charges"
            )
            .order_by("pk")[:BATCH]
        )
        yield from map(document_of, batch)
        if len(batch) < BATCH:
            return
        from_number = batch[-1].pk + 1


def chain_breaks(entries: Iterable[dict[str, Any]]) -> Iterator[str]:
    """What is wrong with a chain of documents, in words, where it stands; ends at the first break.

    Last comes the head that the entries lead to: compare it with the one that was anchored.
    """
    head, expected = GENESIS, 1
    for entry in entries:
        number = int(entry["number"])
        if number != expected:
            yield f"Entry {expected} is missing: {number} follows."
            return
        wrong = list(_wrong_with(entry, head))
        if wrong:
            yield from (f"Entry {number}: {words}" for words in wrong)
            return
        head, expected = bytes.fromhex(entry["hash"]), expected + 1


def head_break() -> str | None:
    """Whether the head of the journal is the last entry's hash; None if it is."""
    head, last = JournalHead.objects.get(), Entry.objects.order_by("pk").last()
    found = (last.pk, bytes(last.hash)) if last else (0, GENESIS)
    if found != (head.number, bytes(head.hash)):
        return f"The journal's head is entry {head.number}, the last entry is {found[0]}."
    return None


def _wrong_with(entry: dict[str, Any], head: bytes) -> Iterator[str]:
    if bytes.fromhex(entry["previous_hash"]) != head:
        yield "it does not follow the entry before it."
    lines = [(int(account), int(units)) for account, units in entry["lines"]]
    if sum(units for _, units in lines):
        yield "its lines do not add up to zero."
    groups = [
        charge_tree.group_digest(one["weight_version"], bytes.fromhex(one["rows"]))
        for one in sorted(entry["charges"], key=lambda one: int(one["weight_version"]))
    ]
    charges_digest = charge_tree.charges_digest(groups) if groups else charge_tree.NO_CHARGES
    if charges_digest != bytes.fromhex(entry["charges_digest"]):
        yield "its charges are not those that were hashed."
    actual = entry_hash(
        bytes.fromhex(entry["previous_hash"]),
        int(entry["number"]),
        sha256(entry["header"].encode()).digest(),
        lines_digest(lines),
        bytes.fromhex(entry["charges_digest"]),
    )
    if actual != bytes.fromhex(entry["hash"]):
        yield "its content was changed."
    if groups:
        yield from _unpaid(entry, lines)


def _unpaid(entry: dict[str, Any], lines: list[tuple[int, int]]) -> Iterator[str]:
    """Each lab's line must be what its charges add up to."""
    sums: dict[int, int] = {}
    for group in entry["charges"]:
        for row in charge_tree.rows_of(bytes.fromhex(group["rows"])):
            sums[row.account] = sums.get(row.account, 0) + row.amount
    moved = dict(lines)
    for account, amount in sums.items():
        if moved.get(account, 0) != -amount:
            yield f"account {account} was charged {amount} and paid {-moved.get(account, 0)}."


def _micros(moment: datetime | None) -> str:
    if moment is None:
        return ""
    past = moment - EPOCH
    return str((past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds)


def _hex(value: bytes | memoryview) -> str:
    return bytes(value).hex()
