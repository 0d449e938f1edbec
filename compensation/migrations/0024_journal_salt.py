"""A salt of the journal's own, so that its lines can be committed to one by one."""

from django.db import migrations, models

# One statement makes and fills it; 244 of its bits are random.
SALT = """
ALTER TABLE compensation_journalhead ADD COLUMN salt bytea NOT NULL
  DEFAULT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
ALTER TABLE compensation_journalhead ALTER COLUMN salt DROP DEFAULT;
CREATE TRIGGER compensation_journalhead_keep_salt BEFORE UPDATE ON compensation_journalhead
  FOR EACH ROW WHEN (OLD.salt IS DISTINCT FROM NEW.salt)
  EXECUTE FUNCTION compensation_refuse_change();
"""
UNSALT = """
DROP TRIGGER compensation_journalhead_keep_salt ON compensation_journalhead;
ALTER TABLE compensation_journalhead DROP COLUMN salt;
"""


class Migration(migrations.Migration):
    """A salt of the journal's own, which never changes."""

    dependencies = [("compensation", "0023_policies")]

    operations = [
        migrations.RunSQL(
            SALT,
            UNSALT,
            state_operations=[
                migrations.AddField("journalhead", "salt", models.BinaryField(max_length=32))
            ],
        )
    ]
