"""What a verification found: each check in words, what was not checked, and what it shows."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Check:
    """One thing that was checked: whether it holds, and what that means in words."""

    is_ok: bool
    words: str


@dataclass
class Report:
    """The outcome of a verification; true only if every check held."""

    checks: list[Check] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)

    @property
    def is_true(self) -> bool:
        """Whether there were checks and all of them held."""
        return bool(self.checks) and all(check.is_ok for check in self.checks)

    @property
    def failures(self) -> list[str]:
        """What did not hold, in words."""
        return [check.words for check in self.checks if not check.is_ok]

    def check(self, is_ok: bool, good: str, bad: str) -> bool:  # noqa: FBT001
        """Add a check with its words for either outcome; returns the outcome."""
        self.checks.append(Check(is_ok, good if is_ok else bad))
        return is_ok
