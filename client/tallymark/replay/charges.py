"""Recomputes each charge from what was reported and at what rate, in charge order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tallymark.replay.archive import Archive, Difference, Row, same
from tallymark.replay.books import Books, Use, counts_of
from tallymark.replay.rules import TOKENS, Rate, tokens_used

CHARGES = "charges.jsonl"
# What is shared out from a sum of its own rather than priced by a count.
SHARED_OUT = frozenset({"subscription", "revenue", "minimum"})
FREE = frozenset({"free", "ungranted", "unknown"})


class Charged(NamedTuple):
    """A charge that was found right: what it moves, and where its row stands."""

    line: int
    row: Row
    amount: int


class Charges:
    """The charges of an export beside the reports that they price, each checked as it is read."""

    def __init__(self, archive: Archive, books: Books) -> None:
        self._books = books
        self.count = self.shared_out = self.unsigned = 0
        # By entry: (tally, its quantity after a charge, what the charge added, the line).
        self._counted: dict[int, list[tuple[int, int, int, int]]] = {}
        self._checked = self._walk(archive)
        self.next: Charged | None = next(self._checked, None)

    def of_entry(self, number: int) -> Iterator[Charged]:
        """The charges of one journal entry; what was charged nothing may stand between them."""
        while self.next is not None and self.next.row["entry"] in (None, number):
            found = self.next
            self.next = next(self._checked, None)
            if found.row["entry"] is not None:
                yield found
        self._settle(number)

    def _walk(self, archive: Archive) -> Iterator[Charged]:
        for line, row in archive.rows(CHARGES):
            self.count += 1
            self.unsigned += row["report"]["signature"] is None
            yield Charged(line, row, self._check(line, row))

    def _check(self, line: int, row: Row) -> int:
        """The amount of a charge; raises Difference where it is not what the rules say."""
        books, usage = self._books, row["usage"]
        use = books.uses.pop(usage, None)
        if use is None:
            use = Use.of(row["before"])
        elif row["before"] is not None:
            raise Difference(CHARGES, line, "before", None, row["before"])
        if row["revision"] <= use.revision:
            raise Difference(
                CHARGES, line, "revision", f"more than {use.revision}", row["revision"]
            )
        self._check_counts(line, row)
        amount = self._amount(line, row, use)
        same(CHARGES, line, "amount", amount, row["amount"])
        use.total += amount
        same(CHARGES, line, "total", use.total, row["total"])
        use.revision, use.counts = row["revision"], counts_of(row)
        if row["more"]:
            books.uses[usage] = use
        return amount

    def _check_counts(self, line: int, row: Row) -> None:
        """What is priced is what was reported, its tokens by the sealed version's own counter."""
        report = row["report"]
        same(CHARGES, line, "report.revision", row["revision"], report["revision"])
        expected = counts_of(report)
        if report["version"] is not None:
            sealed = self._books.versions[report["version"]]
            tokens = tokens_used(expected[0], expected[TOKENS], *sealed)
            expected = (expected[0], tokens, *expected[2:])
        found = counts_of(row)
        if found != expected:
            names = ("records", "tokens", "epochs", "fetches")
            at = next(at for at in range(4) if found[at] != expected[at])
            raise Difference(CHARGES, line, names[at], expected[at], found[at])

    def _amount(self, line: int, row: Row, use: Use) -> int:
        kind, rate = row["kind"], self._books.rates.get(row["rate"])
        if rate is not None and rate.plan is not None:
            amount = self._by_plan(line, row, use, rate)
            use.turned_to(row["rate"])
            return amount
        use.turned_to(row["rate"])
        if kind in FREE:
            return 0
        if kind in SHARED_OUT:
            self.shared_out += 1
            return int(row["amount"])
        if rate is None:
            raise Difference(CHARGES, line, "rate", "a rate of rates.jsonl", row["rate"])
        grown = tuple(now - base for now, base in zip(counts_of(row), use.base_counts, strict=True))
        # Flat is owed once; what the rate before it cost stays owed.
        quantity = rate.quantity(grown)  # type: ignore[arg-type]
        return max(0, use.base_total + rate.cost(quantity) - use.total)

    def _by_plan(self, line: int, row: Row, last: Use, rate: Rate) -> int:
        """By the lab's count of the month under the owner's plan."""
        tally, after = self._books.tallies[row["tally"]], row["tally_quantity"]
        assert rate.plan is not None
        same(CHARGES, line, "rate", tally.plan, rate.plan_id)
        is_first = not last.revision or (rate.counter is None and last.rate != row["rate"])
        before = 0 if is_first else rate.quantity(last.counts)
        grown = max(0, rate.quantity(counts_of(row)) - before)
        self._counted.setdefault(row["entry"], []).append((row["tally"], after, grown, line))
        amount = rate.plan.cost(after, rate.step) - rate.plan.cost(after - grown, rate.step)
        tally.units += amount
        return amount

    def _settle(self, number: int) -> None:
        """Follow each tally through an entry: every charge takes it on from the one before.

        Charges of an entry lie by division; a tally was counted through all of them.
        """
        for key, after, grown, line in sorted(self._counted.pop(number, [])):
            tally = self._books.tallies[key]
            if tally.is_whole:
                same(CHARGES, line, "tally_quantity", tally.quantity + grown, after)
            tally.quantity = max(tally.quantity, after)
