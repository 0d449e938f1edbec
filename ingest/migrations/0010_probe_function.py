"""The question behind every candidate pair as a function, which a session plans once.

Django's connections prepare no statements (a pooler may stand between), so that a few keys were
parsed and planned for as long as they took to find.
"""

from django.db import migrations

# The subqueries with a limit keep the plan at one index lookup a key and segment, whatever the
# statistics say. A block that does not hold the bytes of the key's end is not even sent.
FUNCTION = """
CREATE FUNCTION ingest_probe(
  p_kind smallint, p_keys bigint[], p_mixed bigint[], p_copied bigint[], p_most integer
) RETURNS TABLE (place bigint, segment integer, bits smallint, base bigint, body bytea)
  LANGUAGE plpgsql STABLE SET search_path = public, pg_temp
  SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  RETURN QUERY
  WITH sought AS MATERIALIZED (
    SELECT u.ordinality - 1 AS place, u.key, u.mixed
      FROM unnest(p_keys, p_mixed) WITH ORDINALITY AS u (key, mixed)
  )
  SELECT k.place, s.id, s.bits, s.base, b.body
    FROM ingest_segment s CROSS JOIN sought k CROSS JOIN LATERAL (
      SELECT i.body FROM ingest_block i
       WHERE i.segment_id = s.id AND i.bucket = (k.mixed >> (48 - s.bits))::int LIMIT 1) b
   WHERE s.kind = p_kind AND s.id <> ALL(p_copied)
     AND position(substring(int8send(k.mixed) FROM 9 - (55 - s.bits) / 8) IN b.body) > 0
  UNION ALL
  SELECT k.place, 0, 0::smallint, p.record_id, NULL
    FROM sought k CROSS JOIN LATERAL (
      SELECT i.record_id FROM ingest_posting i
       WHERE i.kind = p_kind AND i.key = k.key ORDER BY i.record_id LIMIT p_most) p
   WHERE EXISTS (SELECT FROM ingest_posting i WHERE i.kind = p_kind)
  UNION ALL
  SELECT -1, s.id, 0::smallint, 0, NULL FROM ingest_segment s WHERE s.id = ANY(p_copied);
END $$
"""


class Migration(migrations.Migration):
    """One function, which reads what its caller may read."""

    dependencies = [("ingest", "0009_progress")]

    operations = [
        migrations.RunSQL(
            FUNCTION, "DROP FUNCTION ingest_probe(smallint, bigint[], bigint[], bigint[], integer)"
        )
    ]
