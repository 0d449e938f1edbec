"""What a record counts between the contributors of its dataset: one published rule.

It divides only what the dataset earns anyway. No dataset, pool or price knows it, and a record has
one contributor, so that splitting, merging or registering twice can win nobody a unit: whoever's
names and datasets are rearranged, each record's points are the same and go to the same hands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

from provenance.models import Dataset, DatasetVersion

RULE: Final = "records-1"
FULL_POINTS: Final = 4
SHORT_POINTS: Final = 2
COPY_POINTS: Final = 0
SHORT_TOKENS: Final = 5

WORDS: Final = (
    f"Each record counts {FULL_POINTS} points.",
    f"A text of fewer than {SHORT_TOKENS} tokens counts {SHORT_POINTS}: it says little by itself.",
    f"A copy of a record that stands earlier in the same version counts {COPY_POINTS}.",
    "A record belongs to one contributor; what nobody is named for is the owner's.",
)

_POINTS = """
SELECT c.contributor_id, count(*), sum(r.points)::bigint
  FROM (SELECT id, CASE
                 WHEN row_number() OVER (PARTITION BY digest ORDER BY added_number, ordinal, id) > 1
                      THEN %(copy)s
                 WHEN %(is_text)s AND token_count < %(short_tokens)s THEN %(short)s
                 ELSE %(full)s END AS points
          FROM provenance_record
         WHERE dataset_id = %(dataset)s AND added_number <= %(number)s
           AND (withdrawn_number IS NULL OR withdrawn_number > %(number)s)) r
  LEFT JOIN provenance_recordcredit c ON c.record_id = r.id
 GROUP BY 1 ORDER BY 1 NULLS FIRST
"""


@dataclass(frozen=True)
class Points:
    """What one contributor's records count; `contributor_id` is None for nobody's."""

    contributor_id: Any
    record_count: int
    points: int


def points_of(version: DatasetVersion) -> list[Points]:
    """What the records of a version count, by contributor."""
    named: dict[str, Any] = {
        "dataset": version.dataset_id,
        "number": version.number,
        "is_text": version.dataset.kind == Dataset.Kind.TEXT,
        "copy": COPY_POINTS,
        "short": SHORT_POINTS,
        "short_tokens": SHORT_TOKENS,
        "full": FULL_POINTS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_POINTS, named)
        return [Points(*row) for row in cursor.fetchall()]
