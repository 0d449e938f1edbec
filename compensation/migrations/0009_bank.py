"""Payouts by bank: accounts, runs, what banks answered and booked; terms, bounds, differences."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from compensation.sql import only_added_to, put_functions

# Tables that the application may add to, with the columns that it may change afterwards.
ADDED_TO = {
    "bankaccount": "closed_at",
    "bankbooking": "state, problem, payout_id",
    "bankfile": "",
    "bankpayout": "state",
    "bankstatement": "",
    "difference": "amount_units, words, advice, since, last_seen_at, gone_at, explained_at,"
    " first_seen_at",
    "explanation": "",
    "paymentrun": "",
    "payoutbounds": "",
    "payoutstep": "",
    "payoutterms": "",
}


def guard(apps, schema_editor) -> None:
    """Refuse what no fact allows, and narrow what the application may do."""
    put_functions(schema_editor, "bank.sql")
    for table, changing in ADDED_TO.items():
        only_added_to(schema_editor, f"compensation_{table}", changing)


class Migration(migrations.Migration):
    """Payouts by bank."""

    dependencies = [
        ("compensation", "0008_invoices"),
        ("provenance", "0010_projects"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='BankAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('holder', models.CharField(max_length=70)),
                ('iban', models.CharField(max_length=34)),
                ('bic', models.CharField(blank=True, default='', max_length=11)),
                ('message', models.CharField(max_length=20)),
                ('is_structured', models.BooleanField(default=False)),
                ('opened_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='BankBooking',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('statement_id', models.CharField(max_length=35)),
                ('entry_reference', models.CharField(max_length=35)),
                ('detail', models.PositiveIntegerField()),
                ('amount_minor', models.BigIntegerField()),
                ('booked_on', models.DateField(null=True)),
                ('end_to_end_id', models.CharField(blank=True, max_length=35)),
                ('remittance', models.CharField(blank=True, max_length=1000)),
                ('servicer_reference', models.CharField(blank=True, max_length=35)),
                ('counterparty', models.CharField(blank=True, max_length=140)),
                ('is_return', models.BooleanField()),
                ('return_code', models.CharField(blank=True, max_length=35)),
                ('return_words', models.CharField(blank=True, max_length=500)),
                ('state', models.CharField(choices=[('matched', 'Belongs to a payout'), ('repeated', 'Was booked under another name before'), ('open', 'Nobody knows yet what it is')], default='open', max_length=8)),
                ('problem', models.CharField(blank=True, max_length=300)),
                ('seen_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='BankFile',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('answer', 'Answers to an order (pain.002)'), ('statement', 'Statement of an account (camt.053)')], max_length=9)),
                ('message', models.CharField(max_length=20)),
                ('name', models.CharField(max_length=200)),
                ('digest', models.BinaryField(max_length=32, unique=True)),
                ('hidden_content', models.BinaryField()),
                ('line_count', models.PositiveIntegerField()),
                ('brought_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='BankPayout',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('reference', models.CharField(max_length=35, unique=True)),
                ('remittance', models.CharField(max_length=140)),
                ('amount_units', models.BigIntegerField()),
                ('amount_minor', models.BigIntegerField()),
                ('state', models.CharField(choices=[('sent', 'Sent'), ('paid', 'Paid'), ('returned', 'Returned')], default='sent', max_length=8)),
            ],
        ),
        migrations.CreateModel(
            name='BankStatement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('statement_id', models.CharField(max_length=35)),
                ('opening_minor', models.BigIntegerField(null=True)),
                ('closing_minor', models.BigIntegerField(null=True)),
                ('closing_on', models.DateField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Difference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=200, unique=True)),
                ('side', models.CharField(choices=[('bank', 'Bank'), ('chain', 'Chain')], max_length=5)),
                ('amount_units', models.DecimalField(decimal_places=0, max_digits=40)),
                ('words', models.CharField(max_length=500)),
                ('advice', models.CharField(max_length=500)),
                ('since', models.DateTimeField()),
                ('first_seen_at', models.DateTimeField()),
                ('last_seen_at', models.DateTimeField()),
                ('gone_at', models.DateTimeField(null=True)),
                ('explained_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['since', 'id'],
            },
        ),
        migrations.CreateModel(
            name='Explanation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('amount_units', models.DecimalField(decimal_places=0, max_digits=40)),
                ('note', models.CharField(max_length=500)),
                ('at', models.DateTimeField()),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='PaymentRun',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField(unique=True)),
                ('message_id', models.CharField(max_length=35, unique=True)),
                ('message', models.CharField(max_length=20)),
                ('execute_on', models.DateField()),
                ('payout_count', models.PositiveIntegerField()),
                ('amount_units', models.BigIntegerField()),
                ('control_minor', models.BigIntegerField()),
                ('hidden_file', models.BinaryField()),
                ('file_digest', models.BinaryField(max_length=32)),
                ('made_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['-number'],
            },
        ),
        migrations.CreateModel(
            name='PayoutBounds',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('least_units', models.BigIntegerField()),
                ('most_units', models.BigIntegerField(null=True)),
                ('schedules', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('at_once', 'As soon as there is enough'), ('weekly', 'Once a week'), ('monthly', 'Once a month')], max_length=8), size=None)),
                ('set_at', models.DateTimeField()),
            ],
            options={
                'verbose_name_plural': 'payout bounds',
            },
        ),
        migrations.CreateModel(
            name='PayoutStep',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('sent', 'Ordered from the bank'), ('accepted', 'Accepted by the bank'), ('rejected', 'Rejected by the bank'), ('withdrawn', 'Withdrawn before the bank had it'), ('debited', 'Booked by the bank'), ('credited', 'Came back, and was booked by the bank')], max_length=9)),
                ('at', models.DateTimeField()),
                ('code', models.CharField(blank=True, default='', max_length=35)),
                ('words', models.CharField(blank=True, default='', max_length=500)),
                ('recorded_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='PayoutTerms',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('threshold_units', models.BigIntegerField()),
                ('schedule', models.CharField(choices=[('at_once', 'As soon as there is enough'), ('weekly', 'Once a week'), ('monthly', 'Once a month')], max_length=8)),
                ('day', models.PositiveSmallIntegerField(null=True)),
                ('set_at', models.DateTimeField()),
            ],
            options={
                'verbose_name_plural': 'payout terms',
            },
        ),
        migrations.RemoveConstraint(
            model_name='payoutmethod',
            name='payout_method_in_force_once',
        ),
        migrations.AddField(
            model_name='payoutmethod',
            name='asset',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='payout_methods', to='compensation.asset'),
        ),
        migrations.AddField(
            model_name='payoutmethod',
            name='bic',
            field=models.CharField(blank=True, default='', max_length=11),
        ),
        migrations.AddField(
            model_name='payoutmethod',
            name='flag_words',
            field=models.CharField(blank=True, default='', max_length=300),
        ),
        migrations.AddField(
            model_name='payoutmethod',
            name='flagged_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='payoutmethod',
            name='held_until',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='payoutmethod',
            name='hidden_iban',
            field=models.BinaryField(null=True),
        ),
        migrations.AddField(
            model_name='payoutmethod',
            name='holder',
            field=models.CharField(blank=True, default='', max_length=70),
        ),
        migrations.AddField(
            model_name='payoutmethod',
            name='iban_print',
            field=models.CharField(blank=True, default='', max_length=64),
        ),
        migrations.AddField(
            model_name='payoutmethod',
            name='kind',
            field=models.CharField(choices=[('chain', 'Chain'), ('bank', 'Bank')], default='chain', max_length=5),
        ),
        migrations.AlterField(
            model_name='payoutmethod',
            name='challenge',
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddConstraint(
            model_name='payoutmethod',
            constraint=models.UniqueConstraint(condition=models.Q(('removed_at__isnull', True), ('verified_at__isnull', False)), fields=('party', 'asset'), name='payout_method_in_force_once', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='payoutmethod',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('asset__isnull', True), ('hidden_iban__isnull', True), ('kind', 'chain')), models.Q(('asset__isnull', False), ('hidden_iban__isnull', False), ('kind', 'bank')), _connector='OR'), name='payout_method_is_whole'),
        ),
        migrations.AddField(
            model_name='bankaccount',
            name='asset',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='bank_accounts', to='compensation.asset'),
        ),
        migrations.AddField(
            model_name='bankbooking',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='bookings', to='compensation.bankaccount'),
        ),
        migrations.AddField(
            model_name='bankfile',
            name='brought_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='bankbooking',
            name='file',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='bookings', to='compensation.bankfile'),
        ),
        migrations.AddField(
            model_name='bankpayout',
            name='asset',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='bank_payouts', to='compensation.asset'),
        ),
        migrations.AddField(
            model_name='bankpayout',
            name='method',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payouts', to='compensation.payoutmethod'),
        ),
        migrations.AddField(
            model_name='bankpayout',
            name='party',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='bank_payouts', to='provenance.party'),
        ),
        migrations.AddField(
            model_name='bankbooking',
            name='payout',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='bookings', to='compensation.bankpayout'),
        ),
        migrations.AddField(
            model_name='bankstatement',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='statements', to='compensation.bankaccount'),
        ),
        migrations.AddField(
            model_name='bankstatement',
            name='file',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='statements', to='compensation.bankfile'),
        ),
        migrations.AddField(
            model_name='difference',
            name='asset',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='differences', to='compensation.asset'),
        ),
        migrations.AddField(
            model_name='explanation',
            name='by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='explanation',
            name='difference',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='explanations', to='compensation.difference'),
        ),
        migrations.AddField(
            model_name='paymentrun',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='runs', to='compensation.bankaccount'),
        ),
        migrations.AddField(
            model_name='paymentrun',
            name='entry',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='payment_run', to='compensation.entry'),
        ),
        migrations.AddField(
            model_name='paymentrun',
            name='made_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='bankpayout',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payouts', to='compensation.paymentrun'),
        ),
        migrations.AddField(
            model_name='payoutbounds',
            name='asset',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payout_bounds', to='compensation.asset'),
        ),
        migrations.AddField(
            model_name='payoutbounds',
            name='set_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='payoutstep',
            name='entry',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='payout_step', to='compensation.entry'),
        ),
        migrations.AddField(
            model_name='payoutstep',
            name='file',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='steps', to='compensation.bankfile'),
        ),
        migrations.AddField(
            model_name='payoutstep',
            name='payout',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='steps', to='compensation.bankpayout'),
        ),
        migrations.AddField(
            model_name='payoutstep',
            name='recorded_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='payoutterms',
            name='asset',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payout_terms', to='compensation.asset'),
        ),
        migrations.AddField(
            model_name='payoutterms',
            name='party',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payout_terms', to='provenance.party'),
        ),
        migrations.AddField(
            model_name='payoutterms',
            name='set_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='bankaccount',
            constraint=models.UniqueConstraint(condition=models.Q(('closed_at__isnull', True)), fields=('asset',), name='bank_account_open_once'),
        ),
        migrations.AddIndex(
            model_name='bankbooking',
            index=models.Index(fields=['account', 'servicer_reference'], name='booking_by_servicer'),
        ),
        migrations.AddIndex(
            model_name='bankbooking',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['state'], name='booking_open'),
        ),
        migrations.AddConstraint(
            model_name='bankbooking',
            constraint=models.UniqueConstraint(fields=('account', 'statement_id', 'entry_reference', 'detail'), name='booking_once'),
        ),
        migrations.AddConstraint(
            model_name='bankstatement',
            constraint=models.UniqueConstraint(fields=('account', 'statement_id'), name='statement_once'),
        ),
        migrations.AddIndex(
            model_name='bankpayout',
            index=models.Index(fields=['party', 'asset'], name='bank_payout_by_party'),
        ),
        migrations.AddConstraint(
            model_name='bankpayout',
            constraint=models.UniqueConstraint(fields=('run', 'party'), name='payout_once_in_a_run'),
        ),
        migrations.AddConstraint(
            model_name='bankpayout',
            constraint=models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0)), name='payout_pays_something'),
        ),
        migrations.AddConstraint(
            model_name='payoutbounds',
            constraint=models.CheckConstraint(condition=models.Q(('least_units__gte', 0), models.Q(('most_units__isnull', True), ('most_units__gte', models.F('least_units')), _connector='OR')), name='payout_bounds_fit'),
        ),
        migrations.AddConstraint(
            model_name='payoutstep',
            constraint=models.UniqueConstraint(fields=('payout', 'kind'), name='payout_step_once'),
        ),
        migrations.AddIndex(
            model_name='payoutterms',
            index=models.Index(fields=['party', 'asset', '-id'], name='payout_terms_last'),
        ),
        migrations.AddConstraint(
            model_name='payoutterms',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('day__isnull', True), ('schedule', 'at_once')), models.Q(('day__range', (1, 7)), ('schedule', 'weekly')), models.Q(('day__range', (1, 28)), ('schedule', 'monthly')), _connector='OR'), name='payout_day_fits'),
        ),
        migrations.AddConstraint(
            model_name='payoutterms',
            constraint=models.CheckConstraint(condition=models.Q(('threshold_units__gte', 0)), name='payout_threshold_not_negative'),
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="entry",
            name="kind",
            field=models.CharField(choices=[('deposit', 'Deposit'), ('refund', 'A deposit went back'), ('usage', 'Usage'), ('maturity', 'Became payable'), ('restatement', 'Divided anew after a conflict'), ('recovery', 'Recovered from a later payout'), ('payout', 'Sent to be paid'), ('settlement', 'Paid, and final'), ('return', 'Came back, and is payable again'), ('reversal', 'Reversal'), ('adjustment', 'Adjustment'), ('conversion', 'Converted from one asset to another')], max_length=20),
        ),
    ]
