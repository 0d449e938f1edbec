"""Replays a whole export and says what came of it, in words."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from tallymark.replay.archive import Archive, Difference
from tallymark.replay.books import Books
from tallymark.replay.charges import Charges
from tallymark.replay.entries import Entries


@dataclass
class Outcome:
    """What a replay found: nothing, or the first difference and the files that were changed."""

    difference: Difference | None = None
    wrong_files: list[Difference] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether everything came out as the export says, and no file was changed."""
        return self.difference is None and not self.wrong_files

    @property
    def first(self) -> Difference | None:
        """What to look at first: where the sums part, else a file that is not what was exported."""
        return self.difference or (self.wrong_files[0] if self.wrong_files else None)


def replay(path: Path) -> Outcome:
    """Recompute the export at `path`. Raises NotAnExport, or OSError if it cannot be read."""
    outcome = Outcome()
    with Archive(path) as archive:
        try:
            _walk(archive, outcome)
        except Difference as difference:
            outcome.difference = difference
        except (KeyError, IndexError, TypeError, ValueError, OverflowError, struct.error) as error:
            # A row that lacks a field, or holds text for a number: the files say which line.
            file, line = archive.place
            words = f"{type(error).__name__}: {error}"
            outcome.difference = Difference(file, line, "line", "the fields of the format", words)
        outcome.wrong_files = archive.wrong_files()
    return outcome


def _walk(archive: Archive, outcome: Outcome) -> None:
    books = Books(archive)
    charges = Charges(archive, books)
    entries = Entries(archive, books, charges)
    entries.walk()
    books.check_closed()
    outcome.counts = {
        "charges": charges.count,
        "entries": entries.count,
        "lines": entries.line_count,
        "leaves": entries.leaf_count,
        "accounts": len(books.accounts),
    }
    _say(archive, charges, outcome)


def _say(archive: Archive, charges: Charges, outcome: Outcome) -> None:
    manifest = archive.manifest
    whose = "the whole journal" if manifest["is_whole"] else manifest["party_name"]
    outcome.facts.append(
        f"The export is of {whose}, {manifest['first_period']} to {manifest['last_period']}."
    )
    outcome.facts.append(
        f"Entry {manifest['last_entry']} of the journal has the hash {manifest['hash']}."
    )
    outcome.not_checked.append(
        "whether that hash is the one that was anchored: compare it with the event "
        "`journal.sealed`, whose proof `tallymark verify` checks"
    )
    if charges.unsigned:
        outcome.not_checked.append(
            f"who reported: {charges.unsigned} reports carry no signature of the lab"
        )
    if charges.count > charges.unsigned:
        outcome.not_checked.append(
            "the signatures of the other reports: the export has what the ledger commits to, a "
            "payment proof has the receipts themselves"
        )
    if charges.shared_out:
        outcome.not_checked.append(
            f"how {charges.shared_out} charges were shared out of subscriptions, minimums or "
            "reported revenue: their amounts are taken as they stand"
        )
