"""Payees on every chain: one address each, and files for what others sign."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from compensation.sql import only_added_to

CHAINS = """
UPDATE compensation_payoutmethod
   SET chain = split_part(address, ':', 1) || ':' || split_part(address, ':', 2)
 WHERE kind = 'chain'
"""
WHOLE = models.Q(
    models.Q(('asset__isnull', True), ('hidden_iban__isnull', True), ('kind', 'chain'), models.Q(('chain', ''), _negated=True)),
    models.Q(('asset__isnull', False), ('chain', ''), ('hidden_iban__isnull', False), ('kind', 'bank')),
    _connector='OR',
)


def guard(apps, schema_editor) -> None:
    """Let nobody change what was sent; only what became of it."""
    only_added_to(schema_editor, "compensation_payoutexport")
    only_added_to(
        schema_editor, "compensation_exportedpayout",
        "state, tx_hash, words, outcome_id, settled_at",
    )


class Migration(migrations.Migration):
    """Payees on every chain."""

    dependencies = [
        ("compensation", "0013_final_logs"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField('payoutmethod', 'chain', models.CharField(blank=True, default='', max_length=41)),
        migrations.RunSQL(CHAINS, migrations.RunSQL.noop),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.RemoveConstraint('payoutmethod', 'payout_method_in_force_once'),
        migrations.RemoveConstraint('payoutmethod', 'payout_method_is_whole'),
        migrations.AddConstraint('payoutmethod', models.UniqueConstraint(condition=models.Q(('removed_at__isnull', True), ('verified_at__isnull', False)), fields=('party', 'asset', 'chain'), name='payout_method_in_force_once', nulls_distinct=False)),
        migrations.AddConstraint('payoutmethod', models.CheckConstraint(condition=WHOLE, name='payout_method_is_whole')),
        migrations.CreateModel(
            name='PayoutExport',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField(unique=True)),
                ('amount_units', models.BigIntegerField()),
                ('payout_count', models.PositiveIntegerField()),
                ('made_at', models.DateTimeField()),
                ('asset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payout_exports', to='compensation.asset')),
                ('entry', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='payout_export', to='compensation.entry')),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={'ordering': ['number']},
        ),
        migrations.CreateModel(
            name='ExportedPayout',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reference', models.CharField(max_length=20, unique=True)),
                ('address', models.CharField(max_length=120)),
                ('amount_units', models.BigIntegerField()),
                ('token_amount', models.DecimalField(decimal_places=0, max_digits=40)),
                ('state', models.CharField(choices=[('sent', 'Sent'), ('paid', 'Paid'), ('returned', 'Returned')], default='sent', max_length=8)),
                ('tx_hash', models.CharField(blank=True, default='', max_length=200)),
                ('words', models.CharField(blank=True, default='', max_length=300)),
                ('settled_at', models.DateTimeField(null=True)),
                ('export', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payouts', to='compensation.payoutexport')),
                ('method', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='exported', to='compensation.payoutmethod')),
                ('outcome', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='exported_payout', to='compensation.entry')),
                ('party', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='exported_payouts', to='provenance.party')),
            ],
            options={'ordering': ['export', 'id']},
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
