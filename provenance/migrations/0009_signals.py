"""Declared plans of runs, and signals on their reports."""

import uuid

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# For each table the function that checks an UPDATE; none of them is deleted from or emptied.
GUARDED = {
    "runplan": "refuse()",
    "review": "keep_but('measure', 'evidence', 'usage_id', 'other_version_id', 'state',"
    " 'found_at', 'gone_at', 'assignee_id', 'outcome', 'reason', 'closed_by_id', 'closed_at')",
    "reviewnote": "refuse()",
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
    """Declared plans of runs, and signals on their reports."""

    dependencies = [("provenance", "0008_splits")]

    operations = [
        migrations.CreateModel(
            name='Review',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('rule', models.CharField(choices=[('gap', 'Reports are missing'), ('plan', "Differs from the run's plan"), ('history', 'Differs from earlier runs'), ('size', 'More than the dataset holds'), ('two_names', 'One content under two names'), ('meters', 'Meters disagree')], max_length=10)),
                ('subject', models.CharField(max_length=300)),
                ('purpose', models.CharField(choices=[('pretrain', 'Pre-training'), ('finetune', 'Fine-tuning'), ('evaluate', 'Evaluation'), ('retrieve', 'Retrieval'), ('research', 'Non-commercial research')], max_length=20)),
                ('measure', models.BigIntegerField()),
                ('evidence', models.JSONField()),
                ('state', models.CharField(choices=[('open', 'Open'), ('closed', 'Closed')], default='open', max_length=6)),
                ('raised_at', models.DateTimeField()),
                ('found_at', models.DateTimeField()),
                ('gone_at', models.DateTimeField(null=True)),
                ('outcome', models.CharField(blank=True, choices=[('explained', 'Explained'), ('corrected', 'A mistake, and corrected'), ('misreported', 'Misreported'), ('false_alarm', 'The rule was wrong')], max_length=12)),
                ('reason', models.TextField(blank=True)),
                ('closed_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='ReviewNote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.TextField()),
                ('made_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='RunPlan',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject', models.CharField(max_length=300)),
                ('purpose', models.CharField(choices=[('pretrain', 'Pre-training'), ('finetune', 'Fine-tuning'), ('evaluate', 'Evaluation'), ('retrieve', 'Retrieval'), ('research', 'Non-commercial research')], max_length=20)),
                ('record_count', models.BigIntegerField(null=True)),
                ('epoch_count', models.BigIntegerField(null=True)),
                ('declared_at', models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name='usagereport',
            name='gap_since',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='usagereport',
            name='missing',
            field=models.JSONField(default=list),
        ),
        migrations.AddIndex(
            model_name='usagereport',
            index=django.contrib.postgres.indexes.BrinIndex(fields=['received_at'], name='report_by_receipt'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['ended_at'], name='run_by_end'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['lab', 'started_at'], name='run_by_lab_and_start'),
        ),
        migrations.AddField(
            model_name='review',
            name='assignee',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='review',
            name='closed_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='review',
            name='other_version',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='provenance.datasetversion'),
        ),
        migrations.AddField(
            model_name='review',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reviews', to='provenance.run'),
        ),
        migrations.AddField(
            model_name='review',
            name='usage',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reviews', to='provenance.usage'),
        ),
        migrations.AddField(
            model_name='review',
            name='version',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reviews', to='provenance.datasetversion'),
        ),
        migrations.AddField(
            model_name='reviewnote',
            name='by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='reviewnote',
            name='party',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='provenance.party'),
        ),
        migrations.AddField(
            model_name='reviewnote',
            name='review',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='notes', to='provenance.review'),
        ),
        migrations.AddField(
            model_name='runplan',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='plan', to='provenance.run'),
        ),
        migrations.AddField(
            model_name='runplan',
            name='version',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='plans', to='provenance.datasetversion'),
        ),
        migrations.AddIndex(
            model_name='review',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['raised_at'], name='review_open'),
        ),
        migrations.AddConstraint(
            model_name='review',
            constraint=models.UniqueConstraint(fields=('run', 'subject', 'purpose', 'rule'), name='review_once_per_use_and_rule'),
        ),
        migrations.AddConstraint(
            model_name='review',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('state', 'open')), models.Q(('closed_at__isnull', False), ('state', 'closed'), models.Q(('outcome', ''), _negated=True), models.Q(('reason', ''), _negated=True)), _connector='OR'), name='closed_review_says_why'),
        ),
        migrations.AddConstraint(
            model_name='runplan',
            constraint=models.UniqueConstraint(fields=('run', 'subject', 'purpose'), name='planned_once_per_run'),
        ),
        migrations.AddConstraint(
            model_name='runplan',
            constraint=models.CheckConstraint(condition=models.Q(('record_count__isnull', False), ('epoch_count__isnull', False), _connector='OR'), name='plan_says_how_much'),
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
