"""Invoices, credit notes and self-billed invoices."""

import uuid
from pathlib import Path

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from compensation.sql import only_added_to, only_by_functions

FOLDER = Path(__file__).resolve().parent.parent / "sql"
# Tables that the application may add to, and not change.
ADDED_TO = ("invoice", "invoiceevent", "invoiceline", "taxprofile", "taxrule")
FUNCTIONS = (
    "compensation_number_invoice", "compensation_take_invoice_lines", "compensation_check_invoice",
)  # fmt: skip


def guard(apps, schema_editor) -> None:
    """Number invoices, refuse what no fact allows, and narrow what the application may do."""
    # Foreign keys are checked before a table gets its triggers.
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    schema_editor.execute((FOLDER / "invoices.sql").read_text("utf-8"), params=None)
    for function in FUNCTIONS:
        schema_editor.execute(f"REVOKE ALL ON FUNCTION {function}() FROM PUBLIC")
    for table in ADDED_TO:
        only_added_to(schema_editor, f"compensation_{table}")
    only_by_functions(schema_editor, "compensation_invoiceseries")


class Migration(migrations.Migration):
    """Invoices, credit notes and self-billed invoices."""

    dependencies = [("compensation", "0007_budgets"), ("provenance", "0010_projects")]

    operations = [
        migrations.CreateModel(
            name='Invoice',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('series', models.CharField(max_length=20)),
                ('sequence', models.BigIntegerField(default=0)),
                ('number', models.CharField(default='', max_length=40, unique=True)),
                ('kind', models.CharField(choices=[('380', 'Invoice'), ('381', 'Credit note'), ('389', 'Self-billed invoice'), ('261', 'Self-billed credit note')], max_length=3)),
                ('side', models.CharField(choices=[('lab', 'What a lab was charged'), ('owner', 'What an owner earned')], max_length=5)),
                ('reason', models.CharField(blank=True, max_length=1000)),
                ('seller', models.JSONField()),
                ('buyer', models.JSONField()),
                ('category', models.CharField(choices=[('S', 'VAT at a rate'), ('AE', 'Reverse charge'), ('E', 'Exempt'), ('O', 'Outside the scope of VAT')], max_length=2)),
                ('basis_points', models.PositiveIntegerField()),
                ('wording', models.CharField(blank=True, max_length=300)),
                ('net_units', models.BigIntegerField()),
                ('tax_units', models.BigIntegerField()),
                ('settled_units', models.BigIntegerField()),
                ('rounding_units', models.BigIntegerField()),
                ('limit_units', models.BigIntegerField(default=0)),
                ('line_count', models.IntegerField()),
                ('issued_at', models.DateTimeField()),
                ('asset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='compensation.asset')),
                ('corrects', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='corrected_by', to='compensation.invoice')),
                ('issued_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('party', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='invoices', to='provenance.party')),
                ('period', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='invoices', to='compensation.period')),
            ],
        ),
        migrations.CreateModel(
            name='InvoicedPeriod',
            fields=[
                ('period', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='invoiced', serialize=False, to='compensation.period')),
                ('completed_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='InvoiceSeries',
            fields=[
                ('name', models.CharField(max_length=20, primary_key=True, serialize=False)),
                ('last_number', models.BigIntegerField(default=0)),
            ],
            options={
                'verbose_name_plural': 'invoice series',
            },
        ),
        migrations.CreateModel(
            name='InvoiceLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ordinal', models.PositiveIntegerField()),
                ('name', models.CharField(max_length=300)),
                ('detail', models.CharField(blank=True, max_length=500)),
                ('quantity', models.BigIntegerField()),
                ('counted', models.CharField(max_length=20)),
                ('price_units', models.BigIntegerField(null=True)),
                ('price_step', models.BigIntegerField(null=True)),
                ('amount_units', models.BigIntegerField()),
                ('invoice', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='compensation.invoice')),
                ('rate', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='provenance.rate')),
                ('version', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='provenance.datasetversion')),
            ],
            options={
                'ordering': ['ordinal'],
            },
        ),
        migrations.CreateModel(
            name='InvoiceWaiting',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('side', models.CharField(choices=[('lab', 'What a lab was charged'), ('owner', 'What an owner earned')], max_length=5)),
                ('net_units', models.BigIntegerField()),
                ('reason', models.CharField(choices=[('no_operator_data', "The operator's own tax data are missing"), ('no_party_data', "The party's tax data are missing"), ('no_tax_rule', 'No VAT rate is set for the country'), ('no_vat_id', 'Reverse charge needs a VAT id')], max_length=20)),
                ('words', models.CharField(max_length=300)),
                ('since_at', models.DateTimeField()),
                ('tried_at', models.DateTimeField()),
                ('asset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='compensation.asset')),
                ('party', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='invoices_waiting', to='provenance.party')),
                ('period', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='invoices_waiting', to='compensation.period')),
            ],
            options={
                'verbose_name_plural': 'invoices waiting',
            },
        ),
        migrations.CreateModel(
            name='TaxProfile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('legal_name', models.CharField(max_length=200)),
                ('street', models.CharField(max_length=200)),
                ('postal_code', models.CharField(blank=True, max_length=20)),
                ('city', models.CharField(max_length=100)),
                ('country', models.CharField(max_length=2)),
                ('tax_country', models.CharField(max_length=2)),
                ('vat_id', models.CharField(blank=True, max_length=20)),
                ('registration', models.CharField(blank=True, help_text='Its number in a register of companies.', max_length=100)),
                ('payment_details', models.CharField(blank=True, help_text="The operator's: where labs pay what is due.", max_length=300)),
                ('set_at', models.DateTimeField()),
                ('party', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tax_profiles', to='provenance.party')),
                ('set_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='TaxRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('side', models.CharField(choices=[('lab', 'What a lab was charged'), ('owner', 'What an owner earned')], max_length=5)),
                ('country', models.CharField(max_length=2)),
                ('category', models.CharField(choices=[('S', 'VAT at a rate'), ('AE', 'Reverse charge'), ('E', 'Exempt'), ('O', 'Outside the scope of VAT')], max_length=2)),
                ('basis_points', models.PositiveIntegerField(default=0)),
                ('wording', models.CharField(blank=True, max_length=300)),
                ('valid_from', models.DateTimeField()),
                ('set_at', models.DateTimeField()),
                ('set_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='InvoiceEvent',
            fields=[
                ('invoice', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='proof', serialize=False, to='compensation.invoice')),
                ('digest', models.BinaryField(max_length=32)),
                ('event', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='invoice', to='provenance.event')),
            ],
        ),
        migrations.AddIndex(
            model_name='invoice',
            index=models.Index(fields=['party', 'period'], name='invoice_by_party_and_period'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.UniqueConstraint(fields=('series', 'sequence'), name='invoice_numbered_once'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(('net_units', 0), _negated=True), name='invoice_is_about_something'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(('line_count__gt', 0)), name='invoice_has_lines'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(('category', 'S'), ('tax_units', 0), _connector='OR'), name='invoice_taxes_by_its_category'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(('corrects__isnull', True), models.Q(('reason', ''), _negated=True), _connector='OR'), name='correction_says_why'),
        ),
        migrations.AddConstraint(
            model_name='invoiceline',
            constraint=models.UniqueConstraint(fields=('invoice', 'ordinal'), name='invoice_line_once'),
        ),
        migrations.AddConstraint(
            model_name='invoiceline',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('price_step__isnull', True), ('price_units__isnull', True)), models.Q(('price_step__gt', 0), ('price_units__isnull', False)), _connector='OR'), name='invoice_line_price_has_a_step'),
        ),
        migrations.AddConstraint(
            model_name='invoicewaiting',
            constraint=models.UniqueConstraint(fields=('side', 'party', 'asset', 'period'), name='invoice_waits_once'),
        ),
        migrations.AddConstraint(
            model_name='invoicewaiting',
            constraint=models.CheckConstraint(condition=models.Q(('tried_at__gte', models.F('since_at'))), name='invoice_waits_since_before'),
        ),
        migrations.AddIndex(
            model_name='taxprofile',
            index=models.Index(fields=['party', '-id'], name='tax_profile_by_party'),
        ),
        migrations.AddConstraint(
            model_name='taxrule',
            constraint=models.UniqueConstraint(fields=('side', 'country', 'valid_from'), name='tax_rule_once_from_a_moment'),
        ),
        migrations.AddConstraint(
            model_name='taxrule',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('basis_points__gt', 0), ('basis_points__lte', 10000), ('category', 'S')), models.Q(models.Q(('category', 'S'), _negated=True), ('basis_points', 0), models.Q(('wording', ''), _negated=True)), _connector='OR'), name='tax_rule_has_a_rate_or_a_wording'),
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
