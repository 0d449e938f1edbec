"""What flows from a version's revenue to the versions it was made from, in exact parts.

The whole is 10**24 parts. Absolute debts are taken of the whole; each relative one of what its
child gets, rounded down. What rounding leaves belongs to no dataset: it goes with the platform's
fee, and is less than one part for each debt on the way, so that no arrangement of datasets gains
by it. Six generations of relative debts are exact to the part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from provenance.debts import WHOLE_BASIS_POINTS, Debt, absolute, descending

WHOLE_PARTS: Final = 10**24


def flow(dataset: UUID, version: UUID, owed: Mapping[UUID, Sequence[Debt]]) -> dict[UUID, int]:
    """What each version keeps of the whole, by version id; `version` of `dataset` comes first.

    `owed` holds the debts of each dataset that are in force; they make no cycle and no stack over
    the whole. Versions that keep nothing are left out, but for the first.
    """
    income: dict[UUID, dict[UUID, int]] = defaultdict(lambda: defaultdict(int))
    income[dataset][version] = WHOLE_PARTS
    borne = absolute(dataset, owed)
    for debt in borne:
        income[debt.parent][debt.source] += _part(WHOLE_PARTS, debt.basis_points)
    kept: dict[UUID, int] = defaultdict(int)
    for node in descending(dataset, owed):
        relative = [debt for debt in owed.get(node, ()) if not debt.is_absolute]
        given = sum(debt.basis_points for debt in relative)
        if node == dataset:
            given += sum(debt.basis_points for debt in borne)
        assert given <= WHOLE_BASIS_POINTS, "a stack over the whole is refused when it is declared"
        for source, amount in income[node].items():
            kept[source] += _part(amount, WHOLE_BASIS_POINTS - given)
            for debt in relative:
                income[debt.parent][debt.source] += _part(amount, debt.basis_points)
    return {source: parts for source, parts in kept.items() if parts or source == version}


def _part(amount: int, basis_points: int) -> int:
    return amount * basis_points // WHOLE_BASIS_POINTS
