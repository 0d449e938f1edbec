"""How far the chain was read, and pushes that failed."""

import django.db.models.deletion
from django.db import migrations, models

from compensation.sql import only_added_to


def guard(apps, schema_editor) -> None:
    """Let nobody change what the chain said."""
    only_added_to(schema_editor, "compensation_failedpush")


class Migration(migrations.Migration):
    """How far the chain was read, and pushes that failed."""

    dependencies = [("compensation", "0012_payout_totals"), ("provenance", "0010_projects")]

    operations = [
        migrations.AddField('paidcursor', 'last_hash', models.CharField(blank=True, default='', max_length=66)),
        migrations.AddField('transfercursor', 'last_hash', models.CharField(blank=True, default='', max_length=66)),
        migrations.AddField('payoutclaim', 'number', models.PositiveIntegerField(default=1)),
        migrations.AlterField('payoutclaim', 'leaf', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='claims', to='compensation.payoutleaf')),
        migrations.AlterModelOptions('payoutclaim', {'ordering': ['leaf', 'number']}),
        migrations.AddConstraint('payoutclaim', models.UniqueConstraint(fields=('leaf', 'number'), name='claim_number_once')),
        migrations.CreateModel(
            name='FailedPush',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('token_amount', models.DecimalField(decimal_places=0, max_digits=40)),
                ('tx_hash', models.CharField(max_length=66)),
                ('block_number', models.BigIntegerField()),
                ('seen_at', models.DateTimeField()),
                ('contract', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='failed', to='provenance.chaincontract')),
                ('leaf', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='failures', to='compensation.payoutleaf')),
                ('party', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='failed_pushes', to='provenance.party')),
            ],
            options={'verbose_name_plural': 'failed pushes'},
        ),
        migrations.AddConstraint('failedpush', models.UniqueConstraint(fields=('leaf', 'tx_hash'), name='failed_push_counts_once')),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
