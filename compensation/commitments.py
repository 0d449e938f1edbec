"""What the ledger commits to of entries: their lines, and the weights behind them, as Merkle roots.

A payee is shown its own leaf and the way to the root. Salts keep what others earned from being
guessed: those of weights are made of the payee's own (the platform's part is public and has none),
those of lines of the journal's, as `tallymark.lines` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from tallymark.charge_tree import root_of as tree_root
from tallymark.lines import entry_leaf, entry_salt, leaf_of, line_leaves, line_salt

from compensation import charge_tree
from compensation.models import ChargeGroup, Entry, JournalHead, Line, Weight
from provenance import merkle
from provenance.models import Event

TYPES = ("uint256", "uint256", "uint256", "uint256", "bytes32")
SEALED = "journal.sealed"
NO_SALT = bytes(32)
Leaf = tuple[int, int, int, int, bytes]


def sealing_of(entry: Entry) -> tuple[Event, int] | None:
    """The first event that covers an entry, and the first entry that it covers; None before it."""
    # By number: older events may have overtaken each other.
    sealed = Event.objects.filter(kind=SEALED).order_by("body__number", "id")
    found = sealed.filter(body__number__gte=entry.pk).first()
    if found is None:
        return None
    before = sealed.filter(body__number__lt=entry.pk).last()
    return found, int(before.body["number"]) + 1 if before else 1


def root_of(entry: Entry) -> bytes:
    """The root over all weights by which an entry's charges were divided: 32 bytes."""
    return merkle.Tree.of(TYPES, _leaves(entry)).root


def proof_of(entry: Entry, weight: Weight) -> tuple[Leaf, list[bytes]]:
    """The leaf of one weight, and its siblings up to `root_of(entry)`."""
    leaves = _leaves(entry)
    key = (weight.weight_version_id, weight.account_id)
    place = [leaf[:2] for leaf in leaves].index(key)
    return leaves[place], merkle.Tree.of(TYPES, leaves).proof(place)


def _leaves(entry: Entry) -> list[Leaf]:
    groups = ChargeGroup.objects.filter(entry=entry).values("weight_version")
    weights = Weight.objects.filter(weight_version__in=groups).order_by("weight_version", "account")
    columns = ("weight_version_id", "account_id", "weight", "weight_version__weight_sum")
    rows = weights.values_list(*columns, "account__party__salt")
    return [
        (version, account, int(weight), int(whole), _salt(salt, version))
        for version, account, weight, whole, salt in rows
    ]


def _salt(salt: bytes | memoryview | None, version: int) -> bytes:
    if salt is None:
        return NO_SALT
    return merkle.keccak(bytes(salt) + b"weight" + version.to_bytes(8, "big"))


class OwnLine(NamedTuple):
    """One line of an entry, and the ways to the root of its lines and to that of the entries."""

    units: int
    salt: bytes
    line_count: int
    line_path: list[list[bytes]]
    lines_root: bytes
    entry_count: int
    entry_path: list[list[bytes]]


def entries_root(first: int, last: int) -> bytes:
    """The root over the entries `first` to `last` (one at least) with all their lines: 32 bytes."""
    return tree_root(_entry_leaves(first, last))


def own_line(entry: Entry, account_id: int, first: int, last: int) -> OwnLine:
    """The entry's line in an account, under `entries_root(first, last)`; there must be one."""
    ((_, lines),) = _lines(entry.pk, entry.pk)
    salt = entry_salt(_journal_salt(), entry.pk)
    leaves = line_leaves(entry.pk, lines, salt)
    place = [account for account, _ in lines].index(account_id)
    entries = _entry_leaves(first, last)
    lines_root = tree_root(leaves)
    at = entries.index(entry_leaf(entry.pk, bytes(entry.hash), lines_root))
    return OwnLine(
        units=lines[place][1],
        salt=line_salt(salt, account_id),
        line_count=len(leaves),
        line_path=charge_tree.path(leaves, place),
        lines_root=lines_root,
        entry_count=len(entries),
        entry_path=charge_tree.path(entries, at),
    )


def _entry_leaves(first: int, last: int) -> list[bytes]:
    """The leaves of entries, by number."""
    salt = _journal_salt()
    found = Entry.objects.filter(pk__gte=first, pk__lte=last).values_list("pk", "hash")
    hashes = {number: bytes(value) for number, value in found}
    lines = dict(_lines(first, last))
    return [
        leaf_of(number, hashes[number], lines.get(number, ()), entry_salt(salt, number))
        for number in sorted(hashes)
    ]


def _lines(first: int, last: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """The (account, units) lines of each entry, by account, entry by entry."""
    lines = Line.objects.filter(entry__gte=first, entry__lte=last).order_by("entry", "account")
    rows = lines.values_list("entry_id", "account_id", "amount_units").iterator()
    for number, of_entry in groupby(rows, key=itemgetter(0)):
        yield number, [(account, units) for _, account, units in of_entry]


def _journal_salt() -> bytes:
    return bytes(JournalHead.objects.get().salt)
