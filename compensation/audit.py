"""Writes entries down as documents that prove themselves: all that their hashes commit to.

`tallymark.audit` recomputes the chain from documents, which come from the database or from an
export, so that an auditor needs neither our database nor our word.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from django.db.models import Prefetch
from tallymark.audit import GENESIS, chain_breaks
from tallymark.journal import lines_digest

from compensation import charge_tree
from compensation.models import Charge, Entry, JournalHead, Line

__all__ = [
    "GENESIS",
    "chain_breaks",
    "charge_row",
    "document_of",
    "documents",
    "head_break",
    "header_digest",
    "header_of",
    "lines_digest",
    "micros",
]

BATCH = 500
BATCH_CHARGES = 20_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def header_of(entry: Entry) -> str:
    """An entry's header as it was hashed; see compensation/sql/journal.sql."""
    parts = [
        entry.kind,
        entry.asset.code,
        micros(entry.effective_at),
        micros(entry.posted_at),
        entry.idempotency_key,
        str(entry.reverses_id or ""),
        micros(entry.matures_at),
        # Entries that are older than periods have no such line.
        *([entry.period_id] if entry.period_id else []),
        entry.facts_text,
    ]
    return "\n".join(parts)


def header_digest(entry: Entry) -> bytes:
    """The digest of an entry's header."""
    return sha256(header_of(entry).encode()).digest()


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
    """Every entry from a number on, in order; memory holds a few, or one with many charges."""
    while numbers := _next_numbers(from_number):
        batch = (
            Entry.objects.filter(pk__in=numbers)
            .select_related("asset")
            .prefetch_related(
                Prefetch("lines", Line.objects.only("entry", "account", "amount_units")), "charges"
            )
            .order_by("pk")
        )
        yield from map(document_of, batch)
        from_number = numbers[-1] + 1


def _next_numbers(from_number: int) -> list[int]:
    """The next entries, as many as are read at once."""
    rows = Entry.objects.filter(pk__gte=from_number).order_by("pk")
    numbers: list[int] = []
    charges = 0
    for number, count in rows.values_list("pk", "charge_count")[:BATCH]:
        charges += count
        if numbers and charges > BATCH_CHARGES:
            break
        numbers.append(number)
    return numbers


def head_break() -> str | None:
    """Whether the head of the journal is the last entry's hash; None if it is."""
    head, last = JournalHead.objects.get(), Entry.objects.order_by("pk").last()
    found = (last.pk, bytes(last.hash)) if last else (0, GENESIS)
    if found != (head.number, bytes(head.hash)):
        return f"The journal's head is entry {head.number}, the last entry is {found[0]}."
    return None


def micros(moment: datetime | None) -> str:
    """A moment as it is hashed: whole microseconds since 1970; empty for none."""
    if moment is None:
        return ""
    past = moment - EPOCH
    return str((past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds)


def _hex(value: bytes | memoryview) -> str:
    return bytes(value).hex()
