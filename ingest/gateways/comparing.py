"""Prints of content that is not registered against all that is: who is alike, and how.

The same lookups and the same judge as a registration's screening, without its stored records: what
a lab is told here is what registering the content would find.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db.models import Max

from ingest import candidates, prints, verdict
from ingest.index import registered
from ingest.index.registered import Earlier
from ingest.prints import Prints
from ingest.verdict import Verdict
from provenance.models import DatasetVersion, Event

PAIRS_AT_ONCE = 2_000


@dataclass(frozen=True)
class Stretch:
    """The part of the ledger whose registrations are compared with: after one event, up to another.

    What was committed before event `upto` was numbered is there, prints and keys included.
    """

    upto: int
    after: int = 0

    @classmethod
    def whole(cls) -> Stretch:
        """All that is registered until now."""
        head = Event.objects.aggregate(head=Max("sequence"))["head"]
        return cls(upto=head or 0)

    def holds(self, record_ids: Iterable[int]) -> dict[int, Earlier]:
        """Those of these records that were registered in it, by id."""
        return registered.current(sorted(record_ids), after=self.after, upto=self.upto)


@dataclass(frozen=True)
class Alike:
    """The record at a place of a batch is like a registered one."""

    place: int
    earlier: Earlier
    verdict: Verdict
    is_short: bool = False
    """An exact copy of a text so short that it counts only in numbers."""

    @property
    def order(self) -> tuple[Any, ...]:
        """The strongest match of a record sorts first; of equals, the one registered first.

        An exact copy of a short text stands between what holds and what is possible.
        """
        rank = 1 if self.is_short else 0 if self.verdict.holds else 2
        return rank, *self.verdict.order, self.earlier.sequence


def alike(batch: Sequence[Prints], stretch: Stretch) -> list[Alike]:
    """What each record of the batch is like: every match, and exact copies of short records."""
    short = {place for place, own in enumerate(batch) if candidates.is_short(own)}
    near = candidates.near(batch)
    copies = _copies(batch)
    near.sure.update(pair for pair in copies if pair[0] not in short)
    known = stretch.holds({pk for _, pk in near.pairs()} | {pk for _, pk in copies})
    found = _short_copies([pair for pair in copies if pair[0] in short], known)
    worth = [
        (place, known[pk])
        for place, pk in sorted(near.pairs())
        if pk in known
        and not (place in short and batch[place].digest == known[pk].digest)
        and near.is_plausible((place, pk), batch[place].token_count, known[pk].token_count)
    ]
    for start in range(0, len(worth), PAIRS_AT_ONCE):
        found += _judged(batch, worth[start : start + PAIRS_AT_ONCE])
    return found


def _judged(batch: Sequence[Prints], worth: Sequence[tuple[int, Earlier]]) -> list[Alike]:
    parts = prints.load({row.record_id for _, row in worth})
    found = []
    for place, own in groupby(worth, key=lambda pair: pair[0]):
        rows = [row for _, row in own]
        theirs = [Prints(r.digest, r.token_count, parts.get(r.record_id, {})) for r in rows]
        made = verdict.judge_all(batch[place], theirs)
        found += [
            Alike(place, row, one) for row, one in zip(rows, made, strict=True) if one is not None
        ]
    return found


def _copies(batch: Sequence[Prints]) -> list[tuple[int, int]]:
    """(place, record id) of the same digest."""
    places: dict[bytes, list[int]] = {}
    for place, own in enumerate(batch):
        places.setdefault(own.digest, []).append(place)
    same = registered.same_digest(None, list(places))
    return [(place, pk) for digest, pk in same for place in places[digest]]


def _short_copies(pairs: Iterable[tuple[int, int]], known: dict[int, Earlier]) -> list[Alike]:
    return [
        Alike(place, known[pk], verdict.EXACT, is_short=True) for place, pk in pairs if pk in known
    ]


def best(found: Iterable[Alike], versions: dict[UUID, DatasetVersion]) -> list[Alike]:
    """The strongest match of each place in each dataset, by place and strength."""
    kept: dict[tuple[int, UUID], Alike] = {}
    for row in sorted(found, key=lambda row: row.order):
        kept.setdefault((row.place, versions[row.earlier.version_id].dataset_id), row)
    return sorted(kept.values(), key=lambda row: (row.place, row.order))


def versions_of(found: Iterable[Alike]) -> dict[UUID, DatasetVersion]:
    """The versions that were found, with their datasets and owners."""
    ids = {row.earlier.version_id for row in found}
    return DatasetVersion.objects.select_related("dataset__owner").in_bulk(ids) if ids else {}
