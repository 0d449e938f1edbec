"""How an amount is shared among datasets by their use: exact, and blind to how data is cut up.

An owner gets floor(amount * its use / whole use). What an owner gets is passed on to its versions
in turn, each by what floor(owner's amount * use up to it / owner's use) grows by, so that
splitting, merging or reordering datasets never changes what an owner gets by a unit. What the
owners' floors leave over (less than a unit for each) is not charged: it stays with the lab.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Use:
    """How much of a version counts, and whose it is."""

    owner: UUID
    version: UUID
    quantity: int


def shared_out(amount: int, uses: Sequence[Use], whole: int, *, before: int = 0) -> dict[UUID, int]:
    """What each version gets when the amount to share grows from `before` to `amount` units.

    `whole` is the use that all of an amount would be due for. No version ever gets less than 0.
    """
    assert 0 <= before <= amount, "an amount that was shared out is never taken back"
    by_owner: dict[UUID, list[Use]] = defaultdict(list)
    for use in sorted(uses, key=lambda one: one.version):
        by_owner[use.owner].append(use)
    shares: dict[UUID, int] = {}
    for mine in by_owner.values():
        used = sum(use.quantity for use in mine)
        if not used:
            shares |= dict.fromkeys((use.version for use in mine), 0)
            continue
        gain = amount * used // whole - before * used // whole
        so_far = 0
        for use in mine:
            part = gain * (so_far + use.quantity) // used - gain * so_far // used
            shares[use.version] = shares.get(use.version, 0) + part
            so_far += use.quantity
    return shares
