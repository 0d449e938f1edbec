"""The dry run: what a policy would have done with the matters of the last 90 days."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from compensation.models import Policy
from compensation.policies.cases import age_days, cases
from compensation.policies.matters import MOST, Matter
from compensation.policies.rules import condition_of
from compensation.policies.uses import reported, uses
from provenance.policy import Condition

WINDOW = timedelta(days=90)


@dataclass(frozen=True)
class Would:
    """A matter on which the policy would have acted, and when."""

    matter: Matter
    at: datetime


@dataclass
class DryRun:
    """What a policy would have done: nothing was changed to find out."""

    since: datetime
    looked_at: int = 0
    # On how many the condition could not be decided: it did not hold there.
    undecided: int = 0
    # Older matters were left out.
    is_cut: bool = False
    would: list[Would] = field(default_factory=list)


def dry_run(rule: Policy, *, at: datetime) -> DryRun:
    """Try a policy on all that waited, or was reported, in the last 90 days.

    The facts are those of today; for how long a case had waited is tried day by day.
    """
    condition = condition_of(rule)
    found = DryRun(since=at - WINDOW)
    matters = _matters(rule, condition, at)
    for matter in matters:
        found.looked_at += 1
        day = _first_day(condition, matter, at)
        if day is None:
            continue
        if day < 0:
            found.undecided += 1
        else:
            found.would.append(Would(matter, matter.began_at + timedelta(days=day)))
    found.is_cut = MOST in Counter(matter.kind for matter in matters).values()
    found.would.sort(key=lambda one: (one.at, one.matter.key), reverse=True)
    return found


def _matters(rule: Policy, condition: Condition, at: datetime) -> list[Matter]:
    if rule.target == Policy.Target.CASE:
        return cases(names=condition.names, since=at - WINDOW)
    rows = reported(since=at - WINDOW, until=at).reverse()[:MOST]
    return list(islice(uses(rows, names=condition.names), MOST))


def _first_day(condition: Condition, matter: Matter, at: datetime) -> int | None:
    """After how many days of waiting it would have acted; None for never, -1 for undecided."""
    if "age_days" not in condition.names:
        answer = condition.decide({**matter.facts, "age_days": 0})
        return -1 if answer is None else (0 if answer else None)
    for day in range(age_days(matter, at) + 1):
        answer = condition.decide({**matter.facts, "age_days": day})
        if answer is None:
            return -1
        if answer:
            return day
    return None
