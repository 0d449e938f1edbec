"""How the contested records of a version stand, in the words of `division`."""

from __future__ import annotations

from compensation.division import Standing
from provenance import conflicts
from provenance.models import DatasetVersion


def standings_of(version: DatasetVersion) -> dict[int, Standing]:
    """The records of `version` that are not simply its registrant's, by record id."""
    return {
        one.record_id: Standing(
            holders=tuple((str(party), weight) for party, weight in one.holders),
            conflict_id=str(one.conflict_id),
            resolution_id=str(one.resolution_id or ""),
            is_held=one.is_held,
            from_the_start=one.from_the_start,
            token_count=one.token_count,
        )
        for one in conflicts.standings(version)
    }
