"""What single works earned, where reports of use name the records that were read.

What a use earned its owner is divided among the records by how often each was read; what the
reports did not name stays unnamed. It is a reading of the earnings and moves no money.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

from compensation.models import Account, Asset
from provenance.models import Party

# Records that a conflict holds, or gave to the other side, earn nothing for their owner's account.
_WORKS = """
WITH earned AS (
  SELECT c.usage_id, n.dataset_id,
         sum(div(c.running_units * w.weight::numeric, v.weight_sum::numeric)
           - div((c.running_units - c.amount_units) * w.weight::numeric, v.weight_sum::numeric)
         ) AS units
    FROM compensation_account a
    JOIN compensation_weight w ON w.account_id = a.id
    JOIN compensation_weightversion v ON v.id = w.weight_version_id
    JOIN compensation_charge c ON c.weight_version_id = v.id AND c.running_units IS NOT NULL
    JOIN compensation_entry e ON e.id = c.entry_id
    JOIN provenance_datasetversion n ON n.id = v.version_id
    JOIN provenance_dataset d ON d.id = n.dataset_id AND d.owner_id = a.party_id
   WHERE a.party_id = %(party)s AND a.asset_id = %(asset)s AND a.kind = %(kind)s
     AND e.period_id BETWEEN %(first)s AND %(last)s AND c.usage_id IS NOT NULL
   GROUP BY 1, 2
), named AS (
  SELECT r.usage_id, r.record_id, sum(r.read_count) AS reads
    FROM provenance_namedrecord r
    JOIN earned ON earned.usage_id = r.usage_id
   WHERE NOT EXISTS (
     SELECT 1 FROM provenance_contestedrecord held
      WHERE held.record_id = r.record_id AND held.held_since IS NOT NULL
        AND held.released_at IS NULL)
   GROUP BY 1, 2
), counted AS (
  SELECT usage_id, sum(reads) AS reads FROM named GROUP BY 1
), works AS (
  SELECT earned.dataset_id, named.record_id, named.reads,
         floor(earned.units * named.reads / greatest(counted.reads, u.record_count)) AS units
    FROM earned
    JOIN provenance_usage u ON u.id = earned.usage_id
    JOIN counted ON counted.usage_id = u.id
    JOIN named ON named.usage_id = u.id
)
SELECT d.title, record.key, encode(record.digest, 'hex'), sum(works.reads), sum(works.units),
       count(*) OVER (), sum(sum(works.units)) OVER ()
  FROM works
  JOIN provenance_dataset d ON d.id = works.dataset_id
  JOIN provenance_record record ON record.id = works.record_id
 GROUP BY 1, 2, 3
 ORDER BY 5 DESC, 4 DESC, 1, 2
 LIMIT %(most)s
"""


@dataclass(frozen=True)
class Work:
    """What one record earned: how often reports say that it was read, and units of the asset."""

    dataset: str
    key: str
    sha256: str
    read_count: int
    amount_units: int


@dataclass(frozen=True)
class Works:
    """The works that earned most, how many there are, and what all of them earned together."""

    rows: list[Work]
    work_count: int
    amount_units: int


def works(*, party: Party, asset: Asset, first: str, last: str, most: int | None) -> Works:
    """What the party's own works earned in the months `first` to `last`; at most `most` of them."""
    named: dict[str, Any] = {
        "party": party.pk,
        "asset": asset.pk,
        "kind": Account.Kind.OWNER_PENDING,
        "first": first,
        "last": last,
        "most": most,
    }
    with connection.cursor() as cursor:
        cursor.execute(_WORKS, named)
        found = cursor.fetchall()
    rows = [Work(title, key, digest, int(reads), int(units)) for title, key, digest, reads, units,
            _, _ in found]  # fmt: skip
    count, total = (int(found[0][5]), int(found[0][6])) if found else (0, 0)
    return Works(rows, count, total)
