"""The totals of the journal that each payout tree must follow."""

import django.db.models.deletion
from django.db import migrations, models

from compensation.sql import only_added_to


def guard(apps, schema_editor) -> None:
    """Let nobody change what was committed to."""
    only_added_to(schema_editor, "compensation_payouttotals")


class Migration(migrations.Migration):
    """The totals of the journal that each payout tree must follow."""

    dependencies = [("compensation", "0011_billing"), ("provenance", "0010_projects")]

    operations = [
        migrations.CreateModel(
            name='PayoutTotals',
            fields=[
                ('epoch', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='totals', serialize=False, to='compensation.payoutepoch')),
                ('file', models.BinaryField()),
                ('digest', models.BinaryField(max_length=32)),
                ('event', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='provenance.event')),
            ],
            options={'verbose_name_plural': 'payout totals'},
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
