"""Periods that close, holds that are posted in parts, conversions, and balances of long ago."""

from pathlib import Path

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from compensation.sql import only_by_functions, put_functions

FOLDER = Path(__file__).resolve().parent.parent / "sql"
TABLES = (
    "calendar", "conversion", "holdpart", "period", "periodtotal", "turnover", "turnovermark",
)  # fmt: skip
PROTECT = django.db.models.deletion.PROTECT
ASSET_CODE = (
    "^(iso4217:[A-Z]{3}|[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}/[-a-z0-9]{3,8}:[-.%a-zA-Z0-9]{1,78}"
    "(/[-.%a-zA-Z0-9]{1,78})?)$"
)


def build(apps, schema_editor) -> None:
    """Fill in what holds lack, then make functions and guards."""
    schema_editor.execute(
        "UPDATE compensation_hold SET remaining_units = amount_units WHERE state = 'open'"
    )
    schema_editor.execute(
        "INSERT INTO compensation_calendar (id, zone) VALUES (1, %s)", [settings.PERIOD_ZONE]
    )
    schema_editor.execute("DROP FUNCTION IF EXISTS compensation_hold_end(text, text)")
    put_functions(
        schema_editor,
        "journal.sql",
        (
            "compensation_lock_journal", "compensation_period_for", "compensation_post",
            "compensation_set_limit",
        ),
    )  # fmt: skip
    put_functions(
        schema_editor, "periods.sql", ("compensation_add_turnovers", "compensation_close_period")
    )
    put_functions(
        schema_editor,
        "holds.sql",
        (
            "compensation_hold_place", "compensation_hold_post", "compensation_hold_void",
            "compensation_holds_expire",
        ),
    )  # fmt: skip
    put_functions(schema_editor, "conversions.sql", ("compensation_convert",))
    # Foreign keys are checked before a table is altered again.
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    schema_editor.execute((FOLDER / "period_guards.sql").read_text("utf-8"), params=None)
    schema_editor.execute("REVOKE ALL ON FUNCTION compensation_check_period() FROM PUBLIC")
    for table in TABLES:
        only_by_functions(schema_editor, f"compensation_{table}")


