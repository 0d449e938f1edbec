"""Budgets and deposits by chain and by payment providers."""

from pathlib import Path

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from compensation.sql import only_added_to, put_functions

FOLDER = Path(__file__).resolve().parent.parent / "sql"
# What is only added to, with the columns that may change afterwards.
ADDED_TO = {
    "budget": "ended_at",
    "budgetnotice": "",
    "payingaddress": "verified_at, signature, removed_at",
    "payment": (
        "lab_id, assigned_by_id, reason, asset_id, state, note, deposit_id, taken_units, short_units,"
        " move_count, is_stale, changed_at"
    ),
    "paymentevent": "",
    "transfer": "deposit_id, assigned_by_id, reason",
}


def build(apps, schema_editor) -> None:
    """Make functions and guards, then narrow what the application may do."""
    schema_editor.execute("INSERT INTO compensation_spendingmark (id, number) VALUES (1, 0)")
    # Foreign keys are checked before a table is altered again.
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    put_functions(
        schema_editor, "budgets.sql", ("compensation_run_charged", "compensation_run_room")
    )
    schema_editor.execute((FOLDER / "budget_guards.sql").read_text("utf-8"), params=None)
    schema_editor.execute("REVOKE ALL ON FUNCTION compensation_open_debt() FROM PUBLIC")
    for table, columns in ADDED_TO.items():
        only_added_to(schema_editor, f"compensation_{table}", columns)


