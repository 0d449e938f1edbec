"""Quotes, subscriptions, reported revenue and minimums."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from compensation.sql import only_added_to

# What is only added to, with the columns that may change afterwards.
ADDED_TO = {"revenuereport": "", "pool": "settled_at", "poolshare": ""}


def guard(apps, schema_editor) -> None:
    """Narrow what the application may do."""
    for table, columns in ADDED_TO.items():
        only_added_to(schema_editor, f"compensation_{table}", columns)


class Migration(migrations.Migration):
    """Quotes, subscriptions, reported revenue and minimums."""

    dependencies = [
        ("compensation", "0004_periods"),
        ("provenance", "0010_projects"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='RevenueReport',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('period', models.CharField(max_length=7)),
                ('revision', models.PositiveIntegerField()),
                ('revenue_units', models.BigIntegerField()),
                ('reported_at', models.DateTimeField()),
                ('asset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='compensation.asset')),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='revenue', to='provenance.trainedmodel')),
                ('reported_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Pool',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('subscription', 'subscription'), ('revenue', "share of a model's revenue"), ('minimum', 'up to the least amount of a month')], max_length=12)),
                ('period', models.CharField(max_length=7)),
                ('revision', models.PositiveIntegerField(default=1)),
                ('amount_units', models.BigIntegerField()),
                ('whole_use', models.DecimalField(decimal_places=0, max_digits=60)),
                ('counted', models.CharField(max_length=10)),
                ('opened_at', models.DateTimeField()),
                ('settled_at', models.DateTimeField(null=True)),
                ('asset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='compensation.asset')),
                ('lab', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='pools', to='provenance.party')),
                ('subscription', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='pools', to='provenance.subscription')),
                ('tally', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='pool', to='compensation.tally')),
                ('report', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='pool', to='compensation.revenuereport')),
            ],
        ),
        migrations.CreateModel(
            name='PoolShare',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.UUIDField()),
                ('use', models.DecimalField(decimal_places=0, max_digits=60)),
                ('amount_units', models.BigIntegerField()),
                ('pool', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='shares', to='compensation.pool')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='provenance.datasetversion')),
            ],
            options={
                'indexes': [models.Index(fields=['number'], name='pool_share_by_number')],
                'constraints': [models.UniqueConstraint(fields=('pool', 'version'), name='pool_shared_once')],
            },
        ),
        migrations.AddConstraint(
            model_name='revenuereport',
            constraint=models.UniqueConstraint(fields=('model', 'asset', 'period', 'revision'), name='revenue_revision_once'),
        ),
        migrations.AddConstraint(
            model_name='revenuereport',
            constraint=models.CheckConstraint(condition=models.Q(('revenue_units__gte', 0)), name='revenue_is_not_negative'),
        ),
        migrations.AddIndex(
            model_name='pool',
            index=models.Index(condition=models.Q(('settled_at__isnull', True)), fields=['opened_at'], name='pool_open'),
        ),
        migrations.AddConstraint(
            model_name='pool',
            constraint=models.UniqueConstraint(fields=('subscription', 'period'), name='subscription_owed_once_a_month'),
        ),
        migrations.AddConstraint(
            model_name='pool',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'subscription'), ('report', None), ('subscription__isnull', False), ('tally', None)), models.Q(('kind', 'revenue'), ('report__isnull', False), ('subscription', None), ('tally', None)), models.Q(('kind', 'minimum'), ('report', None), ('subscription', None), ('tally__isnull', False)), _connector='OR'), name='pool_has_its_subject'),
        ),
        migrations.AddConstraint(
            model_name='pool',
            constraint=models.CheckConstraint(condition=models.Q(('amount_units__gte', 0), ('whole_use__gt', 0)), name='pool_can_be_shared'),
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
