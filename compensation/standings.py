"""How the contested records of a version stand: whose they are, and what holds them."""

from __future__ import annotations

from collections.abc import Iterable

from compensation.division import Holders, Standing
from provenance.models import ContestedRecord, DatasetVersion, Record, Resolution

Outcome = Resolution.Outcome
WHOLE_BASIS_POINTS = 10_000


def standings_of(version: DatasetVersion) -> dict[int, Standing]:
    """The standing of each contested record of `version`, by record id.

    An open hold goes before every resolution; among resolutions the latest decides.
    """
    rows = (
        ContestedRecord.objects.filter(record__in=Record.objects.of_version(version))
        .select_related("record", "conflict__later", "conflict__earlier", "resolution__conflict")
        .order_by("record", "conflict__opened_at", "conflict")
    )
    by_record: dict[int, list[ContestedRecord]] = {}
    for row in rows:
        by_record.setdefault(row.record_id, []).append(row)
    return {record_id: _standing(version, found) for record_id, found in by_record.items()}


def _standing(version: DatasetVersion, rows: Iterable[ContestedRecord]) -> Standing:
    held = [row for row in rows if row.held_since and not row.released_at]
    resolved = sorted(
        (row for row in rows if row.resolution is not None),
        key=lambda row: (row.resolution.decided_at, str(row.resolution_id)),  # type: ignore[union-attr]
    )
    governing = held[0] if held else resolved[-1] if resolved else None
    registrant: Holders = ((str(version.dataset.owner_id), 1),)
    first = next(iter(rows))
    resolution = None if held or governing is None else governing.resolution
    return Standing(
        holders=holders(version, resolution) if resolution else registrant,
        conflict_id=str(governing.conflict_id) if governing else "",
        resolution_id=str(resolution.pk) if resolution else "",
        is_held=bool(held),
        from_the_start=resolution.from_the_start if resolution else False,
        count=first.record.token_count,
    )


def holders(version: DatasetVersion, resolution: Resolution) -> Holders:
    """Whose the resolved records of `version` are."""
    conflict = resolution.conflict
    earlier, later = str(conflict.earlier.owner_id), str(conflict.later.owner_id)
    match resolution.outcome:
        case Outcome.TO_EARLIER:
            return ((earlier, 1),)
        case Outcome.TO_LATER:
            return ((later, 1),)
        case Outcome.SHARED:
            part = resolution.earlier_basis_points
            shares = sorted([(earlier, part), (later, WHOLE_BASIS_POINTS - part)])
            return tuple(share for share in shares if share[1])
    return ((str(version.dataset.owner_id), 1),)
