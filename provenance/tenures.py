"""Whose a dataset was at a moment, and what was used of it before it passed to another owner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from provenance.models import Dataset, DatasetVersion, Party, Tenure, Usage, UsageCut

if TYPE_CHECKING:
    from provenance.access import Viewer
    from provenance.models import User


@dataclass(frozen=True)
class Owned:
    """One owner's time with a dataset; without an end it lasts."""

    owner: UUID
    begins_at: datetime
    ends_at: datetime | None


class Owners:
    """Who owned some datasets, and when."""

    def __init__(self, datasets: Iterable[UUID]) -> None:
        wanted = list(datasets)
        self._now = dict(Dataset.objects.filter(pk__in=wanted).values_list("pk", "owner"))
        self._tenures: dict[UUID, list[Owned]] = defaultdict(list)
        for row in Tenure.objects.filter(dataset__in=wanted).order_by("begins_at"):
            self._tenures[row.dataset_id].append(Owned(row.owner_id, row.begins_at, row.ends_at))

    def at(self, dataset: UUID, moment: datetime) -> UUID:
        """Who owned `dataset` at `moment`; before its registration, who registered it."""
        found = self._at(dataset, moment)
        return found.owner if found else self._now[dataset]

    def ends_at(self, dataset: UUID, moment: datetime) -> datetime | None:
        """When the ownership of that moment ended; None while it lasts."""
        found = self._at(dataset, moment)
        return found.ends_at if found else None

    def has_passed(self, dataset: UUID) -> bool:
        """Whether `dataset` ever had another owner."""
        return dataset in self._tenures

    def _at(self, dataset: UUID, moment: datetime) -> Owned | None:
        known = self._tenures.get(dataset, [])
        begun = [one for one in known if one.begins_at <= moment]
        return begun[-1] if begun else next(iter(known), None)


def owner_at(dataset: Dataset, moment: datetime) -> Party:
    """Who owned `dataset` at `moment`."""
    if dataset.owned_since is None or dataset.owned_since <= moment:
        return dataset.owner
    return Party.objects.get(pk=Owners([dataset.pk]).at(dataset.pk, moment))


def doer(person: User | None, dataset: Dataset, at: datetime, viewer: Viewer) -> str:
    """Who did something to `dataset` at `at`: in another owner's time that owner, not the person.

    Operators are told the person always.
    """
    if person is None:
        return ""
    owner = owner_at(dataset, at)
    return person.email if viewer.is_operator or owner == viewer.party else owner.name


def formerly(namespace: str, name: str) -> Dataset | None:
    """The dataset that stood under this name while another party owned it."""
    rows = Dataset.objects.filter(name=name, tenures__owner__namespace=namespace)
    return rows.select_related("owner").order_by("-tenures__begins_at").first()


def counters(usage: Usage) -> UsageCut:
    """What a usage counts now, not kept yet."""
    return UsageCut(
        usage=usage,
        revision=usage.revision,
        record_count=usage.record_count,
        token_count=usage.token_count,
        epoch_count=usage.epoch_count,
        fetch_count=usage.fetch_count,
        used_at=usage.used_at,
    )


def keep_cut(before: UsageCut, version: DatasetVersion | None, used_at: datetime) -> None:
    """Keep what was counted `before`, where a report goes past the day the dataset passed on."""
    since = version.dataset.owned_since if version else None
    if since is not None and before.revision and before.used_at < since <= used_at:
        before.save(force_insert=True)
