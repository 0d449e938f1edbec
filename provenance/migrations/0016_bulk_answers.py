"""One answer to many conflicts, and what came of each."""

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

GUARDED = {
    "bulkanswer": "keep_but('finished_at')",
    "answeredconflict": "keep_but('pair_count', 'refusal', 'done_at')",
}


def guard(apps, schema_editor) -> None:
    """Set the triggers, as 0002_guards does for what was there before."""
    for name, check in GUARDED.items():
        table = f"provenance_{name}"
        for trigger, event, scope, function in (
            ("keep", "UPDATE", "ROW", check),
            ("stays", "DELETE", "ROW", "refuse()"),
            ("is_whole", "TRUNCATE", "STATEMENT", "refuse()"),
        ):
            schema_editor.execute(
                f"CREATE TRIGGER {table}_{trigger} BEFORE {event} ON {table}"
                f" FOR EACH {scope} EXECUTE FUNCTION provenance_{function}",
                params=None,
            )


class Migration(migrations.Migration):
    """Bulk answers."""

    dependencies = [
        ('provenance', '0015_sides_settle'),
    ]

    operations = [
        migrations.CreateModel(
            name='BulkAnswer',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('choice', models.CharField(choices=[('keep', 'Each keeps its own: I claim nothing'), ('give', "They are the other side's: I give them up"), ('claim', 'They are mine: I claim them'), ('dispute', 'I do not accept the claims'), ('reply', 'I reply to the answers'), ('withdraw', 'I withdraw my claims')], max_length=8)),
                ('text', models.TextField(blank=True)),
                ('evidence', models.TextField(blank=True)),
                ('filter', models.JSONField(default=dict)),
                ('made_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('party', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='bulk_answers', to='provenance.party')),
            ],
        ),
        migrations.CreateModel(
            name='AnsweredConflict',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('pair_count', models.BigIntegerField(default=0)),
                ('refusal', models.TextField(blank=True)),
                ('done_at', models.DateTimeField(null=True)),
                ('conflict', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='provenance.conflict')),
                ('answer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='cases', to='provenance.bulkanswer')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('done_at__isnull', True)), fields=['answer', 'id'], name='conflict_to_answer')],
                'constraints': [models.UniqueConstraint(fields=('answer', 'conflict'), name='conflict_once_per_bulk_answer')],
            },
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