class Migration(migrations.Migration):
    """Budgets and deposits by chain and by payment providers."""

    dependencies = [
        ("compensation", "0006_splits"),
        ("provenance", "0010_projects"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='SpendingMark',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.BigIntegerField()),
            ],
        ),
        migrations.AlterField(
            model_name='account',
            name='kind',
            field=models.CharField(choices=[('lab', 'Deposit of a lab'), ('lab_debt', 'Owed by a lab after a refund'), ('owner', 'Payable to an owner'), ('owner_pending', 'Earned, not yet payable'), ('awaited', 'Owed to an owner when it is recovered'), ('receivable', 'To be recovered from an owner'), ('escrow', 'Held while a conflict is open'), ('payouts_in_flight', 'On its way to an owner'), ('platform_fee', "The platform's part"), ('rounding', 'Parts of units not yet owed to anybody'), ('treasury', "The platform's own money"), ('external', 'The world outside')], max_length=20),
        ),
        migrations.AlterField(
            model_name='entry',
            name='kind',
            field=models.CharField(choices=[('deposit', 'Deposit'), ('refund', 'A deposit went back'), ('usage', 'Usage'), ('maturity', 'Became payable'), ('restatement', 'Divided anew after a conflict'), ('recovery', 'Recovered from a later payout'), ('payout', 'Sent to be paid'), ('settlement', 'Paid, and final'), ('reversal', 'Reversal'), ('adjustment', 'Adjustment'), ('conversion', 'Converted from one asset to another')], max_length=20),
        ),
        migrations.AlterField(
            model_name='periodtotal',
            name='kind',
            field=models.CharField(choices=[('lab', 'Deposit of a lab'), ('lab_debt', 'Owed by a lab after a refund'), ('owner', 'Payable to an owner'), ('owner_pending', 'Earned, not yet payable'), ('awaited', 'Owed to an owner when it is recovered'), ('receivable', 'To be recovered from an owner'), ('escrow', 'Held while a conflict is open'), ('payouts_in_flight', 'On its way to an owner'), ('platform_fee', "The platform's part"), ('rounding', 'Parts of units not yet owed to anybody'), ('treasury', "The platform's own money"), ('external', 'The world outside')], max_length=20),
        ),
        migrations.CreateModel(
            name='Budget',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('every', models.CharField(choices=[('month', 'a month'), ('quarter', 'a quarter'), ('year', 'a year'), ('all', 'in all')], max_length=8)),
                ('limit_units', models.BigIntegerField()),
                ('set_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('asset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='compensation.asset')),
                ('lab', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='budgets', to='provenance.party')),
                ('project', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='budgets', to='provenance.project')),
                ('set_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='BudgetNotice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('period', models.CharField(blank=True, default='', max_length=7)),
                ('percent', models.PositiveSmallIntegerField()),
                ('limit_units', models.BigIntegerField()),
                ('spent_units', models.BigIntegerField()),
                ('noticed_at', models.DateTimeField()),
                ('asset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='compensation.asset')),
                ('budget', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='notices', to='compensation.budget')),
                ('lab', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='budget_notices', to='provenance.party')),
                ('run', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='budget_notices', to='provenance.run')),
            ],
        ),
        migrations.CreateModel(
            name='PayingAddress',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('chain_id', models.BigIntegerField()),
                ('address', models.CharField(max_length=42)),
                ('challenge', models.CharField(max_length=300)),
                ('signature', models.CharField(blank=True, default='', max_length=200)),
                ('added_at', models.DateTimeField()),
                ('verified_at', models.DateTimeField(null=True)),
                ('removed_at', models.DateTimeField(null=True)),
                ('added_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('lab', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='paying_addresses', to='provenance.party')),
            ],
            options={
                'verbose_name_plural': 'paying addresses',
            },
        ),
        migrations.CreateModel(
            name='Payment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(max_length=40)),
                ('key', models.CharField(max_length=120)),
                ('state', models.CharField(choices=[('waiting', 'Told of a refund or dispute; the payment itself has not come'), ('unassigned', 'Arrived; whose it is must be said'), ('credited', 'Credited'), ('review', 'A person should look at it')], default='waiting', max_length=12)),
                ('note', models.TextField(blank=True, default='')),
                ('taken_units', models.BigIntegerField(default=0)),
                ('short_units', models.BigIntegerField(default=0)),
                ('move_count', models.PositiveIntegerField(default=0)),
                ('is_stale', models.BooleanField(default=True)),
                ('first_heard_at', models.DateTimeField()),
                ('changed_at', models.DateTimeField()),
                ('asset', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='compensation.asset')),
                ('assigned_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('reason', models.CharField(blank=True, default='', max_length=300)),
                ('deposit', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='payment', to='compensation.deposit')),
                ('lab', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='payments', to='provenance.party')),
            ],
        ),
        migrations.CreateModel(
            name='PaymentEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(max_length=40)),
                ('event_id', models.CharField(max_length=120)),
                ('kind', models.CharField(max_length=120)),
                ('body', models.TextField()),
                ('signature', models.TextField()),
                ('received_at', models.DateTimeField()),
                ('payment', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='compensation.payment')),
            ],
        ),
        migrations.CreateModel(
            name='Spending',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.CharField(max_length=7)),
                ('spent_units', models.BigIntegerField()),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='spending', to='compensation.account')),
                ('project', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='spending', to='provenance.project')),
            ],
            options={
                'verbose_name_plural': 'spending',
            },
        ),
        migrations.CreateModel(
            name='Transfer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('chain_id', models.BigIntegerField()),
                ('tx_hash', models.CharField(max_length=66)),
                ('log_index', models.IntegerField()),
                ('block_number', models.BigIntegerField()),
                ('sender', models.CharField(max_length=42)),
                ('token_amount', models.DecimalField(decimal_places=0, max_digits=78)),
                ('amount_units', models.BigIntegerField()),
                ('reason', models.CharField(blank=True, default='', max_length=300)),
                ('mined_at', models.DateTimeField()),
                ('seen_at', models.DateTimeField()),
                ('asset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='transfers', to='compensation.asset')),
                ('assigned_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('deposit', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='transfer', to='compensation.deposit')),
            ],
        ),
        migrations.CreateModel(
            name='TransferCursor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('address', models.CharField(max_length=42)),
                ('next_block', models.BigIntegerField()),
                ('asset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='compensation.asset')),
            ],
        ),
        migrations.AddConstraint(
            model_name='budget',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('lab', 'project', 'asset', 'every'), name='budget_in_force_once', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='budget',
            constraint=models.CheckConstraint(condition=models.Q(('limit_units__gte', 0)), name='budget_is_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='budgetnotice',
            constraint=models.UniqueConstraint(fields=('budget', 'run', 'period', 'percent', 'limit_units'), name='budget_notice_once', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='budgetnotice',
            constraint=models.CheckConstraint(condition=models.Q(('budget__isnull', True), ('run__isnull', True), _connector='XOR'), name='notice_is_of_a_budget_or_a_cap'),
        ),
        migrations.AddConstraint(
            model_name='payingaddress',
            constraint=models.UniqueConstraint(condition=models.Q(('removed_at__isnull', True), ('verified_at__isnull', False)), fields=('chain_id', 'address'), name='paying_address_is_one_labs'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(condition=models.Q(('is_stale', True)), fields=['id'], name='payment_stale'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(fields=('provider', 'key'), name='payment_once'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('taken_units__gte', 0), ('taken_units__gte', models.F('short_units'))), name='payment_is_taken_back_once'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('deposit__isnull', False), ('taken_units', 0), _connector='OR'), name='payment_comes_before_it_goes'),
        ),
        migrations.AddConstraint(
            model_name='paymentevent',
            constraint=models.UniqueConstraint(fields=('provider', 'event_id'), name='payment_event_once'),
        ),
        migrations.AddConstraint(
            model_name='spending',
            constraint=models.UniqueConstraint(fields=('account', 'project', 'month'), name='spending_once', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='transfer',
            index=models.Index(condition=models.Q(('deposit__isnull', True)), fields=['sender'], name='transfer_unassigned'),
        ),
        migrations.AddConstraint(
            model_name='transfer',
            constraint=models.UniqueConstraint(fields=('chain_id', 'tx_hash', 'log_index'), name='transfer_seen_once'),
        ),
        migrations.AddConstraint(
            model_name='transfercursor',
            constraint=models.UniqueConstraint(fields=('asset', 'address'), name='transfer_cursor_once'),
        ),
        migrations.RunPython(build, migrations.RunPython.noop),
    ]
