"""Proves an export of the whole journal, with nothing but the file: the hash chain and every sum.

An export is JSON lines; docs/journal.md lists their fields. First come the months, the accounts
with what they are said to hold, the holds and the divisions with what they are said to have
divided; then every entry, in order, and among them what the ledger's events say of those before;
then the end. Memory does not grow with the entries that are sealed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from tallymark.charge_tree import CHARGE, group_digest, root_of
from tallymark.journal import chained, lines_digest
from tallymark.lines import leaf_of

FORMAT: Final = "tallymark-journal/2"
# Before the ledger committed to lines: without salts, and without its events.
OLDER: Final = "tallymark-journal/1"
GENESIS: Final = sha256(b"tallymark journal").digest()
NO_CHARGES: Final = bytes(32)
# An entry's header has a line for each of these; one from before there were months lacks it.
HEADER: Final = ("kind", "asset", "effective", "posted", "key", "reverses", "matures", "month",
                 "facts")  # fmt: skip
# Account, amount and running total among the numbers of a charge.
_ACCOUNT, _AMOUNT, _RUNNING = 2, 8, 10
_INT8 = 2**63

Row = dict[str, Any]


class Chain:
    """The entries one after the other, from the hash that anybody can compute."""

    def __init__(self) -> None:
        self.number, self.head = 0, GENESIS

    def add(self, entry: Row) -> Iterator[str]:
        """What is wrong with the next entry as it stands, in words."""
        number, lines = int(entry["number"]), _lines(entry)
        if number != self.number + 1:
            yield f"entry {self.number + 1} is missing, {number} follows."
            return
        if bytes.fromhex(entry["previous_hash"]) != self.head:
            yield "it does not follow the entry before it."
        if sum(units for _, units in lines):
            yield "its lines do not add up to zero."
        if _charges(entry) != bytes.fromhex(entry["charges_digest"]):
            yield "its charges are not those that were hashed."
        parts = (
            sha256(entry["header"].encode()).digest(),
            lines_digest(lines),
            bytes.fromhex(entry["charges_digest"]),
        )
        if chained(self.head, number, parts) != bytes.fromhex(entry["hash"]):
            yield "its content was changed."
        yield from _unpaid(entry, dict(lines))
        self.number, self.head = number, bytes.fromhex(entry["hash"])


def chain_breaks(entries: Iterable[Row]) -> Iterator[str]:
    """What is wrong with a chain of entries, where it stands; ends at the first that is wrong."""
    chain = Chain()
    for entry in entries:
        wrong = [f"Entry {entry['number']}: {words}" for words in chain.add(entry)]
        yield from wrong
        if wrong:
            return


@dataclass
class Proof:
    """What an export was found to be; it is sound where nothing is wrong."""

    wrong: list[str] = field(default_factory=list)
    number: int = 0
    head: bytes = GENESIS
    # The last entry that the ledger is said to have sealed.
    sealed: int = 0
    closed: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether everything holds."""
        return not self.wrong


def prove(rows: Iterable[Row]) -> Proof:
    """Check an export from its first row to its last, as far as the first entry that is wrong."""
    books, proof = Books(), Proof()
    kind = "nothing"
    for line, row in enumerate(rows, start=1):
        try:
            kind = str(row["type"])
            proof.wrong += [f"Line {line}, {words}" for words in books.take(kind, row)]
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            proof.wrong.append(f"Line {line} cannot be read: {type(error).__name__} {error}.")
        if proof.wrong or kind == "end":
            break
    if not proof.wrong and kind != "end":
        proof.wrong.append("The export ends before its end.")
    if not proof.wrong:
        proof.wrong += books.sums_that_differ()
    proof.number, proof.head = books.chain.number, books.chain.head
    proof.sealed = books.sealed
    proof.closed = [name for name, month in books.months.items() if month["closed_at"] is not None]
    return proof


