"""The rules, each one query over what was reported lately; all thresholds are parameters.

Each continues `LATELY`, and gives: usage, run, subject, purpose, version, the other version, how
far off it is in reports or records, and the figures that show it.
"""

from __future__ import annotations

from typing import Final

from provenance.models import Review

LATELY: Final = """
WITH lately AS (
  SELECT id FROM provenance_usage WHERE reported_at >= %(since)s
  UNION SELECT usage_id FROM provenance_usagereport WHERE received_at >= %(since)s
  UNION SELECT u.id FROM provenance_run e JOIN provenance_usage u ON u.run_id = e.id
         WHERE e.ended_at >= %(since)s
), used AS (
  SELECT u.*, r.lab_id, r.state AS run_state, r.started_at, r.ended_at, v.dataset_id,
         v.record_count AS size, v.token_count AS size_tokens
    FROM lately l JOIN provenance_usage u ON u.id = l.id
    JOIN provenance_run r ON r.id = u.run_id
    LEFT JOIN provenance_datasetversion v ON v.id = u.version_id
)"""

# A number that a later one overtook, and that did not come within the grace.
_GAP: Final = """
SELECT u.id, u.run_id, u.subject, u.purpose, u.version_id, NULL::uuid, sum(g.missing)::bigint,
       jsonb_build_object('missing', sum(g.missing), 'streams', jsonb_agg(jsonb_build_object(
         'stream', p.stream, 'meter', p.meter, 'missing', p.missing, 'last', p.sequence)
         ORDER BY p.meter, p.stream))
  FROM used u JOIN provenance_usagereport p ON p.usage_id = u.id
  CROSS JOIN LATERAL (SELECT sum((m->>1)::bigint - (m->>0)::bigint + 1) AS missing
                        FROM jsonb_array_elements(p.missing) m) g
 WHERE p.gap_since <= %(at)s - %(gap_grace_seconds)s * interval '1 second'
 GROUP BY u.id, u.run_id, u.subject, u.purpose, u.version_id
"""

# More than planned at any time; less than planned once the run is over, or nothing at all.
_PLAN: Final = """, planned AS (
  SELECT p.*, r.state AS run_state, v.record_count AS size
    FROM provenance_runplan p JOIN provenance_run r ON r.id = p.run_id
    LEFT JOIN provenance_datasetversion v ON v.id = p.version_id
   WHERE p.run_id IN (SELECT run_id FROM used
                      UNION SELECT id FROM provenance_run WHERE ended_at >= %(since)s)
), held AS (
  SELECT u.id, p.run_id, p.subject, p.purpose, p.version_id, p.run_state,
         CASE WHEN p.record_count IS NULL AND (p.size IS NULL OR coalesce(u.record_count, 0) = 0)
              THEN 'epochs' ELSE 'records' END AS counted,
         coalesce(p.record_count, p.size::numeric * p.epoch_count) AS records,
         p.epoch_count AS epochs, coalesce(u.record_count, 0) AS used_records,
         coalesce(u.epoch_count, 0) AS used_epochs
    FROM planned p
    LEFT JOIN provenance_usage u
      ON u.run_id = p.run_id AND u.subject = p.subject AND u.purpose = p.purpose
), compared AS (
  SELECT h.*, CASE counted WHEN 'records' THEN records ELSE epochs END AS expected,
         CASE counted WHEN 'records' THEN used_records ELSE used_epochs END AS reported,
         CASE counted WHEN 'records' THEN %(least_records)s ELSE 1 END AS least
    FROM held h
)
SELECT c.id, c.run_id, c.subject, c.purpose, c.version_id, NULL::uuid,
       least(abs(c.reported - c.expected), 9223372036854775807)::bigint,
       jsonb_build_object('counted', c.counted, 'expected', c.expected, 'reported', c.reported,
         'direction', CASE WHEN c.reported > c.expected THEN 'surge' ELSE 'drop' END)
  FROM compared c
 WHERE abs(c.reported - c.expected) >= c.least
   AND (c.reported * 100.0 > c.expected * (100 + %(plan_tolerance_percent)s)
        OR (c.run_state <> 'running'
            AND c.reported * 100.0 < c.expected * (100 - %(plan_tolerance_percent)s)))
"""

