"""Columns of tables across datasets: kept when a version is sealed, compared when it is screened.

What is found is evidence beside the rows, or a lead where no row matches; it opens and holds
nothing. For tables that share columns, the rows that are equal in those are counted exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from django.db import connection
from tallymark.fingerprint import normalise

from ingest import verdict
from ingest.fingerprint import columns, rows
from ingest.fingerprint.columns import Column
from ingest.models import ColumnSketch, Sketch, Upload
from provenance.models import Dataset, DatasetVersion, Overlap, Record

LONGEST_NAME = 200
MOST_COLUMNS = 256
MOST_VERSIONS = 16
"""Earlier versions that one version's columns are compared with: those that share most keys."""
LEAST_SHARE = 0.3
"""Of a column's values in another, from which on that is worth a line."""
LEADING_SHARE = 0.5
MOST_ROWS = 2_000_000
"""Rows of both sides of all comparisons of one version: some 20 s. Those of larger tables are not
counted by their shared columns."""
CHUNK = 2_000

NEAREST = """
SELECT version.id, count(*) AS keys
FROM unnest(%s::bigint[]) AS sought (key)
JOIN ingest_columnsketch AS held ON held.keys @> ARRAY[sought.key]
JOIN provenance_datasetversion AS version ON version.id = held.version_id
WHERE held.scheme = %s AND version.dataset_id <> %s AND version.state = 'sealed'
  AND version.sealed_sequence < %s
  AND NOT EXISTS (
    SELECT FROM provenance_datasetversion AS newer
    WHERE newer.dataset_id = version.dataset_id AND newer.number > version.number
      AND newer.state = 'sealed' AND newer.sealed_sequence < %s)
GROUP BY version.id ORDER BY keys DESC, version.id LIMIT %s
"""


class Named(NamedTuple):
    """A column of a version."""

    name: str
    hash: int
    column: Column


class Pair(NamedTuple):
    """Two columns, and how much of each is in the other: share, low and high of 95 %."""

    later: Named
    earlier: Named
    of_later: tuple[float, float, float]
    of_earlier: tuple[float, float, float]

    @property
    def is_telling(self) -> bool:
        """Whether what they share is in few tables by chance."""
        return self.later.column.is_telling and self.earlier.column.is_telling

    @property
    def is_leading(self) -> bool:
        """Whether the pair alone is worth a person's look."""
        leads = self.later.column.is_leading and self.earlier.column.is_leading
        return leads and max(self.of_later[1], self.of_earlier[1]) >= LEADING_SHARE

    @property
    def shown(self) -> dict[str, Any]:
        """What the owners of both are shown."""
        return {
            "later": self.later.name,
            "earlier": self.earlier.name,
            "of_later": [round(share, 4) for share in self.of_later],
            "of_earlier": [round(share, 4) for share in self.of_earlier],
            "is_telling": self.is_telling,
        }


def keep(version: DatasetVersion) -> None:
    """Sketch the columns of a version that was just sealed; safe to repeat."""
    if version.dataset.kind != Dataset.Kind.TABLE:
        return
    found = columns.of_rows(_parts(version))
    names = _names(version)
    telling_first = sorted(found.items(), key=lambda item: -item[1].bits)[:MOST_COLUMNS]
    ColumnSketch.objects.filter(version=version).delete()
    ColumnSketch.objects.bulk_create(
        ColumnSketch(
            version=version,
            scheme=columns.SCHEME,
            name=names.get(name, f"#{name:08x}"),
            name_hash=name,
            cell_count=column.cell_count,
            bits=column.bits,
            hashes=column.hashes.astype("<u8").tobytes(),
            keys=column.keys.tolist(),
        )
        for name, column in telling_first
    )


def _parts(version: DatasetVersion) -> Iterator[bytes]:
    """The row sketches of all records of a version."""
    records = Record.objects.of_version(version)
    stored = Sketch.objects.filter(record__in=records, scheme=rows.SCHEME)
    for part in stored.values_list("values", flat=True).iterator(CHUNK):
        yield bytes(part)


def _names(version: DatasetVersion) -> dict[int, str]:
    """What the columns of a dataset's files were called, by the hash of the canonical name."""
    uploads = Upload.objects.filter(version__dataset=version.dataset_id)
    known = {name for held in uploads.values_list("columns", flat=True) for name in held}
    return {rows.name_hash(normalise(name)): name[:LONGEST_NAME] for name in sorted(known)}


def forget_ended() -> int:
    """Delete the columns of versions that are no longer registered; how many."""
    ended = ("failed", "withdrawn", "erased")
    return ColumnSketch.objects.filter(version__state__in=ended).delete()[0]


