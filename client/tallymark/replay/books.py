"""What a replay keeps while it walks: what each account, division, tally and open use stands at.

None of it grows with the number of usages: a use is forgotten after its last charge.
"""

from __future__ import annotations

from tallymark.replay.archive import Archive, Difference, Row, same
from tallymark.replay.rules import Counts, Plan, Rate

WEIGHTS = "weights.jsonl"
NO_COUNTS: Counts = (0, 0, 0, 0)


class Use:
    """One usage as its last charge left it."""

    __slots__ = ("base_counts", "base_total", "counts", "rate", "revision", "total")

    def __init__(
        self, revision: int = 0, rate: int | None = None, counts: Counts = NO_COUNTS,
        total: int = 0, base_counts: Counts = NO_COUNTS, base_total: int = 0,
    ) -> None:  # fmt: skip
        self.revision, self.rate, self.counts, self.total = revision, rate, counts, total
        # Where the charge before the present rate stood: a rate prices what came after.
        self.base_counts, self.base_total = base_counts, base_total

    @classmethod
    def of(cls, row: Row | None) -> Use:
        """The state that an export gives for a usage that was charged before it begins."""
        if row is None:
            return cls()
        return cls(
            row["revision"], row["rate"], counts_of(row), row["total"], counts_of(row["base"]),
            row["base"]["total"],
        )  # fmt: skip

    def turned_to(self, rate: int | None) -> None:
        """The next charge is priced by `rate`."""
        if rate != self.rate:
            self.base_counts, self.base_total, self.rate = self.counts, self.total, rate


class Division:
    """A weight version: who gets which part, and the total that it has divided so far."""

    __slots__ = ("closing", "line", "parts", "total", "weight_sum")

    def __init__(self, line: int, row: Row) -> None:
        self.line = line
        self.total: int = row["opening"]
        self.closing: int = row["closing"]
        self.weight_sum = int(row["sum"])
        self.parts = [(account, int(weight)) for account, weight in row["parts"]]


class Tally:
    """A lab's count under an owner's plan in a period, and what it was charged for it."""

    __slots__ = ("closing", "is_whole", "line", "plan", "quantity", "units")

    def __init__(self, line: int, row: Row) -> None:
        self.line, self.plan, self.is_whole = line, row["plan"], row["is_whole"]
        self.quantity: int = row["opening_quantity"]
        self.units: int = row["opening_units"]
        self.closing: tuple[int, int] = (row["closing_quantity"], row["closing_units"])


class Held:
    """An account: its kind, and what it holds."""

    __slots__ = ("asset", "closing", "kind", "line", "moved", "stated", "units")

    def __init__(self, line: int, row: Row) -> None:
        self.line, self.kind, self.asset = line, row["kind"], row["asset"]
        self.units: int = row["opening"]
        self.closing: int = row["closing"]
        # By period: what the entries of the export moved, and what a statement says they did.
        self.moved: dict[str, int] = {}
        self.stated: dict[str, int] = row["moved"]

    def add(self, units: int, period: str) -> None:
        """A line of an entry of `period`."""
        self.units += units
        self.moved[period] = self.moved.get(period, 0) + units


class Books:
    """The terms of an export, and where everything stands."""

    def __init__(self, archive: Archive) -> None:
        """Read every file but the long ones. Raises Difference."""
        self.assets = {row["asset"]: row for _, row in archive.rows("assets.jsonl")}
        self.accounts = {
            row["account"]: Held(line, row) for line, row in archive.rows("accounts.jsonl")
        }
        plans = {
            row["plan"]: Plan(row["froms"], [int(one) for one in row["bases"]], row["prices"])
            for _, row in archive.rows("plans.jsonl")
        }
        self.rates = {row["rate"]: Rate(row, plans) for _, row in archive.rows("rates.jsonl")}
        self.versions: dict[str, tuple[int, int]] = {
            row["version"]: (row["records"], row["tokens"])
            for _, row in archive.rows("versions.jsonl")
        }
        self.divisions = {
            row["weights"]: self._division(line, row, is_whole=archive.manifest["is_whole"])
            for line, row in archive.rows(WEIGHTS)
        }
        self.tallies = {
            row["tally"]: Tally(line, row) for line, row in archive.rows("tallies.jsonl")
        }
        self.uses: dict[str, Use] = {}

    def _division(self, line: int, row: Row, *, is_whole: bool) -> Division:
        """A division whose parts belong to accounts of the export, and make up the whole of it."""
        division = Division(line, row)
        for account, _ in division.parts:
            if account not in self.accounts:
                raise Difference(WEIGHTS, line, "parts", "an account of the export", account)
        shown = sum(weight for _, weight in division.parts)
        if is_whole or shown > division.weight_sum:
            same(WEIGHTS, line, "sum", str(shown), row["sum"])
        return division

    def check_closed(self) -> None:
        """What everything came to must be what the export says. Raises Difference."""
        for account in self.accounts.values():
            same("accounts.jsonl", account.line, "moved", account.moved, account.stated)
            same("accounts.jsonl", account.line, "closing", account.units, account.closing)
        for division in self.divisions.values():
            same(WEIGHTS, division.line, "closing", division.total, division.closing)
        for tally in self.tallies.values():
            if tally.is_whole:
                quantity, units = tally.closing
                same("tallies.jsonl", tally.line, "closing_quantity", tally.quantity, quantity)
                same("tallies.jsonl", tally.line, "closing_units", tally.units, units)
        for usage in self.uses:
            raise Difference("charges.jsonl", 0, "more", f"another charge of {usage}", "none")


def counts_of(row: Row) -> Counts:
    """The four counters of a row."""
    return row["records"], row["tokens"], row["epochs"], row["fetches"]
