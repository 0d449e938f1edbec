"""Which pairs of records are worth comparing: by digest, and by each lookup of `lookups`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingest import lookups, prints, verdict
from ingest.index import registered
from ingest.index.registered import Earlier
from ingest.prints import Prints
from provenance.models import DatasetVersion, Record


@dataclass(frozen=True)
class Newcomer:
    """A record being screened, with what it is compared by."""

    record: Record
    prints: Prints

    @property
    def digest(self) -> bytes:
        """The record's digest."""
        return self.prints.digest

    @property
    def is_short(self) -> bool:
        """Whether an exact copy of it may be chance."""
        return is_short(self.prints)


@dataclass(frozen=True)
class Pair:
    """A newcomer's place in its batch and the earlier record that it may be like."""

    place: int
    earlier: Earlier


@dataclass(frozen=True)
class Near:
    """What the lookups found: (place, record id), and why."""

    sure: set[tuple[int, int]]
    counted: dict[tuple[int, int], list[tuple[lookups.Lookup, int]]]
    """Those whose lookup asks how many keys are shared."""

    def pairs(self) -> set[tuple[int, int]]:
        """All of them."""
        return self.sure | self.counted.keys()

    def is_plausible(self, pair: tuple[int, int], later_tokens: int, earlier_tokens: int) -> bool:
        """Whether the pair is worth a comparison, now that both lengths are known."""
        return pair in self.sure or any(
            lookup.plausible is not None and lookup.plausible(count, later_tokens, earlier_tokens)
            for lookup, count in self.counted.get(pair, ())
        )


def is_short(own: Prints) -> bool:
    """Whether an exact copy may be chance: of a text of very few tokens, a row of few bits."""
    return (
        prints.PDQ not in own.parts
        and own.token_count < verdict.SHORT_TOKENS
        and not verdict.rows.is_telling(own)
    )


def newcomers(records: Sequence[Record]) -> list[Newcomer]:
    """The records with their stored prints."""
    parts = prints.load([record.pk for record in records])
    return [
        Newcomer(r, Prints(bytes(r.digest), r.token_count, parts.get(r.pk, {}))) for r in records
    ]


def near(batch: Sequence[Prints]) -> Near:
    """What shares enough keys with each of `batch`, in one look at each of the lookups."""
    found = Near(set(), {})
    for lookup in lookups.LOOKUPS:
        pairs = lookups.find(lookup, batch)
        if lookup.plausible is None:
            found.sure.update(pairs)
            continue
        for pair, count in pairs.items():
            found.counted.setdefault(pair, []).append((lookup, count))
    return found


def pairs(version: DatasetVersion, batch: Sequence[Newcomer]) -> list[Pair]:
    """The candidates of a batch, each pair once; exact copies of short records are left out."""
    found = near([newcomer.prints for newcomer in batch])
    found.sure.update(
        (place, pk) for place, pk in exact(version, batch) if not batch[place].is_short
    )
    known = registered.earlier(version, sorted({pk for _, pk in found.pairs()}))
    dates = registered.own_dates(version, [newcomer.digest for newcomer in batch])
    result = []
    for place, pk in sorted(found.pairs()):
        row, newcomer = known.get(pk), batch[place]
        if row is None or not is_news(newcomer, row, version, dates):
            continue
        if newcomer.is_short and newcomer.digest == row.digest:
            continue
        if found.is_plausible((place, pk), newcomer.prints.token_count, row.token_count):
            result.append(Pair(place, row))
    return result


def is_news(
    newcomer: Newcomer, row: Earlier, version: DatasetVersion, dates: dict[bytes, int]
) -> bool:
    """Whether the owner of `version` had not registered the newcomer's content before `row`.

    `dates` are `registered.own_dates`. What one owner holds twice is for information, always.
    """
    if row.owner_id == version.dataset.owner_id:
        return True
    return row.sequence < dates.get(newcomer.digest, row.sequence + 1)


def exact(version: DatasetVersion, batch: Sequence[Newcomer]) -> list[tuple[int, int]]:
    """(place, record id) of the same digest, short records included."""
    places: dict[bytes, list[int]] = {}
    for place, newcomer in enumerate(batch):
        places.setdefault(newcomer.digest, []).append(place)
    found = registered.same_digest(version, list(places))
    return [(place, pk) for digest, pk in found for place in places[digest]]
