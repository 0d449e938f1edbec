"""What must be on the chain in the end: plain sums that share no code with the product."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.faults.chain.jobs import Wage


@dataclass
class Model:
    """All that was promised so far."""

    earned: Counter[str] = field(default_factory=Counter)
    """Units that each owner earned, by name."""
    wages: list[Wage] = field(default_factory=list)
    events: int = 0
    """Facts that the ledger has, and the chain must come to hold."""


@dataclass
class Outcome:
    """What came of it, in words; nothing is right."""

    overpaid: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """What the product's own code could not do, or did not believe of itself."""

    @property
    def faults(self) -> list[str]:
        return [*self.overpaid, *self.lost, *self.stuck, *self.failed]

    def add(self, other: Outcome) -> None:
        self.overpaid += other.overpaid
        self.lost += other.lost
        self.stuck += other.stuck
        self.failed += other.failed
