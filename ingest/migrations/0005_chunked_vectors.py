"""A vector for each chunk of a record, with all that says which model made it; and their index.

Vectors that were made as means of chunks are not comparable with those of single chunks: they go,
and their uploads are embedded again.
"""

from django.conf import settings
from django.db import migrations, models

# The application has no DDL, and the column no fixed dimension: for each weights an index over
# their own rows is made by this function, once there are enough, and anew when they have become
# four times as many (an inverted file is as good as the lists that it was trained with).
FUNCTION = """
CREATE FUNCTION ingest_keep_vector_index(p_weights text) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
  SET maintenance_work_mem = '256MB' AS $$
DECLARE
  fewest CONSTANT bigint := 10000;
  prefix text := 'ingest_vectors_' || left(p_weights, 16) || '_';
  v_rows bigint;
  v_dimension integer;
  v_lists integer;
  standing integer;
  old text;
BEGIN
  IF p_weights !~ '^[0-9a-f]{64}$' THEN
    RAISE EXCEPTION 'a digest of weights is 64 hexadecimal digits'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  SELECT max(right(indexname, -length(prefix))::integer) INTO standing FROM pg_indexes
   WHERE schemaname = 'public' AND tablename = 'ingest_embedding'
     AND starts_with(indexname, prefix);
  SELECT count(*), max(dimension) INTO v_rows, v_dimension FROM ingest_embedding
   WHERE weights_digest = p_weights;
  v_lists := least(sqrt(v_rows), 32768);
  IF v_rows < fewest OR v_dimension > 4000 OR v_lists < 2 * coalesce(standing, 0) THEN
    RETURN coalesce(standing, 0);
  END IF;
  IF NOT pg_try_advisory_xact_lock(hashtext(prefix)) THEN
    RETURN coalesce(standing, 0);
  END IF;
  EXECUTE format(
    'CREATE INDEX %I ON ingest_embedding USING ivfflat ((vector::halfvec(%s)) halfvec_ip_ops)'
    ' WITH (lists = %s) WHERE weights_digest = %L',
    prefix || v_lists, v_dimension, v_lists, p_weights);
  FOR old IN SELECT indexname FROM pg_indexes
    WHERE schemaname = 'public' AND tablename = 'ingest_embedding'
      AND starts_with(indexname, prefix) AND indexname <> prefix || v_lists
  LOOP
    EXECUTE format('DROP INDEX %I', old);
  END LOOP;
  RETURN v_lists;
END $$
"""
NAME = "ingest_keep_vector_index(text)"
REMAKE = """
DELETE FROM ingest_embedding;
UPDATE ingest_upload SET embedded_at = NULL, embedded_to = 0, embedded_count = 0
 WHERE embedded_at IS NOT NULL OR embedded_count > 0;
"""


def build(apps, schema_editor) -> None:
    """Make the function, for the application to call."""
    schema_editor.execute(FUNCTION, params=None)
    schema_editor.execute(f"REVOKE ALL ON FUNCTION {NAME} FROM PUBLIC")
    role = settings.APP_DATABASE_ROLE
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_roles WHERE rolname = %s AND rolname <> current_user", [role]
        )
        if cursor.fetchone():
            quoted = schema_editor.quote_name(role)
            schema_editor.execute(f"GRANT EXECUTE ON FUNCTION {NAME} TO {quoted}")


def drop(apps, schema_editor) -> None:
    """Take the function away again."""
    schema_editor.execute(f"DROP FUNCTION {NAME}")


class Migration(migrations.Migration):

    dependencies = [("ingest", "0004_index_segments")]

    operations = [
        migrations.RunSQL(REMAKE, migrations.RunSQL.noop),
        migrations.AlterField("embedding", "model", models.CharField(max_length=200)),
        migrations.AddField(
            "embedding", "revision", models.CharField(default="", max_length=100),
            preserve_default=False,
        ),
        migrations.AddField(
            "embedding", "dimension", models.PositiveIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.AddField(
            "embedding", "span_start", models.PositiveIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.AddField(
            "embedding", "span_end", models.PositiveIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.RunPython(build, drop),
    ]
