"""What datasets owe those they were made from: the graph above a dataset, and its sum.

A `relative` debt is a part of what the child earns, so it grows smaller with each generation. An
`absolute` one is a part of the whole, from the child and from everything made of it later. What a
derivation owes through its parent is settled when it is declared: an absolute debt that the parent
takes on later binds the parent, and what is declared after it, never what stood before.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from provenance.models import Derivation
from provenance.models.splits import Policy

WHOLE_BASIS_POINTS: Final = 10_000

# Each dataset above is reached once, however many ways lead to it.
_ABOVE = """
WITH RECURSIVE above AS (
  SELECT unnest(%(children)s::uuid[]) AS id
   UNION
  SELECT d.parent_id FROM above JOIN provenance_derivation d ON d.child_id = above.id
   WHERE d.accepted_at IS NOT NULL OR d.state = 'declared'
)
SELECT d.child_id, d.parent_id, d.source_id, d.policy, d.basis_points, d.from_the_start,
       d.declared_at, d.accepted_at, d.ended_at, d.state
  FROM above JOIN provenance_derivation d ON d.child_id = above.id
 WHERE d.accepted_at IS NOT NULL OR d.state = 'declared'
 ORDER BY d.child_id, d.declared_at, d.id
"""


@dataclass(frozen=True)
class Debt:
    """One derivation, as it is reckoned with."""

    child: uuid.UUID
    parent: uuid.UUID
    source: uuid.UUID
    policy: str
    basis_points: int
    from_the_start: bool
    declared_at: datetime
    accepted_at: datetime | None
    ended_at: datetime | None
    state: str

    @property
    def is_absolute(self) -> bool:
        """Whether it is a part of the whole."""
        return self.policy == Policy.ABSOLUTE

    def holds_at(self, moment: datetime) -> bool:
        """Whether revenue that is divided at `moment` is divided by it, as is known now."""
        if self.accepted_at is None or (self.ended_at is not None and self.ended_at <= moment):
            return False
        return self.from_the_start or self.accepted_at <= moment


def above(children: Iterable[uuid.UUID]) -> list[Debt]:
    """Every debt that was accepted or waits, of `children` and of all that they came from."""
    with connection.cursor() as cursor:
        cursor.execute(_ABOVE, {"children": list(children)})
        return [Debt(*row) for row in cursor.fetchall()]


def standing(debts: Iterable[Debt]) -> list[Debt]:
    """Those that are declared or accepted, and not ended."""
    return [debt for debt in debts if debt.state in Derivation.STANDING]


def by_child(debts: Iterable[Debt]) -> dict[uuid.UUID, list[Debt]]:
    """The debts of each dataset."""
    found: dict[uuid.UUID, list[Debt]] = defaultdict(list)
    for debt in debts:
        found[debt.child].append(debt)
    return found


def ascending(
    roots: Iterable[uuid.UUID], owed: Mapping[uuid.UUID, Sequence[Debt]]
) -> list[uuid.UUID]:
    """`roots` and all above them, each once, after those it was made from; there are no cycles."""
    order: list[uuid.UUID] = []
    seen: set[uuid.UUID] = set()
    for root in roots:
        path = [] if root in seen else [(root, iter(owed.get(root, ())))]
        seen.add(root)
        while path:
            node, rest = path[-1]
            step = next((debt for debt in rest if debt.parent not in seen), None)
            if step is None:
                order.append(node)
                path.pop()
            else:
                seen.add(step.parent)
                path.append((step.parent, iter(owed.get(step.parent, ()))))
    return order


def descending(root: uuid.UUID, owed: Mapping[uuid.UUID, Sequence[Debt]]) -> list[uuid.UUID]:
    """`root` and all above it, each before those it was made from."""
    return ascending([root], owed)[::-1]


def absolute(root: uuid.UUID, owed: Mapping[uuid.UUID, Sequence[Debt]]) -> list[Debt]:
    """The absolute debts that `root` bears: its own, and those its parents had when it came."""
    # Up to which declaration a dataset's debts bind the root; none bounds the root's own.
    bound: dict[uuid.UUID, datetime | None] = {root: None}
    found = []
    for node in descending(root, owed):
        if node not in bound:
            continue
        until = bound[node]
        for debt in owed.get(node, ()):
            if until is not None and debt.declared_at > until:
                continue
            if debt.is_absolute:
                found.append(debt)
            known = bound.get(debt.parent)
            bound[debt.parent] = max(known, debt.declared_at) if known else debt.declared_at
    return found


def stack(root: uuid.UUID, owed: Mapping[uuid.UUID, Sequence[Debt]]) -> int:
    """What `root` owes in all, in basis points of its revenue."""
    relative = sum(debt.basis_points for debt in owed.get(root, ()) if not debt.is_absolute)
    return relative + sum(debt.basis_points for debt in absolute(root, owed))


def is_accepted_between(one: uuid.UUID, other: uuid.UUID) -> bool:
    """Whether one of two datasets was made from the other, directly or not, and all accept it."""
    accepted = by_child(
        debt for debt in standing(above([one, other])) if debt.accepted_at is not None
    )
    return other in descending(one, accepted) or one in descending(other, accepted)
