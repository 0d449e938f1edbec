"""What owners publish, and what people without an account tell."""

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


def guard(apps, schema_editor) -> None:
    """Let a dataset's page come and go; let a concern be answered, and never vanish."""
    for table, columns, is_new in (
        ("provenance_dataset", "'title', 'description', 'published_at'", False),
        ("provenance_concern", "'answer', 'answered_by_id', 'answered_at'", True),
    ):
        schema_editor.execute(
            f"CREATE OR REPLACE TRIGGER {table}_keep BEFORE UPDATE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION provenance_keep_but({columns})",
            params=None,
        )
        for trigger, event, scope in (
            ("stays", "DELETE", "ROW"),
            ("is_whole", "TRUNCATE", "STATEMENT"),
        ) if is_new else ():
            schema_editor.execute(
                f"CREATE TRIGGER {table}_{trigger} BEFORE {event} ON {table}"
                f" FOR EACH {scope} EXECUTE FUNCTION provenance_refuse()",
                params=None,
            )


class Migration(migrations.Migration):
    """What owners publish, and what people without an account tell."""

    dependencies = [
        ('provenance', '0019_notices'),
    ]

    operations = [
        migrations.AddField(
            model_name='dataset',
            name='published_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name='Concern',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('email', models.EmailField(max_length=254)),
                ('what', models.TextField()),
                ('place', models.TextField()),
                ('why', models.TextField()),
                ('made_at', models.DateTimeField()),
                ('answer', models.TextField(blank=True)),
                ('answered_at', models.DateTimeField(null=True)),
                ('answered_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['email', '-made_at'], name='concern_by_sender')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('answer', ''), ('answered_at', None)), models.Q(('answered_at__isnull', False), models.Q(('answer', ''), _negated=True)), _connector='OR'), name='concern_is_answered_in_words')],
            },
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
