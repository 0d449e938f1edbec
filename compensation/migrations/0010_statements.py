"""What statements and exports need."""

from django.db import migrations

# Which `journal.sealed` event covers an entry: asked for each explanation and each proof.
SEALED = """
CREATE INDEX event_journal_sealed ON provenance_event ((body -> 'number'))
 WHERE kind = 'journal.sealed'
"""


class Migration(migrations.Migration):
    """What statements and exports need."""

    dependencies = [("compensation", "0009_bank"), ("provenance", "0010_projects")]

    operations = [migrations.RunSQL(SEALED, "DROP INDEX event_journal_sealed")]
