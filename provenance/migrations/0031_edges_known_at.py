"""Edges say since when they are known. Of those from before, the ledger's event of each tells it."""

from django.db import migrations, models
from django.db.models.functions import Now

_FROM_THE_LEDGER = """
ALTER TABLE provenance_runedge DISABLE TRIGGER USER;
UPDATE provenance_runedge e SET known_at = coalesce((
  SELECT min(v.recorded_at) FROM provenance_event v JOIN provenance_run r ON r.id = e.run_id
   WHERE v.subject_kind = CASE WHEN e.version_id IS NULL THEN 'model' ELSE 'version' END
     AND v.subject_id = coalesce(e.version_id, e.model_id)
     AND v.kind = 'run.' || e.direction AND v.body->>'run' = r.pseudonym), e.at);
ALTER TABLE provenance_runedge ENABLE TRIGGER USER;
"""


class Migration(migrations.Migration):
    dependencies = [("provenance", "0030_policy_reviews")]

    operations = [
        migrations.AddField("runedge", "known_at", models.DateTimeField(db_default=Now())),
        migrations.RunSQL(_FROM_THE_LEDGER, migrations.RunSQL.noop),
    ]
