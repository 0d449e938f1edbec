"""Keys that sign reports, and signed reports."""

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

GUARDED = {
    "reportingkey": "keep_but('revoked_at')",
    "usagereceipt": "keep_but('countersigner', 'countersignature')",
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
    """Keys that sign reports, and signed reports."""

    dependencies = [("provenance", "0013_trees_are_kept")]

    operations = [
        migrations.AddField(
            model_name='party',
            name='requires_signed_reports',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='usage',
            name='is_signed',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='usagereport',
            name='mark',
            field=models.BinaryField(max_length=32, null=True),
        ),
        migrations.CreateModel(
            name='ReportingKey',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100)),
                ('address', models.CharField(max_length=42, unique=True)),
                ('added_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(null=True)),
                ('added_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('party', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reporting_keys', to='provenance.party')),
            ],
        ),
        migrations.CreateModel(
            name='UsageReceipt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('service', models.CharField(max_length=300)),
                ('chain_id', models.BigIntegerField()),
                ('subject', models.CharField(max_length=300)),
                ('stream', models.CharField(max_length=100)),
                ('sequence', models.BigIntegerField()),
                ('record_count', models.BigIntegerField()),
                ('token_count', models.BigIntegerField()),
                ('epoch_count', models.BigIntegerField()),
                ('fetch_count', models.BigIntegerField()),
                ('used_at', models.DateTimeField()),
                ('signature', models.BinaryField(max_length=65)),
                ('revision', models.PositiveIntegerField()),
                ('received_at', models.DateTimeField()),
                ('countersigner', models.CharField(blank=True, default='', max_length=42)),
                ('countersignature', models.BinaryField(max_length=65, null=True)),
                ('key', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='receipts', to='provenance.reportingkey')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='receipts', to='provenance.run')),
                ('usage', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='receipts', to='provenance.usage')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('countersignature__isnull', True)), fields=['id'], name='receipt_to_sign')],
                'constraints': [models.UniqueConstraint(fields=('usage', 'stream', 'sequence'), name='receipt_once_per_number')],
            },
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
