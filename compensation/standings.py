"""What provenance knows of datasets, in the words of `division`: disputes, splits and debts.

Loaded once for many datasets. A marker is a digest of all that a dataset's division follows from,
and of what stands above it: while it stays the same, so do the weights.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from django.db import connection
from django.db.models import Q

from compensation.derivation import WHOLE_PARTS, flow
from compensation.division import OWN, Holders, Portion, Standing
from provenance import conflicts, debts, tenures
from provenance.models import Conflict, Dataset, DatasetVersion, Split

# Counts only: cheap enough to ask before every batch, and changed by every step of a conflict.
_DISPUTES = """
SELECT dataset_id, string_agg(
         concat_ws(',', conflict_id, records, held, released, resolved, held_since, released_at,
                   decided_at, opened), ';' ORDER BY conflict_id)
  FROM (SELECT r.dataset_id, c.conflict_id, count(*) AS records, count(c.held_since) AS held,
               count(c.released_at) AS released, count(c.resolution_id) AS resolved,
               max(c.held_since) AS held_since, max(c.released_at) AS released_at,
               max(s.decided_at) AS decided_at,
               (SELECT count(*) || '/' || count(o.opened_at) FROM provenance_opening o
                 WHERE o.conflict_id = c.conflict_id) AS opened
          FROM provenance_conflict d
          JOIN provenance_contestedrecord c ON c.conflict_id = d.id
          JOIN provenance_record r ON r.id = c.record_id AND r.dataset_id = ANY(%(datasets)s)
          LEFT JOIN provenance_resolution s ON s.id = c.resolution_id
         WHERE d.later_id = ANY(%(datasets)s) OR d.earlier_id = ANY(%(datasets)s)
         GROUP BY r.dataset_id, c.conflict_id) AS counted
 GROUP BY dataset_id
"""
# Datasets with something that their division follows from, besides their owner.
TOUCHED = """
SELECT later_id FROM provenance_conflict
 UNION SELECT earlier_id FROM provenance_conflict
 UNION SELECT dataset_id FROM provenance_split
 UNION SELECT child_id FROM provenance_derivation WHERE accepted_at IS NOT NULL
 UNION SELECT dataset_id FROM provenance_tenure