class Books:
    """What a proof keeps while it reads: accounts, months and divisions, and where they stand."""

    def __init__(self) -> None:
        self.chain = Chain()
        self.said: Row = {}
        self.months: dict[str, Row] = {}
        self.accounts: dict[int, Row] = {}
        self.holds: list[Row] = []
        self.moved: dict[int, int] = {}
        self.divided: dict[int, int] = {}
        self.divisions: dict[int, int] = {}
        # Of the entries that the ledger has not sealed so far, and up to where it has.
        self.leaves: list[bytes] = []
        self.sealed = 0

    def take(self, kind: str, row: Row) -> Iterator[str]:
        """Add one row; what is wrong with it, in words."""
        if not self.said and kind != "journal":
            yield "the journal is not named first."
        elif kind == "journal":
            self.said = row
            if row["format"] not in (FORMAT, OLDER):
                yield f"the format is {row['format']!r}, and {FORMAT} is what can be read."
        elif kind == "month":
            self.months[row["name"]] = row
        elif kind == "account":
            self.accounts[int(row["id"])] = row
        elif kind == "hold":
            self.holds.append(row)
        elif kind == "division":
            self.divisions[int(row["id"])] = int(row["total"])
        elif kind == "entry":
            yield from (f"entry {row['number']}: {words}" for words in self._entry(row))
        elif kind == "sealed":
            yield from self._sealed(row)
        elif kind == "end":
            yield from self._end()
        else:
            yield f"{kind!r} is no kind of row."

    def _entry(self, row: Row) -> Iterator[str]:
        wrong = list(self.chain.add(row))
        if wrong:
            yield from wrong
            return
        if self.said["format"] == FORMAT:
            number, salt = int(row["number"]), bytes.fromhex(row["salt"])
            self.leaves.append(leaf_of(number, self.chain.head, _lines(row), salt))
        header = _header(row)
        yield from self._moved(header["asset"], _lines(row))
        if header.get("month"):
            yield from self._month(int(row["number"]), header)
        yield from self._divided(row)

    def _moved(self, asset: str, lines: list[tuple[int, int]]) -> Iterator[str]:
        """Each line moves one account of the entry's asset, once."""
        if len({account for account, _ in lines}) != len(lines):
            yield "it has two lines of one account."
        for account, units in lines:
            if account not in self.accounts:
                yield f"account {account} is not in this export."
            elif self.accounts[account]["asset"] != asset:
                yield f"account {account} holds another asset."
            elif not units or abs(units) >= _INT8:
                yield f"{units} units are no amount."
            self.moved[account] = self.moved.get(account, 0) + units

    def _month(self, number: int, header: dict[str, str]) -> Iterator[str]:
        """An entry is of its own month, or of the one after the last that had closed by then."""
        month = self.months.get(header["month"])
        if month is None:
            yield f"its month {header['month']} is not in this export."
            return
        closed = [
            one
            for one in self.months.values()
            if one["last_number"] is not None and int(one["last_number"]) < number
        ]
        at = max([int(header["effective"]), *(int(one["ends_at"]) for one in closed)])
        if month in closed:
            yield f"it was posted to {header['month']} after that month had closed."
        elif not int(month["starts_at"]) <= at < int(month["ends_at"]):
            yield f"it was posted to {header['month']}, and belongs to another month."

    def _divided(self, row: Row) -> Iterator[str]:
        """The running total of each division grows by each of its charges."""
        for group in row["charges"]:
            division = int(group["weight_version"])
            total = self.divided.get(division, 0)
            for charge in CHARGE.iter_unpack(bytes.fromhex(group["rows"])):
                total += charge[_AMOUNT]
                if charge[_RUNNING] != total:
                    yield (
                        f"division {division} stands at {total} after a charge of it, not at"
                        f" {charge[_RUNNING]}."
                    )
                    return
            self.divided[division] = total

    def _sealed(self, row: Row) -> Iterator[str]:
        """What the ledger was told of the entries so far is what they are."""
        number, event = int(row["number"]), f"the event {row['event']} of the ledger"
        if (number, row["hash"]) != (self.chain.number, self.chain.head.hex()):
            yield f"{event} seals another entry {number}."
        elif row["entries"] is not None and row["entries"] != root_of(self.leaves).hex():
            yield f"{event} commits to other lines of the entries {self.sealed + 1} to {number}."
        self.leaves, self.sealed = [], number

    def _end(self) -> Iterator[str]:
        head = (self.chain.number, self.chain.head)
        if head != (int(self.said["number"]), bytes.fromhex(self.said["hash"])):
            yield f"the journal's head is entry {self.said['number']}, the last is {head[0]}."

    def sums_that_differ(self) -> Iterator[str]:
        """What accounts, holds and divisions are said to stand at, and do not, in words."""
        held = dict.fromkeys(self.accounts, 0)
        for hold in self.holds:
            account, left = int(hold["account"]), int(hold["remaining"])
            held[account] = held.get(account, 0) + left
            posted = sum(int(units) for _, units in hold["parts"])
            is_open = hold["state"] == "open"
            if posted + left > int(hold["amount"]) or (
                left != (int(hold["amount"]) - posted if is_open else 0)
            ):
                yield f"Hold {hold['id']}: what was posted of it and what is left do not fit it."
        for number, said in self.accounts.items():
            total = self.moved.get(number, 0)
            if total != int(said["posted"]):
                yield f"Account {number} holds {said['posted']}, its lines add up to {total}."
            if held[number] != int(said["held"]):
                yield (
                    f"Account {number} sets aside {said['held']}, its holds add up to"
                    f" {held[number]}."
                )
            floor = said["floor"]
            if floor is not None and total - held[number] < int(floor):
                yield f"Account {number} is under its floor of {floor}."
        for number in sorted({*self.divisions, *self.divided}):
            stated, total = self.divisions.get(number, 0), self.divided.get(number, 0)
            if stated != total:
                yield f"Division {number} divided {stated}, its charges add up to {total}."


def _lines(entry: Row) -> list[tuple[int, int]]:
    return [(int(account), int(units)) for account, units in entry["lines"]]


def _header(entry: Row) -> dict[str, str]:
    """The lines of a header by name. Raises ValueError where there are more or fewer."""
    lines = str(entry["header"]).split("\n")
    names = [name for name in HEADER if name != "month" or len(lines) == len(HEADER)]
    return dict(zip(names, lines, strict=True))


def _charges(entry: Row) -> bytes:
    """The digest of an entry's charges."""
    groups = sorted(entry["charges"], key=lambda one: int(one["weight_version"]))
    if not groups:
        return NO_CHARGES
    return root_of(
        [
            group_digest(int(one["weight_version"]), sha256(bytes.fromhex(one["rows"])).digest())
            for one in groups
        ]
    )


def _unpaid(entry: Row, moved: dict[int, int]) -> Iterator[str]:
    """Each lab's line must be what its charges add up to."""
    sums: dict[int, int] = {}
    for group in entry["charges"]:
        for charge in CHARGE.iter_unpack(bytes.fromhex(group["rows"])):
            account = charge[_ACCOUNT]
            sums[account] = sums.get(account, 0) + charge[_AMOUNT]
    for account, amount in sums.items():
        if moved.get(account, 0) != -amount:
            yield f"account {account} was charged {amount} and paid {-moved.get(account, 0)}."
