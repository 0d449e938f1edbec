"""How the ledger commits to the lines of journal entries, so that a payee is shown its own alone.

The event `journal.sealed` holds one root, `entries`, over the entries that it seals anew::

    salt of an entry = sha256(salt of the journal || int8 number)
    salt of a line   = sha256(salt of the entry || int8 account)
    leaf of a line   = sha256(3 || int8 number || int8 account || int8 units || salt of the line)
    leaf of an entry = sha256(4 || int8 number || hash of the entry || root of its lines)

Roots are those of `charge_tree`: lines by account, entries by number. The salts keep others'
amounts from being guessed; who knows that of one line learns none of the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

from tallymark.charge_tree import root_above, root_of
from tallymark.journal import JOURNAL_SEALED, body_of, int8, is_hash
from tallymark.proofs import Section
from tallymark.report import Report

CHARGED: Final = "usage.charged"
# Charges that come to nothing move nothing: the root of such an entry's lines.
NO_LINES: Final = bytes(32)


def entry_salt(journal_salt: bytes, number: int) -> bytes:
    """The salt of an entry, from the journal's; 32 bytes."""
    return sha256(journal_salt + int8(number)).digest()


def line_salt(salt: bytes, account: int) -> bytes:
    """The salt of an entry's line in an account, from the entry's; 32 bytes."""
    return sha256(salt + int8(account)).digest()


def line_leaf(number: int, account: int, units: int, salt: bytes) -> bytes:
    """The leaf of one line of the entry `number`, by the line's own salt; 32 bytes."""
    return sha256(b"\3" + int8(number) + int8(account) + int8(units) + salt).digest()


def line_leaves(number: int, lines: Iterable[tuple[int, int]], salt: bytes) -> list[bytes]:
    """The leaves of an entry's (account, units) lines, in that order, by the entry's salt."""
    return [line_leaf(number, account, units, line_salt(salt, account)) for account, units in lines]


def entry_leaf(number: int, entry_hash: bytes, lines_root: bytes) -> bytes:
    """The leaf of an entry under the root that the ledger holds; 32 bytes."""
    return sha256(b"\4" + int8(number) + entry_hash + lines_root).digest()


def leaf_of(number: int, entry_hash: bytes, lines: Iterable[tuple[int, int]], salt: bytes) -> bytes:
    """The leaf of an entry from all its lines and its salt; 32 bytes."""
    leaves = line_leaves(number, sorted(lines), salt)
    return entry_leaf(number, entry_hash, root_of(leaves) if leaves else NO_LINES)


class OwnLine:
    """The `entry` section of a payment proof that shows the payee's line and no other."""

    def __init__(self, entry: Section) -> None:
        self.number, self.hash = entry.number("number", least=1), entry.hash("hash")
        self._lines_root = entry.hash("lines_root")
        self._entries, self._levels = _path(entry, "entries")
        line = entry.section("line")
        self._account, self._units = line.integer("account"), line.integer("units")
        self._salt = line.hash("salt")
        self._lines, self._line_levels = _path(line, "lines")
        line.done()
        entry.done()
        self._charged: list[Any] = []

    @property
    def accounts(self) -> set[int]:
        """The accounts that it is known to have lines in: one."""
        return {self._account}

    def check(self, report: Report, events: list[dict[str, Any]]) -> None:
        """The line must be one of the entry's, and the entry in the journal that is sealed."""
        leaf = line_leaf(self.number, self._account, self._units, self._salt)
        report.check(
            root_above(leaf, self._lines, self._line_levels) == self._lines_root,
            f"Journal entry {self.number}: the payee's line is one of its lines.",
            f"Journal entry {self.number}: account, units or salt are not of one of its lines.",
        )
        sealed = root_above(
            entry_leaf(self.number, self.hash, self._lines_root), self._entries, self._levels
        )
        roots = [body_of(one).get("entries") for one in events if one.get("kind") == JOURNAL_SEALED]
        report.check(
            sealed is not None and any(is_hash(one, sealed) for one in roots),
            f"Journal entry {self.number}: the ledger sealed it with these lines.",
            f"Journal entry {self.number}: no `{JOURNAL_SEALED}` event in this file seals it with "
            "this hash and these lines.",
        )
        report.facts.append(
            f"Journal entry {self.number}: it moved {self._units} units on the payee's account."
        )
        self._charged = [
            body["digest"]
            for body in map(body_of, (one for one in events if one.get("kind") == CHARGED))
            if body.get("entry") == self.number
            and is_hash(body.get("entry_hash"), self.hash)
            and "digest" in body
        ]

    def is_made_of(self, charges: bytes) -> bool:
        """Whether an event that `check` was shown says that the entry booked these charges."""
        return any(is_hash(digest, charges) for digest in self._charged)


def _path(section: Section, count: str) -> tuple[int, list[list[bytes]]]:
    """How many leaves a tree has, and the nodes above one of them."""
    path = section.items("path")
    return section.number(count, least=1), [path.hashes(at) for at in path.value]
