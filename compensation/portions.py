"""Divisions as they are kept: begun for a weight version, read back, and carried on.

A record of a version, or of one that it was made from, stands in one cell; see `division`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from compensation import pricing
from compensation.derivation import WHOLE_PARTS
from compensation.division import (
    OWN_PLACE,
    Division,
    Part,
    Payee,
    Place,
    Portion,
    Standing,
    moved,
    parts,
)
from compensation.models import Cell, WeightVersion
from compensation.models import Portion as StoredPortion
from compensation.standings import Grounds
from provenance import tenures
from provenance.models import DatasetVersion, Record

Counted = WeightVersion.Counted
Counts = dict[int, int]


@dataclass(frozen=True)
class Step:
    """One change of a division, and the dispute that asked for it; none if a split or debt did."""

    conflict_id: str
    after: Division


def begin(row: WeightVersion, grounds: Grounds) -> Division:
    """The division of a weight version that opens now."""
    portions = grounds.portions(row.version, row.opened_at, row.owned_at)
    places = {
        portion.source_id: {
            key: one.place
            for key, one in grounds.standings(
                grounds.version(portion.source_id), row.opened_at, row.owned_at
            ).items()
        }
        for portion in portions
    }
    cells = {
        source: _cells(row, grounds, source, found, grounds.version(source))
        for source, found in places.items()
        if found or source == portions[0].source_id
    }
    return Division(portions, cells)


def stored(row: WeightVersion) -> Division:
    """The division of a weight version as it was left by its last restatement."""
    last = row.restatements.count()
    version = row.version
    kept = list(row.portions.order_by("-restatement", "ordinal"))
    portions = tuple(
        Portion(str(one.source_id), int(one.parts), _holders(one.holders))
        for one in kept
        if one.restatement == kept[0].restatement
    ) or (Portion(str(version.pk), WHOLE_PARTS, ((_owner_of(row), 1),)),)
    cells: dict[str, list[Part]] = {str(version.pk): []}
    for cell in row.cells.filter(restatement=last).order_by("ordinal"):
        part = Part(place_of(cell), cell.count, tuple(cell.record_ids))
        cells.setdefault(str(cell.source_id or version.pk), []).append(part)
    if not cells[str(version.pk)]:
        cells[str(version.pk)] = [Part(OWN_PLACE, _total(row, version))]
    return Division(portions, cells)


def save(row: WeightVersion, restatement: int, division: Division, *, portions: bool) -> None:
    """Keep a division, its portions where they have changed."""
    if portions:
        StoredPortion.objects.bulk_create(
            StoredPortion(
                weight_version=row,
                restatement=restatement,
                ordinal=ordinal,
                source_id=one.source_id,
                parts=one.parts,
                holders=[list(holder) for holder in one.holders],
            )
            for ordinal, one in enumerate(division.portions)
        )
    listed = [
        (source, part)
        for source, found in division.cells.items()
        for part in found
        if source == division.source_id or len(found) > 1
    ]
    Cell.objects.bulk_create(
        _cell(row, restatement, ordinal, source, part)
        for ordinal, (source, part) in enumerate(listed)
    )


def place_of(cell: Cell) -> Place:
    """A stored cell's place."""
    return Place(
        holders=_holders(cell.holders),
        conflict_id=str(cell.conflict_id or ""),
        resolution_id=str(cell.resolution_id or ""),
        is_held=cell.is_held,
    )


def targets_of(row: WeightVersion) -> dict[Payee, int]:
    """What each payee should have been credited under a weight version, as it is divided now."""
    return pricing.targets(row.total_units, stored(row).weights(row.fee_basis_points))


def steps(row: WeightVersion, grounds: Grounds, now: Division) -> list[Step]:
    """How a closed weight version's division changes by what is known: debts first, then disputes.

    A portion that is new takes part in later resolutions only: a hold takes nothing back.
    """
    found = []
    portions = grounds.portions(row.version, row.opened_at, row.owned_at)
    if portions != now.portions:
        kept = {one.source_id for one in portions}
        now = Division(portions, {key: part for key, part in now.cells.items() if key in kept})
        found.append(Step("", now))
    moves = _moves(row, grounds, now)
    for conflict_id in sorted(moves):
        cells = dict(now.cells)
        for source, places in moves[conflict_id].items():
            at = _places(cells.get(source, ())) | places
            cells[source] = _cells(row, grounds, source, at, grounds.version(source))
        now = replace(now, cells=cells)
        found.append(Step(conflict_id, now))
    return found


def _moves(
    row: WeightVersion, grounds: Grounds, now: Division
) -> dict[str, dict[str, dict[int, Place]]]:
    """Which records go where, by the conflict that moves them and the version they are of."""
    found: dict[str, dict[str, dict[int, Place]]] = {}
    for portion in now.portions:
        source = portion.source_id
        standings = grounds.standings(grounds.version(source), row.opened_at, row.owned_at)
        places = _places(now.cells.get(source, ()))
        for record_id in {*places, *standings}:
            before = places.get(record_id, OWN_PLACE)
            after = moved(before, standings.get(record_id), OWN_PLACE)
            if after != before:
                # What an older dispute held follows the one that decides.
                conflict_id = after.conflict_id or before.conflict_id
                of_source = found.setdefault(conflict_id, {}).setdefault(source, {})
                of_source[record_id] = after
    return found


def _places(cells: Iterable[Part]) -> dict[int, Place]:
    return {record_id: part.place for part in cells for record_id in part.record_ids}


def _cells(
    row: WeightVersion,
    grounds: Grounds,
    source: str,
    places: Mapping[int, Place],
    version: DatasetVersion,
) -> list[Part]:
    standings = grounds.standings(version, row.opened_at, row.owned_at)
    counts = _counts(row, version, places, standings)
    return parts(places, counts, OWN_PLACE, _total(row, version))


def _owner_of(row: WeightVersion) -> str:
    """Who owned the dataset when that was used which a weight version divides."""
    return str(tenures.owner_at(row.version.dataset, row.owned_at).pk)


def _by_tokens(row: WeightVersion, version: DatasetVersion) -> bool:
    # A version without tokens has its records counted.
    return row.counted == Counted.TOKENS and version.token_count > 0


def _total(row: WeightVersion, version: DatasetVersion) -> int:
    # One without records counts as one.
    return (version.token_count if _by_tokens(row, version) else version.record_count) or 1


def _counts(
    row: WeightVersion,
    version: DatasetVersion,
    record_ids: Iterable[int],
    standings: Mapping[int, Standing],
) -> Counts:
    if not _by_tokens(row, version):
        return dict.fromkeys(record_ids, 1)
    known = {key: one.token_count for key, one in standings.items()}
    rest = [record_id for record_id in record_ids if record_id not in known]
    return known | dict(Record.objects.filter(pk__in=rest).values_list("pk", "token_count"))


def _cell(row: WeightVersion, restatement: int, ordinal: int, source: str, part: Part) -> Cell:
    return Cell(
        weight_version=row,
        restatement=restatement,
        ordinal=ordinal,
        source_id=None if source == str(row.version_id) else source,
        holders=[list(holder) for holder in part.place.holders],
        conflict_id=part.place.conflict_id or None,
        resolution_id=part.place.resolution_id or None,
        is_held=part.place.is_held,
        count=part.count,
        record_ids=list(part.record_ids),
    )


def _holders(rows: list[list[object]]) -> tuple[tuple[str, int], ...]:
    return tuple((str(holder), int(str(weight))) for holder, weight in rows)