def compare(version: DatasetVersion, *, at: datetime) -> None:
    """Note on the overlaps of a screened version what its columns share; add those that lead."""
    mine = _of(version)
    if not mine:
        return
    overlaps = {
        overlap.earlier_id: overlap
        for overlap in Overlap.objects.filter(later=version, detector=verdict.DETECTOR)
        .select_related("earlier")
        .order_by("earlier__sealed_sequence")
    }
    rows_left = MOST_ROWS
    for earlier in [overlap.earlier for overlap in overlaps.values()] + [
        found
        for found in _nearest(version, mine)
        if found.dataset_id not in {overlap.earlier.dataset_id for overlap in overlaps.values()}
    ]:
        pairs = paired(mine, _of(earlier))
        overlap = overlaps.get(earlier.pk)
        if overlap is None and any(pair.is_leading for pair in pairs):
            overlap = _lead(version, earlier, at=at)
        if overlap is not None and pairs:
            overlap.details["columns"] = [pair.shown for pair in pairs]
            count = sum(Record.objects.of_version(side).count() for side in (version, earlier))
            if count <= rows_left and any(pair.is_telling for pair in pairs):
                rows_left -= count
                overlap.details["rows"] = shared_rows(version, earlier, pairs)
            overlap.save(update_fields=["details"])


def _of(version: DatasetVersion) -> list[Named]:
    """The columns of a version."""
    return [
        Named(
            row.name,
            row.name_hash,
            Column(np.frombuffer(row.hashes, "<u8"), row.cell_count, row.bits),
        )
        for row in ColumnSketch.objects.filter(version=version, scheme=columns.SCHEME)
    ]


def _nearest(version: DatasetVersion, mine: Sequence[Named]) -> list[DatasetVersion]:
    """The newest versions of other datasets, registered before, that share most keys."""
    keys = sorted({key for named in mine for key in named.column.keys.tolist()})
    place = version.sealed_sequence
    with connection.cursor() as cursor:
        cursor.execute(
            NEAREST, [keys, columns.SCHEME, version.dataset_id, place, place, MOST_VERSIONS]
        )
        found = [pk for pk, _ in cursor.fetchall()]
    known = DatasetVersion.objects.in_bulk(found)
    return [known[pk] for pk in found]


def _lead(version: DatasetVersion, earlier: DatasetVersion, *, at: datetime) -> Overlap:
    """An overlap without a match: it opens nothing."""
    made, _ = Overlap.objects.get_or_create(
        later=version,
        earlier=earlier,
        detector=verdict.DETECTOR,
        defaults={"found_at": at, "false_accusation_rate": verdict.FALSE_ACCUSATION_RATE},
    )
    return made


def paired(mine: Sequence[Named], theirs: Sequence[Named]) -> list[Pair]:
    """Each column with the one of the other table that it shares most with, each used once.

    Columns of one name are paired first where they share enough; of others only telling ones.
    """
    found = [pair for one in mine for other in theirs if (pair := _pair(one, other))]
    found.sort(
        key=lambda pair: (
            pair.later.hash != pair.earlier.hash,
            -max(pair.of_later[0], pair.of_earlier[0]),
            pair.later.name,
            pair.earlier.name,
        )
    )
    used: set[tuple[str, int]] = set()
    result = []
    for pair in found:
        ends = {("later", pair.later.hash), ("earlier", pair.earlier.hash)}
        if not ends & used:
            used |= ends
            result.append(pair)
    return result


def _pair(one: Named, other: Named) -> Pair | None:
    same_name = one.hash == other.hash
    if not same_name and not (one.column.is_telling and other.column.is_telling):
        return None
    ours, theirs = (
        columns.shared(one.column, other.column),
        columns.shared(other.column, one.column),
    )
    is_counted = one.column.is_whole and other.column.is_whole
    pair = Pair(
        one, other, _share(*ours, is_counted=is_counted), _share(*theirs, is_counted=is_counted)
    )
    worth = max(pair.of_later[0], pair.of_earlier[0]) >= LEAST_SHARE
    return pair if worth or same_name else None


def _share(held: int, drawn: int, *, is_counted: bool) -> tuple[float, float, float]:
    """The share with its 95 % interval, which is the share itself where all was counted."""
    share = held / drawn if drawn else 0.0
    return (share, share, share) if is_counted else (share, *verdict.wilson(held, drawn))


def shared_rows(
    version: DatasetVersion, earlier: DatasetVersion, pairs: Sequence[Pair]
) -> dict[str, int]:
    """How many rows of `version` equal one of `earlier` in the columns of `pairs`, exactly."""
    mine = columns.projected(_parts(version), [pair.later.hash for pair in pairs])
    theirs = columns.projected(_parts(earlier), [pair.earlier.hash for pair in pairs])
    return {
        "shared": int(np.isin(mine, theirs).sum()),
        "of_later": len(mine),
        "of_earlier": len(theirs),
        "columns": len(pairs),
    }
