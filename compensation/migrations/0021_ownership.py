"""Weight versions by whose the data was when it was used."""

import datetime

from django.db import migrations, models

from compensation.sql import put_functions

CALLABLE = ("compensation_bill", "compensation_summarize")


def build(apps, schema_editor) -> None:
    """Divide by the weights of whose it was; whose they are never changes."""
    put_functions(schema_editor, "billing.sql", CALLABLE)
    schema_editor.execute(
        "CREATE TRIGGER compensation_weightversion_keep_owned_at BEFORE UPDATE"
        " ON compensation_weightversion FOR EACH ROW"
        " WHEN (OLD.owned_at IS DISTINCT FROM NEW.owned_at)"
        " EXECUTE FUNCTION compensation_refuse_change()"
    )


class Migration(migrations.Migration):
    """Weight versions by whose the data was when it was used."""

    dependencies = [
        ('compensation', '0020_fewer_trees'),
        ('provenance', '0026_ownership'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='weightversion',
            name='weight_version_open_once',
        ),
        migrations.AddField(
            model_name='stage',
            name='owned_at',
            field=models.DateTimeField(db_default=datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc), default=datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)),
        ),
        migrations.AddField(
            model_name='weightversion',
            name='owned_at',
            field=models.DateTimeField(db_default=datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc), default=datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)),
        ),
        migrations.AddConstraint(
            model_name='weightversion',
            constraint=models.UniqueConstraint(condition=models.Q(('closed_at__isnull', True)), fields=('version', 'asset', 'counted', 'owned_at'), name='weight_version_open_once'),
        ),
        migrations.RunPython(build, migrations.RunPython.noop),
    ]
