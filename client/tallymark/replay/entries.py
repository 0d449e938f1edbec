"""Walks the journal's entries in order: the chain, each line, each group, each leaf."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from tallymark import proofs
from tallymark.charge_tree import CHARGE, group_digest, root_above, root_of
from tallymark.journal import chained, lines_digest
from tallymark.replay.archive import MANIFEST, Archive, Difference, Row, same
from tallymark.replay.books import Books
from tallymark.replay.charges import CHARGES, Charges
from tallymark.replay.rules import in_tokens, share

ENTRIES, GROUPS, LEAVES = "entries.jsonl", "groups.jsonl", "leaves.jsonl"
# What a header says before its facts, one line each.
HEADER_FIELDS = ("kind", "asset", "effective", "posted", "key", "reverses", "matures", "period")


class Entries:
    """The entries of an export, and all that hangs on them; `walk` raises the first Difference."""

    def __init__(self, archive: Archive, books: Books, charges: Charges) -> None:
        self._archive, self._books, self._charges = archive, books, charges
        self._is_whole: bool = archive.manifest["is_whole"]
        self._groups = _Ahead(archive.rows(GROUPS))
        self._leaves = _Ahead(archive.rows(LEAVES))
        self._leaf_totals: dict[tuple[str, str], int] = {}
        self.count = self.line_count = self.leaf_count = 0

    def walk(self) -> None:
        """Check every entry and its lines, groups, charges and leaves. Raises Difference."""
        manifest = self._archive.manifest
        number, head = manifest["first_entry"], bytes.fromhex(manifest["previous_hash"])
        for line, row in self._archive.rows(ENTRIES):
            same(ENTRIES, line, "entry", number, row["entry"])
            header = self._header(line, row)
            head = self._chain(line, row, number, head)
            self._book(line, row, header)
            self.count, number = self.count + 1, number + 1
        same(MANIFEST, 1, "last_entry", number - 1, manifest["last_entry"])
        same(MANIFEST, 1, "hash", head.hex(), manifest["hash"])
        self._nothing_left()

    def _header(self, line: int, row: Row) -> Row:
        """What the entry says of itself; nothing where it moved nothing of this party."""
        if row["header"] is None:
            same(ENTRIES, line, "lines", [], row["lines"])
            return {}
        digest = sha256(row["header"].encode()).hexdigest()
        same(ENTRIES, line, "header_digest", digest, row["header_digest"])
        values = row["header"].split("\n", len(HEADER_FIELDS))
        return dict(zip(HEADER_FIELDS, values, strict=False))

    def _chain(self, line: int, row: Row, number: int, head: bytes) -> bytes:
        """The entry's hash, from the one before it and the digests of its parts."""
        if self._is_whole:
            lines = [(account, units) for account, units in row["lines"]]
            same(ENTRIES, line, "lines_digest", lines_digest(lines).hex(), row["lines_digest"])
            same(ENTRIES, line, "lines", 0, sum(units for _, units in lines))
        parts = [bytes.fromhex(row[f"{name}_digest"]) for name in ("header", "lines", "charges")]
        found = chained(head, number, (parts[0], parts[1], parts[2]))
        same(ENTRIES, line, "hash", found.hex(), row["hash"])
        return found

    def _book(self, line: int, row: Row, header: Row) -> None:
        """Add the lines to the accounts, once they are those that must be."""
        found = dict(row["lines"])
        expected = self._credited(row)
        if expected is not None or header.get("kind") == "usage":
            self._compare(line, found, expected or {})
        if header.get("kind") == "maturity":
            same(ENTRIES, line, "lines", 0, sum(found.values()))
        for account, units in found.items():
            held = self._books.accounts.get(account)
            if held is None or held.asset != header["asset"]:
                raise Difference(ENTRIES, line, "lines", "an account of the asset", account)
            held.add(units, header["period"])
        self.line_count += len(found)
        self._paid_out(line, row["entry"], found)

    def _compare(self, line: int, found: dict[int, int], expected: dict[int, int]) -> None:
        """A usage entry's lines are its shares and prices; rounding is what is left of them."""
        accounts = self._books.accounts
        for account in sorted({*found, *expected}):
            if account in accounts and accounts[account].kind != "rounding":
                same(ENTRIES, line, f"lines, account {account}", expected.get(account, 0),
                      found.get(account, 0))  # fmt: skip

    def _credited(self, row: Row) -> dict[int, int] | None:
        """What the entry's charges move on the export's accounts; None if it has no charges."""
        number, divisions = row["entry"], self._books.divisions
        moved: dict[int, int] = {}
        groups: dict[int, _Group] = {}
        for line, charge, amount in self._charges.of_entry(number):
            payer = charge["account"]
            moved[payer] = moved.get(payer, 0) - amount
            key = charge["weights"]
            if key is None:
                continue
            division = divisions[key]
            group = groups.get(key)
            if group is None:
                group = groups[key] = _Group(division.total)
            division.total += amount
            same(CHARGES, line, "running", division.total, charge["running"])
            group.add(charge)
        digests = []
        for key, group in sorted(groups.items()):
            division = divisions[key]
            digests.append(self._group(key, group, division.total, row))
            for account, weight in division.parts:
                part = share(group.before, division.total, weight, division.weight_sum)
                moved[account] = moved.get(account, 0) + part
        if self._is_whole and digests:
            root = root_of(digests).hex()
            same(ENTRIES, self.count + 1, "charges_digest", root, row["charges_digest"])
        return moved or None

    def _group(self, key: int, group: _Group, after: int, entry: Row) -> bytes:
        """The group of an entry and a division: its sums, its digest, its place in the entry's."""
        found = self._groups.take(lambda row: row["entry"] == entry["entry"])
        if found is None:
            raise Difference(GROUPS, self._groups.line + 1, "entry", entry["entry"], "no group")
        line, row = found
        digest = group.digest(key)
        expected = {"weights": key, "charges": group.count, "amount": after - group.before,
                    "total_after": after, "digest": digest.hex()}  # fmt: skip
        for name, value in expected.items():
            same(GROUPS, line, name, value, row[name])
        if not self._is_whole:
            levels = [[bytes.fromhex(one) for one in level] for level in row["path"]]
            root = root_above(digest, row["groups"], levels)
            same(GROUPS, line, "path", entry["charges_digest"], root.hex() if root else None)
        return digest

    def _paid_out(self, line: int, number: int, moved: dict[int, int]) -> None:
        """The leaves that an entry funded: what each added, its total, its place in the tree."""
        while True:
            found = self._leaves.take(lambda row: row["entry"] in (None, number))
            if found is None:
                return
            at, leaf = found
            if leaf["entry"] is not None:
                same(LEAVES, at, "added_units", moved.get(leaf["account"], 0), leaf["added_units"])
            self._leaf(at, leaf)

    def _leaf(self, at: int, leaf: Row) -> None:
        asset = self._books.assets[leaf["asset"]]
        key = (leaf["contract"], leaf["payee"])
        before = self._leaf_totals.get(key, int(leaf["before"]))
        same(LEAVES, at, "before", str(before), leaf["before"])
        added = in_tokens(leaf["added_units"], asset["scale"], asset["token_decimals"])
        same(LEAVES, at, "cumulative", str(before + added), leaf["cumulative"])
        self._leaf_totals[key] = before + added
        words = (bytes.fromhex(leaf["payee"]), proofs.word(leaf["address"]),
                 proofs.word(before + added))  # fmt: skip
        root = proofs.root_from(
            proofs.leaf(*words), [bytes.fromhex(step) for step in leaf["proof"]]
        )
        same(LEAVES, at, "root", root.hex(), leaf["root"])
        self.leaf_count += 1

    def _nothing_left(self) -> None:
        # What was charged nothing belongs to no entry and may come last.
        for _ in self._charges.of_entry(0):
            pass
        left = self._charges.next
        if left is not None:
            expected = "an entry of the export, in order"
            raise Difference(CHARGES, left.line, "entry", expected, left.row["entry"])
        for name, ahead in ((GROUPS, self._groups), (LEAVES, self._leaves)):
            if ahead.next is not None:
                line, row = ahead.next
                raise Difference(name, line, "entry", "an entry with charges", row["entry"])


class _Group:
    """The charges of one entry and division, hashed as they pass."""

    __slots__ = ("_hash", "before", "count")

    def __init__(self, before: int) -> None:
        self.before, self.count, self._hash = before, 0, sha256()

    def add(self, row: Row) -> None:
        """One more, in charge order."""
        self.count += 1
        counts = row["records"], row["tokens"], row["epochs"], row["fetches"]
        units = row["amount"], row["total"], row["running"], row["tally_quantity"] or 0
        usage = bytes.fromhex(row["usage"].replace("-", ""))
        names = usage, row["revision"], row["account"], row["rate"] or 0
        self._hash.update(CHARGE.pack(*names, *counts, *units))

    def digest(self, division: int) -> bytes:
        """What the service hashed of it."""
        return group_digest(division, self._hash.digest())


class _Ahead:
    """Rows that are looked at before they are taken."""

    def __init__(self, rows: Iterator[tuple[int, Row]]) -> None:
        self._rows = rows
        self.next = next(rows, None)
        self.line = 0

    def take(self, fits: Any) -> tuple[int, Row] | None:
        """The next row, if it fits."""
        found = self.next
        if found is None or not fits(found[1]):
            return None
        self.line, self.next = found[0], next(self._rows, None)
        return found