class Migration(migrations.Migration):
    """Periods that close, and holds that are posted in parts."""

    dependencies = [
        ("compensation", "0003_charges"),
        ("provenance", "0010_projects"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Calendar',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('zone', models.CharField(max_length=60)),
            ],
        ),
        migrations.CreateModel(
            name='Period',
            fields=[
                ('name', models.CharField(max_length=7, primary_key=True, serialize=False)),
                ('starts_at', models.DateTimeField(unique=True)),
                ('ends_at', models.DateTimeField(unique=True)),
                ('closed_at', models.DateTimeField(null=True)),
                ('closed_by', models.ForeignKey(null=True, on_delete=PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('last_number', models.BigIntegerField(null=True)),
            ],
            options={
                'ordering': ['-name'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('starts_at'))), name='period_ends_after_its_start'),
                    models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('last_number__isnull', True)), models.Q(('closed_at__gte', models.F('ends_at')), ('last_number__isnull', False)), _connector='OR'), name='period_closes_when_it_is_over'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PeriodTotal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('period', models.ForeignKey(db_index=False, on_delete=PROTECT, related_name='totals', to='compensation.period')),
                ('asset', models.ForeignKey(db_index=False, on_delete=PROTECT, related_name='+', to='compensation.asset')),
                ('kind', models.CharField(choices=[('lab', 'Deposit of a lab'), ('owner', 'Payable to an owner'), ('owner_pending', 'Earned, not yet payable'), ('awaited', 'Owed to an owner when it is recovered'), ('receivable', 'To be recovered from an owner'), ('escrow', 'Held while a conflict is open'), ('payouts_in_flight', 'On its way to an owner'), ('platform_fee', "The platform's part"), ('rounding', 'Parts of units not yet owed to anybody'), ('treasury', "The platform's own money"), ('external', 'The world outside')], max_length=20)),
                ('credited_units', models.DecimalField(decimal_places=0, max_digits=40)),
                ('debited_units', models.DecimalField(decimal_places=0, max_digits=40)),
                ('line_count', models.BigIntegerField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('period', 'asset', 'kind'), name='period_total_once_per_kind')],
            },
        ),
        migrations.CreateModel(
            name='Turnover',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account', models.ForeignKey(db_index=False, on_delete=PROTECT, related_name='turnovers', to='compensation.account')),
                ('effective_hour', models.DateTimeField()),
                ('posted_hour', models.DateTimeField()),
                ('amount_units', models.DecimalField(decimal_places=0, max_digits=40)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('account', 'effective_hour', 'posted_hour'), include=('amount_units',), name='turnover_once_per_hour')],
            },
        ),
        migrations.CreateModel(
            name='TurnoverMark',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.BigIntegerField()),
            ],
        ),
        migrations.AddField(
            model_name='entry',
            name='period',
            field=models.ForeignKey(db_index=False, null=True, on_delete=PROTECT, related_name='entries', to='compensation.period'),
        ),
        migrations.AlterField(
            model_name='entry',
            name='kind',
            field=models.CharField(choices=[('deposit', 'Deposit'), ('usage', 'Usage'), ('maturity', 'Became payable'), ('restatement', 'Divided anew after a conflict'), ('recovery', 'Recovered from a later payout'), ('payout', 'Sent to be paid'), ('settlement', 'Paid, and final'), ('reversal', 'Reversal'), ('adjustment', 'Adjustment'), ('conversion', 'Converted from one asset to another')], max_length=20),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(fields=['effective_at'], name='entry_by_effect'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(fields=['posted_at'], name='entry_by_posting'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(fields=['period'], name='entry_by_period'),
        ),
        migrations.CreateModel(
            name='Conversion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('from_account', models.ForeignKey(on_delete=PROTECT, related_name='+', to='compensation.account')),
                ('to_account', models.ForeignKey(on_delete=PROTECT, related_name='+', to='compensation.account')),
                ('from_units', models.BigIntegerField()),
                ('to_units', models.BigIntegerField()),
                ('numerator', models.DecimalField(decimal_places=0, max_digits=38)),
                ('denominator', models.DecimalField(decimal_places=0, max_digits=38)),
                ('out_entry', models.OneToOneField(on_delete=PROTECT, related_name='conversion_out', to='compensation.entry')),
                ('in_entry', models.OneToOneField(on_delete=PROTECT, related_name='conversion_in', to='compensation.entry')),
                ('idempotency_key', models.CharField(max_length=190, unique=True)),
                ('reason', models.CharField(max_length=300)),
                ('converted_at', models.DateTimeField()),
                ('converted_by', models.ForeignKey(null=True, on_delete=PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('denominator__gt', 0), ('from_units__gt', 0), ('numerator__gt', 0), ('to_units__gt', 0)), name='conversion_moves_something')],
            },
        ),
        migrations.CreateModel(
            name='HoldPart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('hold', models.ForeignKey(on_delete=PROTECT, related_name='parts', to='compensation.hold')),
                ('entry', models.OneToOneField(on_delete=PROTECT, related_name='hold_part', to='compensation.entry')),
                ('amount_units', models.BigIntegerField()),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('amount_units__gt', 0)), name='hold_part_is_positive')],
            },
        ),
        migrations.AddField(
            model_name='hold',
            name='ended_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='hold',
            name='remaining_units',
            field=models.BigIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name='hold',
            name='state',
            field=models.CharField(choices=[('open', 'Held'), ('posted', 'Posted; what was left was given back'), ('void', 'Given back'), ('expired', 'Expired; what was left was given back')], default='open', max_length=10),
        ),
        migrations.AddIndex(
            model_name='hold',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['expires_at'], name='hold_due'),
        ),
        migrations.AddConstraint(
            model_name='hold',
            constraint=models.CheckConstraint(condition=models.Q(('remaining_units__gte', 0), ('remaining_units__lte', models.F('amount_units')), models.Q(('state', 'open'), ('remaining_units', 0), _connector='OR')), name='hold_keeps_no_more_than_it_has'),
        ),
        migrations.AddConstraint(
            model_name='asset',
            constraint=models.CheckConstraint(condition=models.Q(('code__regex', ASSET_CODE)), name='asset_code_is_a_standard'),
        ),
        migrations.RunPython(build, migrations.RunPython.noop),
    ]
