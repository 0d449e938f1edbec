"""What must come out, reckoned by itself: plain Python that shares no code with the product.

The driver tells the model what was reported, paid in and decided, in the order in which it was
said. The model knows what each usage costs at each of its revisions, and whose each record is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

PER_1K_RECORDS, PER_1M_TOKENS, FLAT_PER_RUN = "per_1k_records", "per_1m_tokens", "flat_per_run"


@dataclass(frozen=True)
class Terms:
    """What a version costs, and what it holds; without a basis its use costs nothing."""

    basis: str = ""
    price_units: int = 0
    records: int = 0
    tokens: int = 0

    def price(self, records: int, tokens: int) -> int:
        """The whole price of so much use, in units, rounded down."""
        if self.basis == PER_1K_RECORDS:
            return records * self.price_units // 1_000
        if self.basis == PER_1M_TOKENS:
            seen = self.tokens * records // self.records if records else tokens
            return seen * self.price_units // 1_000_000
        return self.price_units if self.basis == FLAT_PER_RUN else 0


@dataclass
class Used:
    """One usage: what its streams said, and the counters after each revision."""

    terms: Terms
    streams: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    revisions: list[tuple[int, int]] = field(default_factory=list)

    def hear(self, stream: str, sequence: int, records: int, tokens: int) -> None:
        """One report: cumulative counters of a stream. An old number says nothing new."""
        last, most_records, most_tokens = self.streams.get(stream, (-1, 0, 0))
        if sequence > last:
            both = (max(records, most_records), max(tokens, most_tokens))
            self.streams[stream] = (sequence, *both)
        sums = (
            sum(one[1] for one in self.streams.values()),
            sum(one[2] for one in self.streams.values()),
        )
        if not self.revisions or sums != self.revisions[-1]:
            self.revisions.append(sums)

    def total(self, revision: int) -> int:
        """What it costs in all at a revision; they are numbered from 1."""
        return self.terms.price(*self.revisions[revision - 1])


@dataclass
class Version:
    """A sealed version: whose each record is, and how much each counts."""

    owner: str
    terms: Terms
    asset: str
    token_counts: Mapping[int, int]
    """By record id."""
    holders: dict[int, dict[str, int]] = field(default_factory=dict)
    """Of the records that a decision moved: parties and their parts."""

    def parts(self, fee_basis_points: int) -> dict[str, Fraction]:
        """The part of its revenue that each party gets; the rest is the platform's."""
        by_tokens = self.terms.basis == PER_1M_TOKENS
        found: dict[str, Fraction] = {}
        whole = sum(self.token_counts.values()) if by_tokens else len(self.token_counts)
        for record, tokens in self.token_counts.items():
            share = Fraction(tokens if by_tokens else 1, whole)
            holders = self.holders.get(record, {self.owner: 1})
            for party, weight in holders.items():
                part = share * Fraction(weight, sum(holders.values()))
                found[party] = found.get(party, Fraction()) + part
        owners = Fraction(10_000 - fee_basis_points, 10_000)
        return {party: part * owners for party, part in found.items()}


@dataclass
class Model:
    """All that the driver said so far."""

    fee_basis_points: int
    versions: dict[str, Version]
    used: dict[tuple[str, str], Used] = field(default_factory=dict)
    """By run and subject."""
    deposits: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    """By reference: lab, asset, units."""
    arrived: set[str] = field(default_factory=set)
    """References whose deposit was acknowledged."""
    taken_back: set[str] = field(default_factory=set)
    """References whose deposit was reversed."""

    def hear(
        self, run: str, subject: str, terms: Terms, stream: str, numbers: tuple[int, int, int]
    ) -> None:
        """A report of a run on a subject: its number, records and tokens."""
        self.used.setdefault((run, subject), Used(terms)).hear(stream, *numbers)

    def credits(self, totals: Iterable[tuple[str, int]]) -> dict[tuple[str, str], int]:
        """What each (asset, party) has earned of the totals of weight versions.

        `totals` are (version, units), one for each weight version, in any order.
        """
        earned: dict[tuple[str, str], int] = {}
        for version_id, total in totals:
            version = self.versions[version_id]
            for party, part in version.parts(self.fee_basis_points).items():
                key = (version.asset, party)
                earned[key] = earned.get(key, 0) + int(total * part)
        return earned