"""


@dataclass(frozen=True)
class SplitTerms:
    """One split of a dataset, as it is reckoned with."""

    number: int
    from_the_start: bool
    applies_at: datetime
    made_at: datetime
    holders: Holders

    @property
    def weight_sum(self) -> int:
        """The sum of all weights."""
        return sum(weight for _, weight in self.holders)

    def holds_at(self, moment: datetime) -> bool:
        """Whether revenue that is divided at `moment` may be divided by it."""
        return self.from_the_start or self.applies_at <= moment


class Grounds:
    """All that the divisions of some datasets follow from, and of those they were made from."""

    def __init__(self, datasets: Iterable[UUID]) -> None:
        asked = list(datasets)
        self._debts = debts.above(asked)
        self._datasets = {*asked, *(debt.parent for debt in self._debts)}
        self._others = _others(self._datasets)
        opposite = {other for of_one in self._others.values() for other in of_one.values()}
        self._splits = _splits(self._datasets | opposite)
        self._owners = tenures.Owners(self._datasets | opposite)
        self._disputes = _disputes(self._datasets)
        self._owed: dict[tuple[datetime, datetime], dict[UUID, list[debts.Debt]]] = {}
        self._standings: dict[UUID, list[conflicts.Standing]] = {}

    def markers(self, at: datetime) -> dict[UUID, str]:
        """For each dataset a digest of how it is divided at `at`; empty where nothing says."""
        owed = self._owed_at(at, at)
        digests: dict[UUID, str] = {}
        for node in debts.ascending(self._datasets, owed):
            digests[node] = self._digest(node, at, digests)
        return digests

    def portions(
        self, version: DatasetVersion, at: datetime, owned_at: datetime
    ) -> tuple[Portion, ...]:
        """What is a version's own, parted among it and those it was made from; itself first.

        By what is known at `at`, and among those who owned the datasets at `owned_at`.
        """
        owed = self._owed_at(at, owned_at)
        if not owed.get(version.dataset_id):
            holders = self._holders(version.dataset_id, at, owned_at)
            return (Portion(str(version.pk), WHOLE_PARTS, holders),)
        kept = flow(version.dataset_id, version.pk, owed)
        datasets = {debt.source: debt.parent for of_one in owed.values() for debt in of_one} | {
            version.pk: version.dataset_id
        }
        return tuple(
            Portion(str(source), parts, self._holders(datasets[source], at, owned_at))
            for source, parts in kept.items()
        )

    def standings(
        self, version: DatasetVersion, at: datetime, owned_at: datetime
    ) -> dict[int, Standing]:
        """The records of `version` that are not simply its registrant's at `at`, by record id.

        What a resolution leaves to the registrant is the dataset's own; what it gives to the other
        side is divided as the other dataset's own, by its split.
        """
        if version.dataset_id not in self._disputes:
            return {}
        if version.pk not in self._standings:
            self._standings[version.pk] = conflicts.standings(version)
        return {
            one.record_id: Standing(
                holders=self._holders_of(one, version.dataset, at, owned_at),
                conflict_id=str(one.conflict_id),
                resolution_id=str(one.resolution_id or ""),
                is_held=one.is_held,
                from_the_start=one.from_the_start,
                token_count=one.token_count,
            )
            for one in self._standings[version.pk]
        }

    def version(self, source_id: str) -> DatasetVersion:
        """A version by its id, with its dataset and owner."""
        if source_id not in self._versions:
            rows = DatasetVersion.objects.select_related("dataset__owner")
            self._versions[source_id] = rows.get(pk=source_id)
        return self._versions[source_id]

    @cached_property
    def _versions(self) -> dict[str, DatasetVersion]:
        rows = DatasetVersion.objects.select_related("dataset__owner")
        sources = rows.in_bulk({debt.source for debt in self._debts})
        return {str(pk): version for pk, version in sources.items()}

    def _owed_at(self, at: datetime, owned_at: datetime) -> dict[UUID, list[debts.Debt]]:
        """What is owed at `at`, but for what later owners than those of `owned_at` took on."""
        key = (at, owned_at)
        if key not in self._owed:
            self._owed[key] = debts.by_child(
                debt
                for debt in self._debts
                if debt.holds_at(at) and self._was_made(debt.declared_at, debt.child, owned_at)
            )
        return self._owed[key]

    def _was_made(self, made_at: datetime, dataset: UUID, owned_at: datetime) -> bool:
        """Whether something was made before those took over who own `dataset` after `owned_at`."""
        ends_at = self._owners.ends_at(dataset, owned_at)
        return ends_at is None or made_at < ends_at

    def _split(self, dataset: UUID, at: datetime, owned_at: datetime) -> SplitTerms | None:
        holding = [
            split
            for split in self._splits.get(dataset, ())
            if split.holds_at(at) and self._was_made(split.made_at, dataset, owned_at)
        ]
        return holding[-1] if holding else None

    def _holders(self, dataset: UUID, at: datetime, owned_at: datetime) -> Holders:
        """Who has which weight in a dataset: contributors keep theirs when its owner changes."""
        owner = str(self._owners.at(dataset, owned_at))
        split = self._split(dataset, at, owned_at)
        if split is None:
            return ((owner, 1),)
        maker = str(self._owners.at(dataset, split.made_at))
        if maker == owner:
            return split.holders
        weights: dict[str, int] = defaultdict(int)
        for holder, weight in split.holders:
            weights[owner if holder == maker else holder] += weight
        return tuple(sorted(weights.items()))

    def _holders_of(
        self, one: conflicts.Standing, dataset: Dataset, at: datetime, owned_at: datetime
    ) -> Holders:
        """Whose a contested record is, in whole weights."""
        others = self._holders(self._others[dataset.pk][one.conflict_id], at, owned_at)
        weight_sum = sum(weight for _, weight in others)
        found: list[tuple[str, int]] = []
        for side, weight in one.sides:
            if side == dataset.pk:
                found.append((OWN, weight * weight_sum))
            else:
                found += [(holder, weight * part) for holder, part in others]
        return tuple(found)

    def _digest(self, dataset: UUID, at: datetime, above: dict[UUID, str]) -> str:
        split = self._split(dataset, at, at)
        words = [self._disputes.get(dataset, ""), str(split.number if split else "")]
        others = sorted(self._others[dataset].values())
        opposite = {other: self._split(other, at, at) for other in others}
        words += [f"{other},{one.number}" for other, one in opposite.items() if one]
        words += [f"{one},passed" for one in (dataset, *others) if self._owners.has_passed(one)]
        words += [
            f"{debt.source},{debt.policy},{debt.basis_points},{debt.declared_at},"
            f"{above[debt.parent]}"
            for debt in self._owed_at(at, at).get(dataset, ())
        ]
        return hashlib.sha256("\n".join(words).encode()).hexdigest() if any(words) else ""


def _disputes(datasets: Iterable[UUID]) -> dict[UUID, str]:
    with connection.cursor() as cursor:
        cursor.execute(_DISPUTES, {"datasets": list(datasets)})
        return dict(cursor.fetchall())


def _others(datasets: set[UUID]) -> dict[UUID, dict[UUID, UUID]]:
    """For each dataset its conflicts, and the dataset on the other side of each."""
    found: dict[UUID, dict[UUID, UUID]] = {dataset: {} for dataset in datasets}
    rows = Conflict.objects.filter(Q(later__in=datasets) | Q(earlier__in=datasets))
    for conflict, later, earlier in rows.values_list("pk", "later", "earlier"):
        for one, other in ((later, earlier), (earlier, later)):
            if one in found:
                found[one][conflict] = other
    return found


def _splits(datasets: Iterable[UUID]) -> dict[UUID, list[SplitTerms]]:
    """The splits of each dataset, in their order."""
    found: dict[UUID, list[SplitTerms]] = defaultdict(list)
    rows = Split.objects.filter(dataset__in=list(datasets)).prefetch_related("shares")
    for split in rows.order_by("dataset", "number"):
        shares: Sequence[tuple[str, int]] = sorted(
            (str(share.party_id), share.weight) for share in split.shares.all()
        )
        when = (split.applies_at, split.made_at)
        terms = SplitTerms(split.number, split.from_the_start, *when, tuple(shares))
        found[split.dataset_id].append(terms)
    return found
