"""What a staged batch is priced and divided by is looked up once, and kept while it is billed."""

import django.db.models.deletion
from django.db import migrations, models

from compensation.sql import only_by_functions, put_functions

CALLABLE = (
    "compensation_bill",
    "compensation_bill_kinds",
    "compensation_bill_missing",
    "compensation_summarize",
)
TABLE = "compensation_stagekind"
# A sum that stays in whole numbers, and is refused beyond them: PostgreSQL's own takes numeric.
RUNNING = "CREATE AGGREGATE compensation_running(bigint) (SFUNC = int8pl, STYPE = bigint)"


def build(apps, schema_editor) -> None:
    """Make billing's functions anew, and drop the one that is not called any more."""
    schema_editor.execute(f"ALTER TABLE {TABLE} SET UNLOGGED")
    schema_editor.execute(f"ALTER TABLE {TABLE} DROP CONSTRAINT {TABLE}_pkey")
    schema_editor.execute(f"ALTER TABLE {TABLE} ALTER COLUMN id SET CACHE 1000")
    only_by_functions(schema_editor, TABLE)
    schema_editor.execute(RUNNING)
    schema_editor.execute("REVOKE ALL ON FUNCTION compensation_running(bigint) FROM PUBLIC")
    schema_editor.execute("DROP FUNCTION IF EXISTS compensation_bill_totals(bigint[], numeric[])")
    put_functions(schema_editor, "billing.sql", CALLABLE)


class Migration(migrations.Migration):
    """A table of kinds, and billing as `sql/billing.sql` has it now."""

    dependencies = [
        ('compensation', '0024_journal_salt'),
        ('provenance', '0032_files_of_versions'),
    ]

    operations = [
        migrations.CreateModel(
            name='StageKind',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('batch', models.UUIDField()),
                ('owned_at', models.DateTimeField()),
                ('counted', models.CharField(max_length=10, null=True)),
                ('basis', models.CharField(max_length=20, null=True)),
                ('step', models.BigIntegerField(null=True)),
                ('price_units', models.BigIntegerField(null=True)),
                ('plan_id', models.BigIntegerField(null=True)),
                ('dataset_id', models.UUIDField()),
                ('fee_basis_points', models.PositiveIntegerField(null=True)),
                ('marker', models.CharField(max_length=64, null=True)),
                ('total_units', models.BigIntegerField(null=True)),
                ('asset', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='compensation.asset')),
                ('rate', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='provenance.rate')),
                ('version', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='provenance.datasetversion')),
                ('weight_version', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='compensation.weightversion')),
            ],
            options={
                'indexes': [models.Index(fields=['batch'], name='stage_kind_by_batch')],
            },
        ),
        migrations.RunPython(build, migrations.RunPython.noop),
    ]
