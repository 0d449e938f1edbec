"""Makes an export: the long file first, then what it refers to, then the manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Prefetch

from compensation import audit, charge_tree
from compensation.exports import queries
from compensation.exports.archive import ExportWriter
from compensation.exports.scope import Scope
from compensation.models import Entry, Line
from provenance.ledger import moment

FETCH_ROWS: Final = 5_000
ENTRY_ROWS: Final = 500


def export(scope: Scope) -> Iterator[bytes]:
    """The zip, part by part, while it is made; memory does not grow with the stretch.

    The journal is only ever added to, so that a stretch reads the same while others go on.
    """
    writer, given = ExportWriter(scope.made_at), _given(scope)
    with transaction.atomic():
        used = _Used()
        yield from writer.file("charges.jsonl", used.noted(queries.CHARGES, given))
        given |= used.given(scope)
        for name, query in (
            ("weights.jsonl", queries.WEIGHTS),
            ("accounts.jsonl", queries.ACCOUNTS),
            ("assets.jsonl", queries.ASSETS),
            ("rates.jsonl", queries.RATES),
            ("plans.jsonl", queries.PLANS),
            ("versions.jsonl", queries.VERSIONS),
            ("tallies.jsonl", queries.TALLIES),
            ("leaves.jsonl", queries.LEAVES),
        ):
            yield from writer.file(name, (row[0] for row in _rows(query, given)))
        yield from writer.file("groups.jsonl", _groups(scope, given))
        yield from writer.file("entries.jsonl", _entries(scope))
    yield from writer.end(_facts(scope))


class _Used:
    """What the charges refer to, noted while they pass."""

    def __init__(self) -> None:
        self._ids: tuple[set[Any], ...] = (set(), set(), set(), set())

    def noted(self, query: str, given: dict[str, Any]) -> Iterator[str]:
        for text, *references in _rows(query, given):
            for ids, reference in zip(self._ids, references, strict=True):
                ids.add(reference)
            yield text

    def given(self, scope: Scope) -> dict[str, Any]:
        """The references, as parameters of the other queries."""
        rates, versions, weights, tallies = (sorted(ids - {None}) for ids in self._ids)
        found = {
            "tallies": tallies, "first_period": scope.first.name, "last_period": scope.last.name,
        }  # fmt: skip
        old = [row[0] for row in _rows(queries.OLD_TALLIES, found)]
        return {
            "rates": rates, "versions": versions, "used_weights": weights, "tallies": tallies,
            "old_tallies": old,
        }  # fmt: skip


def _given(scope: Scope) -> dict[str, Any]:
    return {
        "whole": scope.is_whole,
        "party": scope.party.pk if scope.party else None,
        "accounts": list(scope.account_ids),
        "labs": list(scope.lab_account_ids),
        "weights": list(scope.weight_version_ids),
        "first_entry": scope.first_entry,
        "last_entry": scope.last_entry,
        "after_charge": scope.after_charge,
        "last_charge": scope.last_charge,
    }


def _rows(query: str, given: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(query, given)
        while rows := cursor.fetchmany(FETCH_ROWS):
            yield from rows


def _groups(scope: Scope, given: dict[str, Any]) -> Iterator[str]:
    """The groups that the party has a part in, each with its way to the entry's digest."""
    for _, found in groupby(_rows(queries.GROUPS, given), key=itemgetter(0)):
        rows = list(found)
        digests = [] if scope.is_whole else [bytes(row[5]) for row in rows]
        for place, (entry, weights, charges, amount, after, digest, is_shown) in enumerate(rows):
            if not is_shown:
                continue
            shown = {
                "entry": entry, "weights": weights, "charges": charges, "amount": amount,
                "total_after": after, "digest": bytes(digest).hex(), "groups": len(rows),
            }  # fmt: skip
            if not scope.is_whole:
                levels = charge_tree.path(digests, place)
                shown["path"] = [[one.hex() for one in level] for level in levels]
            yield _text(shown)


def _entries(scope: Scope) -> Iterator[str]:
    """Every entry of the stretch: its own lines for whoever moved in it, else only digests."""
    own, number = set(scope.account_ids), scope.first_entry
    while number <= scope.last_entry:
        batch = (
            Entry.objects.filter(pk__gte=number, pk__lt=number + ENTRY_ROWS)
            .filter(pk__lte=scope.last_entry)
            .select_related("asset")
            .prefetch_related(
                Prefetch("lines", Line.objects.only("entry", "account", "amount_units"))
            )
        )
        for entry in batch.order_by("pk"):
            yield _entry(entry, own)
        number += ENTRY_ROWS


def _entry(entry: Entry, own: set[int]) -> str:
    lines = sorted((line.account_id, line.amount_units) for line in entry.lines.all())
    shown = [line for line in lines if line[0] in own]
    row = {
        "entry": entry.pk,
        "header": audit.header_of(entry) if shown else None,
        "header_digest": audit.header_digest(entry).hex(),
        "lines": shown,
        "lines_digest": audit.lines_digest(lines).hex(),
        "charges_digest": bytes(entry.charges_digest).hex(),
        "hash": bytes(entry.hash).hex(),
    }
    return _text(row)


def _text(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _facts(scope: Scope) -> dict[str, Any]:
    party = scope.party
    return {
        "is_whole": scope.is_whole,
        "party": str(party.pk) if party else None,
        "party_name": party.name if party else None,
        "first_period": scope.first.name,
        "last_period": scope.last.name,
        "made_at": moment(scope.made_at),
        "first_entry": scope.first_entry,
        "last_entry": scope.last_entry,
        "previous_hash": scope.previous_hash.hex(),
        "hash": scope.hash.hex(),
    }
