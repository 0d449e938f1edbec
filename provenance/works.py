"""Single works: which records a run read, where its lab names them.

Names are evidence: they say which works earned, and change no counter and no charge. A name that
the version does not have is left out without a word, so that nobody learns by guessing what is in
a dataset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from provenance.models import DatasetVersion, Run, Usage
from provenance.refusals import Refused
from provenance.usage import find_version


class NothingReported(Refused):
    """The run has reported no use of that."""

    code = "nothing_reported"
    status = 404
    hint = "Report the counters first (POST /api/v1/usages), then name the records."


@dataclass(frozen=True)
class Named:
    """A record by its key or by its digest (SHA-256), and how often it was read so far."""

    count: int
    key: str = ""
    digest: bytes = b""


# A digest may stand for several copies in one dataset: the first is named. Counters only grow.
_NAME = """
INSERT INTO provenance_namedrecord (usage_id, record_id, stream, read_count)
SELECT %(usage)s, found.id, %(stream)s, max(found.count)
  FROM (
    SELECT r.id, given.count
      FROM unnest(%(keys)s::text[], %(key_counts)s::bigint[]) AS given (key, count)
      JOIN provenance_record r ON r.dataset_id = %(dataset)s AND r.key = given.key
     WHERE r.added_number <= %(number)s
       AND (r.withdrawn_number IS NULL OR r.withdrawn_number > %(number)s)
    UNION ALL
    SELECT min(r.id), given.count
      FROM unnest(%(digests)s::bytea[], %(digest_counts)s::bigint[]) AS given (digest, count)
      JOIN provenance_record r ON r.dataset_id = %(dataset)s AND r.digest = given.digest
     WHERE r.added_number <= %(number)s
       AND (r.withdrawn_number IS NULL OR r.withdrawn_number > %(number)s)
     GROUP BY given.digest, given.count
  ) AS found
 GROUP BY found.id
 ORDER BY found.id
ON CONFLICT (usage_id, record_id, stream)
DO UPDATE SET read_count = greatest(provenance_namedrecord.read_count, excluded.read_count)
"""


@transaction.atomic
def name_records(
    *, run: Run, subject: str, purpose: str, stream: str, records: Sequence[Named]
) -> Usage:
    """Note which records of `subject` a stream of `run` has read so far; safe to repeat.

    Counts are cumulative by stream, as those of usage are. Raises NothingReported.
    """
    version = find_version(subject)
    rows = Usage.objects.filter(run=run.top, purpose=purpose or run.purpose)
    usage = rows.filter(version=version).first() if version is not None else None
    if usage is None and version is not None and "/" in subject and "@" not in subject:
        # A newer version was sealed since its use was reported under the dataset's name.
        earlier = rows.filter(version__dataset=version.dataset_id).select_related("version")
        usage = earlier.order_by("-version__number").first()
    if usage is None or usage.version is None:
        raise NothingReported(f"No use of '{subject}' was reported by this run.")
    _keep(usage, usage.version, stream, records)
    return usage


def _keep(usage: Usage, version: DatasetVersion, stream: str, records: Sequence[Named]) -> None:
    keyed = [one for one in records if one.key]
    hashed = [one for one in records if not one.key]
    with connection.cursor() as cursor:
        cursor.execute(
            _NAME,
            {
                "usage": usage.pk,
                "stream": stream,
                "dataset": version.dataset_id,
                "number": version.number,
                "keys": [one.key for one in keyed],
                "key_counts": [one.count for one in keyed],
                "digests": [one.digest for one in hashed],
                "digest_counts": [one.count for one in hashed],
            },
        )