# The lab's other runs on the dataset for the purpose, or, where they are too few, on any dataset
# for it: in passes over the dataset, on a logarithmic scale; the run itself, once it is over, is
# one of them and hardly moves a median. A run that was cut short used less for a good reason: a
# drop counts only where the run lasted about as long as usual.
_HISTORY: Final = """, runs AS (
  SELECT r.* FROM (SELECT DISTINCT lab_id FROM used) l
   CROSS JOIN LATERAL (
     SELECT id, lab_id, started_at, ended_at FROM provenance_run
      WHERE lab_id = l.lab_id AND root_id IS NULL AND state <> 'running'
        AND started_at >= %(at)s - interval '365 days'
      ORDER BY started_at DESC LIMIT 1000) r
), past AS (
  SELECT r.lab_id, u.purpose, v.dataset_id, ln(u.record_count::float8 / v.record_count) AS x,
         extract(epoch FROM r.ended_at - r.started_at) AS seconds
    FROM runs r JOIN provenance_usage u ON u.run_id = r.id AND u.record_count > 0
    JOIN provenance_datasetversion v ON v.id = u.version_id AND v.record_count > 0
), habits AS (
  SELECT lab_id, purpose, dataset_id, count(*) AS runs, array_agg(x) AS xs,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY x) AS middle,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS seconds
    FROM past GROUP BY GROUPING SETS ((lab_id, purpose, dataset_id), (lab_id, purpose))
), spread AS (
  SELECT h.*, greatest(ln(%(history_factor)s::float8), %(history_deviations)s * 1.4826 * (
           SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(e.x - h.middle))
             FROM unnest(h.xs) e(x))) AS allowed
    FROM habits h
), held AS (
  SELECT DISTINCT ON (u.id) u.*, ln(u.record_count::float8 / u.size) AS x, h.middle, h.allowed,
         h.seconds, h.runs - (u.run_state <> 'running')::integer AS runs,
         h.dataset_id IS NOT NULL AS same_dataset
    FROM used u
    JOIN spread h ON h.lab_id = u.lab_id AND h.purpose = u.purpose
     AND (h.dataset_id = u.dataset_id OR h.dataset_id IS NULL)
     AND h.runs - (u.run_state <> 'running')::integer >= %(history_runs)s
   WHERE u.record_count > 0 AND u.size > 0
   ORDER BY u.id, h.dataset_id NULLS LAST
)
SELECT s.id, s.run_id, s.subject, s.purpose, s.version_id, NULL::uuid,
       least(abs(s.record_count - exp(s.middle) * s.size), 9e18)::bigint,
       jsonb_build_object('reported', s.record_count, 'usual', round(exp(s.middle) * s.size),
         'runs', s.runs, 'same_dataset', s.same_dataset,
         'low', round(exp(s.middle - s.allowed) * s.size),
         'high', round(exp(least(s.middle + s.allowed, 600)) * s.size),
         'direction', CASE WHEN s.x > s.middle THEN 'surge' ELSE 'drop' END)
  FROM held s
 WHERE abs(s.record_count - exp(s.middle) * s.size) >= %(least_records)s
   AND (s.x > s.middle + s.allowed
        OR (s.x < s.middle - s.allowed AND s.run_state <> 'running'
            AND extract(epoch FROM s.ended_at - s.started_at) >= s.seconds / 2))
"""

# One epoch more than said may be under way. Without epochs there is nothing to hold it against.
_SIZE: Final = """, bound AS (
  SELECT u.*, u.size::numeric * (u.epoch_count + 1) AS most,
         u.size_tokens::numeric * (u.epoch_count + 1) * %(token_factor)s AS most_tokens
    FROM used u WHERE u.epoch_count > 0 AND u.size > 0
)
SELECT b.id, b.run_id, b.subject, b.purpose, b.version_id, NULL::uuid,
       least(greatest(b.record_count - b.most, b.token_count - b.most_tokens),
             9223372036854775807)::bigint,
       jsonb_build_object('records', b.record_count, 'tokens', b.token_count,
         'epochs', b.epoch_count, 'size', b.size, 'size_tokens', b.size_tokens,
         'most', b.most, 'most_tokens', b.most_tokens)
  FROM bound b
 WHERE b.record_count * 100.0 > b.most * (100 + %(size_tolerance_percent)s)
    OR (b.size_tokens > 0 AND b.token_count > b.most_tokens)
"""

