"""Versions keep the digest of the file that they were read from, until they are erased."""

from django.db import migrations, models

# As in 0002_guards, and with the digest as the salt: once sealed, it may only be deleted.
_KEEP_VERSION = """
CREATE OR REPLACE FUNCTION provenance_keep_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  allowed record;
BEGIN
  IF OLD.sealed_at IS NULL THEN
    RETURN NEW;
  END IF;
  allowed := OLD;
  allowed.state := NEW.state;
  allowed.withdrawn_at := NEW.withdrawn_at;
  allowed.erased_at := NEW.erased_at;
  allowed.reason := NEW.reason;
  IF OLD.sealed_sequence IS NULL THEN
    allowed.sealed_sequence := NEW.sealed_sequence;
  END IF;
  IF NEW.salt IS NULL THEN
    allowed.salt := NULL;
  END IF;
  IF NEW.file_sha256 IS NULL THEN
    allowed.file_sha256 := NULL;
  END IF;
  IF allowed IS NOT DISTINCT FROM NEW AND NEW.state IN ('sealed', 'withdrawn', 'erased') THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'version % is sealed: it may only be withdrawn or erased', OLD.id
    USING ERRCODE = 'restrict_violation';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("provenance", "0031_edges_known_at")]

    operations = [
        migrations.AddField(
            "datasetversion", "file_sha256", models.BinaryField(max_length=32, null=True)
        ),
        migrations.RunSQL(_KEEP_VERSION, migrations.RunSQL.noop),
    ]
