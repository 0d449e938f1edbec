"""Where datasets passed from one owner to another: what was used before, and since, is divided so.

A staged usage is told since when those have owned it whose it was when it was used; a usage that
was reported on both sides of that moment is charged up to it first.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import connection

from provenance.models import Tenure

# The counters as they stood, of what no charge has reached yet, the oldest of each usage first.
_STAGE = """
INSERT INTO compensation_stage (batch, usage_id, revision, kind, lab_id, version_id, grant_id,
                                rate_id, record_count, token_count, epoch_count, fetch_count,
                                used_at, run_id)
SELECT %(batch)s, due.id, due.revision,
       CASE WHEN due.grant_id IS NULL AND due.is_ungranted THEN 'ungranted'
            WHEN due.rate_id IS NULL THEN 'free' ELSE 'priced' END,
       due.lab_id, due.version_id, due.grant_id, due.rate_id, due.record_count,
       CASE WHEN due.record_count > 0 AND v.record_count > 0
            THEN div(v.token_count::numeric * due.record_count, v.record_count)::bigint
            ELSE due.token_count END,
       due.epoch_count, due.fetch_count, due.used_at,
       CASE WHEN due.cap_units IS NOT NULL THEN due.run_id END
  FROM (
    SELECT u.id, u.version_id, u.grant_id, u.rate_id, u.is_ungranted, u.run_id, k.revision,
           k.record_count, k.token_count, k.epoch_count, k.fetch_count, k.used_at, r.lab_id,
           r.cap_units
      FROM provenance_usagecut k
      JOIN provenance_usage u ON u.id = k.usage_id
      JOIN provenance_run r ON r.id = u.run_id
      LEFT JOIN LATERAL (SELECT c.revision FROM compensation_charge c
        WHERE c.usage_id = u.id ORDER BY c.revision DESC LIMIT 1) l ON true
      LEFT JOIN compensation_waiting w ON w.usage_id = u.id AND w.revision >= k.revision
      LEFT JOIN compensation_balance b ON b.account_id = w.account_id
     WHERE k.revision > coalesce(l.revision, 0)
       AND (u.awaits_grant_until IS NULL OR u.awaits_grant_until <= %(again)s)
       AND NOT EXISTS (SELECT FROM provenance_usagecut o WHERE o.usage_id = u.id
             AND o.revision < k.revision AND o.revision > coalesce(l.revision, 0))
       AND (w.usage_id IS NULL OR w.tried_at <= %(again)s
            OR (w.reason = 'no_funds'
                AND (b.floor IS NULL OR b.posted::numeric - b.held - b.floor >= w.needed_units))
            OR (w.reason = 'over_cap'
                AND (r.cap_units IS NULL OR r.cap_units >= w.needed_units)))
     ORDER BY k.used_at, k.id
     LIMIT %(limit)s
       FOR NO KEY UPDATE OF u SKIP LOCKED
  ) due
  JOIN provenance_datasetversion v ON v.id = due.version_id
 ORDER BY due.used_at, due.id
"""
# A dataset, those on the other side of its conflicts, and all that was made of any of them.
_SAY_WHOSE = """
WITH RECURSIVE reach AS (
  SELECT dataset_id, begins_at FROM provenance_tenure WHERE transfer_id IS NOT NULL
   UNION
  SELECT CASE WHEN c.later_id = t.dataset_id THEN c.earlier_id ELSE c.later_id END, t.begins_at
    FROM provenance_tenure t
    JOIN provenance_conflict c ON t.dataset_id IN (c.later_id, c.earlier_id)
   WHERE t.transfer_id IS NOT NULL
), below AS (
  SELECT dataset_id, begins_at FROM reach
   UNION
  SELECT d.child_id, b.begins_at FROM below b
    JOIN provenance_derivation d ON d.parent_id = b.dataset_id AND d.accepted_at IS NOT NULL
)
UPDATE compensation_stage s SET owned_at = found.begins_at
  FROM (SELECT s.id, max(b.begins_at) AS begins_at
          FROM compensation_stage s
          JOIN provenance_datasetversion v ON v.id = s.version_id
          JOIN below b ON b.dataset_id = v.dataset_id AND b.begins_at <= s.used_at
         WHERE s.batch = %(batch)s GROUP BY s.id) found
 WHERE s.id = found.id
"""


def stage(batch: UUID, limit: int, *, again: datetime) -> int:
    """Stage up to `limit` usages as they stood when their dataset passed on; how many."""
    with connection.cursor() as cursor:
        cursor.execute(_STAGE, {"batch": batch, "again": again, "limit": limit})
        return int(cursor.rowcount)


def say_whose(batch: UUID) -> None:
    """Tell each staged usage since when those own its dataset, and its parents, whose it was."""
    if not Tenure.objects.exists():
        return
    with connection.cursor() as cursor:
        cursor.execute(_SAY_WHOSE, {"batch": batch})