# Two versions in one run that are (nearly) the same records; a lab's own version that is another's
# earlier one; and a name nobody registered that reads like one somebody did.
_TWO_NAMES: Final = """, pairs AS (
  SELECT a.id, a.run_id, a.subject, a.purpose, a.version_id, b.version_id AS other_id,
         a.dataset_id, b.dataset_id AS other_dataset_id, least(a.size, b.size) AS smaller
    FROM used a JOIN provenance_usage u ON u.run_id = a.run_id AND u.version_id < a.version_id
    JOIN (SELECT id AS version_id, dataset_id, record_count AS size
            FROM provenance_datasetversion) b ON b.version_id = u.version_id
   WHERE least(a.size, b.size) > 0
), alike AS (
  SELECT p.*, 'in_one_run' AS how, o.exact_count AS shared
    FROM pairs p JOIN provenance_overlap o
      ON (o.later_id, o.earlier_id) IN ((p.version_id, p.other_id), (p.other_id, p.version_id))
  UNION ALL
  SELECT p.*, 'in_one_run', n.shared
    FROM pairs p JOIN provenance_datasetversion a ON a.id = p.version_id
    JOIN provenance_datasetversion b ON b.id = p.other_id
    CROSS JOIN LATERAL (
      SELECT count(*) AS shared FROM provenance_record r
       WHERE r.dataset_id = p.dataset_id AND r.added_number <= least(a.number, b.number)
         AND (r.withdrawn_number IS NULL OR r.withdrawn_number > greatest(a.number, b.number))) n
   WHERE p.dataset_id = p.other_dataset_id
  UNION ALL
  SELECT u.id, u.run_id, u.subject, u.purpose, u.version_id, o.earlier_id, u.dataset_id,
         ev.dataset_id, least(u.size, ev.record_count), 'own_copy', o.exact_count
    FROM used u JOIN provenance_dataset d ON d.id = u.dataset_id AND d.owner_id = u.lab_id
    JOIN provenance_overlap o ON o.later_id = u.version_id
    JOIN provenance_datasetversion ev ON ev.id = o.earlier_id
    JOIN provenance_dataset ed ON ed.id = ev.dataset_id AND ed.owner_id <> u.lab_id
   WHERE least(u.size, ev.record_count) > 0
), named AS (
  SELECT u.*, regexp_replace(lower(split_part(u.subject, '@', 1)), '[^[:alnum:]]', '', 'g') AS plain
    FROM used u WHERE u.version_id IS NULL
)
(SELECT DISTINCT ON (a.id) a.id, a.run_id, a.subject, a.purpose, a.version_id, a.other_id,
        a.shared::bigint, jsonb_build_object('how', a.how, 'shared', a.shared,
          'smaller', a.smaller)
   FROM alike a WHERE a.shared * 100.0 >= a.smaller * %(same_content_percent)s
  ORDER BY a.id, a.shared DESC, a.other_id)
UNION ALL
(SELECT DISTINCT ON (n.id) n.id, n.run_id, n.subject, n.purpose, NULL::uuid, v.id, n.record_count,
        jsonb_build_object('how', 'reads_like', 'said', left(n.subject, 300),
          'registered', o.namespace || '/' || d.name, 'records', n.record_count)
   FROM named n
   JOIN (provenance_dataset d JOIN provenance_party o ON o.id = d.owner_id)
     ON n.plain <> ''
    AND n.plain IN (regexp_replace(o.namespace || d.name, '[^[:alnum:]]', '', 'g'),
                    regexp_replace('datasets' || o.namespace || d.name, '[^[:alnum:]]', '', 'g'))
   JOIN provenance_datasetversion v ON v.dataset_id = d.id AND v.state = 'sealed'
  ORDER BY n.id, v.number DESC)
"""

# What the usage's own meter counted against each other one, once the run is over. A hub sees the
# data fetched once, whatever is read of it: less than one part in so many of it is odd.
_METERS: Final = """, sums AS (
  SELECT p.usage_id, p.meter, sum(p.record_count) AS records, sum(p.token_count) AS tokens,
         max(p.epoch_count) AS epochs
    FROM provenance_usagereport p JOIN used u ON u.id = p.usage_id AND u.run_state <> 'running'
   GROUP BY p.usage_id, p.meter
), pairs AS (
  SELECT u.id, u.run_id, u.subject, u.purpose, u.version_id, m.meter, o.meter AS other_meter,
         CASE WHEN o.records > 0 AND (m.records > 0 OR m.tokens = 0) THEN 'records'
              WHEN o.tokens > 0 AND (m.tokens > 0 OR m.records = 0) THEN 'tokens' END AS counted,
         m.records, m.tokens, m.epochs, o.records AS other_records, o.tokens AS other_tokens
    FROM used u JOIN sums m ON m.usage_id = u.id AND m.meter = u.meter
    JOIN sums o ON o.usage_id = u.id AND o.meter <> u.meter
), compared AS (
  SELECT p.*, CASE counted WHEN 'records' THEN records ELSE tokens END AS mine,
         CASE counted WHEN 'records' THEN other_records ELSE other_tokens END AS theirs
    FROM pairs p WHERE counted IS NOT NULL
)
SELECT DISTINCT ON (c.id) c.id, c.run_id, c.subject, c.purpose, c.version_id, NULL::uuid,
       abs(c.mine - c.theirs)::bigint,
       jsonb_build_object('counted', c.counted, 'meter', c.meter, 'reported', c.mine,
         'epochs', c.epochs, 'other_meter', c.other_meter, 'other_reported', c.theirs)
  FROM compared c
 WHERE abs(c.mine - c.theirs) >= %(least_records)s
   AND CASE c.other_meter
         WHEN 'hub' THEN c.mine / greatest(c.epochs, 1) * %(fetch_factor)s < c.theirs
         ELSE abs(c.mine - c.theirs) * 100.0
              > greatest(c.mine, c.theirs) * %(meter_tolerance_percent)s END
 ORDER BY c.id, abs(c.mine - c.theirs) DESC, c.other_meter
"""

RULES: Final[dict[Review.Rule, str]] = {
    Review.Rule.GAP: _GAP,
    Review.Rule.PLAN: _PLAN,
    Review.Rule.HISTORY: _HISTORY,
    Review.Rule.SIZE: _SIZE,
    Review.Rule.TWO_NAMES: _TWO_NAMES,
    Review.Rule.METERS: _METERS,
}

# What was looked at, as (usage, run): what is no longer found there is gone.
LOOKED_AT: Final = """
SELECT id, run_id FROM used
UNION ALL SELECT NULL::uuid, id FROM provenance_run WHERE ended_at >= %(since)s
"""
