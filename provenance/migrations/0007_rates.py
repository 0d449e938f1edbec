"""Rates by plan, quotes taken up, and more counters of use."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import provenance.models.ids

COUNTERS = ("record_count", "token_count", "epoch_count", "fetch_count")

# Counters of use never go back.
KEEP_COUNTERS = """
CREATE OR REPLACE FUNCTION provenance_keep_counters() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF %s THEN
    RAISE EXCEPTION 'counters of %% never go back', TG_TABLE_NAME
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
"""

# For each table the function that checks an UPDATE; none of them is deleted from or emptied.
GUARDED = {
    "rateplan": "refuse()",
    "bundle": "keep_but('retired_at')",
    "bundle_licences": "refuse()",
    "subscription": "keep_but('ends_at')",
    "quote": "refuse()",
    "quoteitem": "refuse()",
}


def keep_counters(columns) -> str:
    """The trigger's function, looking at these columns."""
    return KEEP_COUNTERS % " OR ".join(f"NEW.{name} < OLD.{name}" for name in columns)


def guard(apps, schema_editor) -> None:
    """Set the triggers, as 0002_guards does for what was there before."""
    schema_editor.execute(keep_counters(COUNTERS), params=None)
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


def unguard(apps, schema_editor) -> None:
    """Look at the counters that were there before; the triggers go with their tables."""
    schema_editor.execute(keep_counters(COUNTERS[:3]), params=None)


class Migration(migrations.Migration):
    """Rates by plan, quotes taken up, and more counters of use."""

    dependencies = [("provenance", "0006_records_by_digest_and_dataset")]

    operations = [
        migrations.CreateModel(
            name='Bundle',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('price_units', models.BigIntegerField()),
                ('asset', models.CharField(max_length=120)),
                ('created_at', models.DateTimeField()),
                ('retired_at', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Quote',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('purpose', models.CharField(choices=[('pretrain', 'Pre-training'), ('finetune', 'Fine-tuning'), ('evaluate', 'Evaluation'), ('retrieve', 'Retrieval'), ('research', 'Non-commercial research')], max_length=20)),
                ('period', models.CharField(max_length=7)),
                ('created_at', models.DateTimeField()),
                ('valid_until', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='QuoteItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('record_count', models.BigIntegerField()),
                ('token_count', models.BigIntegerField()),
                ('epoch_count', models.BigIntegerField()),
                ('fetch_count', models.BigIntegerField()),
                ('quantity', models.BigIntegerField()),
                ('used_quantity', models.BigIntegerField()),
                ('amount_units', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='RatePlan',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('basis', models.CharField(choices=[('per_1k_records', 'per 1,000 records'), ('per_1m_tokens', 'per 1,000,000 tokens'), ('flat_per_run', 'flat per run'), ('per_epoch', 'per epoch'), ('per_fetch', 'per fetch')], max_length=20)),
                ('mode', models.CharField(choices=[('graduated', 'each part at the price of its own tier'), ('volume', 'everything at the price of the tier that is reached')], default='graduated', max_length=10)),
                ('tiers', models.JSONField()),
                ('free_quantity', models.BigIntegerField(default=0)),
                ('cap_units', models.BigIntegerField(blank=True, null=True)),
                ('minimum_units', models.BigIntegerField(default=0)),
                ('froms', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
                ('bases', django.contrib.postgres.fields.ArrayField(base_field=models.DecimalField(decimal_places=0, max_digits=40), size=None)),
                ('prices', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
                ('digest', models.CharField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name='Subscription',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('started_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.AlterField(
            model_name="usage",
            name="id",
            field=models.UUIDField(
                default=provenance.models.ids.new_id,
                editable=False,
                primary_key=True,
                serialize=False,
            ),
        ),
        migrations.AddField(
            model_name='rate',
            name='revenue_basis_points',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='usage',
            name='fetch_count',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='usage',
            name='rate',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='usages', to='provenance.rate'),
        ),
        migrations.AddField(
            model_name='usagereport',
            name='fetch_count',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name='rate',
            name='basis',
            field=models.CharField(choices=[('per_1k_records', 'per 1,000 records'), ('per_1m_tokens', 'per 1,000,000 tokens'), ('flat_per_run', 'flat per run'), ('per_epoch', 'per epoch'), ('per_fetch', 'per fetch')], max_length=20),
        ),
        migrations.AddField(
            model_name='bundle',
            name='licences',
            field=models.ManyToManyField(related_name='bundles', to='provenance.licence'),
        ),
        migrations.AddField(
            model_name='bundle',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='bundles', to='provenance.party'),
        ),
        migrations.AddField(
            model_name='quote',
            name='asked_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='quote',
            name='lab',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='quotes', to='provenance.party'),
        ),
        migrations.AddField(
            model_name='run',
            name='quote',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='runs', to='provenance.quote'),
        ),
        migrations.AddField(
            model_name='quoteitem',
            name='licence',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='provenance.licence'),
        ),
        migrations.AddField(
            model_name='quoteitem',
            name='quote',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='items', to='provenance.quote'),
        ),
        migrations.AddField(
            model_name='quoteitem',
            name='rate',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='provenance.rate'),
        ),
        migrations.AddField(
            model_name='quoteitem',
            name='version',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='provenance.datasetversion'),
        ),
        migrations.AddField(
            model_name='rateplan',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rate_plans', to='provenance.party'),
        ),
        migrations.AddField(
            model_name='rate',
            name='plan',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rates', to='provenance.rateplan'),
        ),
        migrations.AddConstraint(
            model_name='rate',
            constraint=models.CheckConstraint(condition=models.Q(('revenue_basis_points__lte', 10000)), name='rate_shares_at_most_all'),
        ),
        migrations.AddField(
            model_name='subscription',
            name='bundle',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='subscriptions', to='provenance.bundle'),
        ),
        migrations.AddField(
            model_name='subscription',
            name='lab',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='subscriptions', to='provenance.party'),
        ),
        migrations.AddField(
            model_name='subscription',
            name='subscribed_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='grant',
            name='subscription',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='grants', to='provenance.subscription'),
        ),
        migrations.AddConstraint(
            model_name='bundle',
            constraint=models.CheckConstraint(condition=models.Q(('price_units__gte', 0)), name='bundle_is_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='quoteitem',
            constraint=models.UniqueConstraint(fields=('quote', 'version'), name='quoted_once'),
        ),
        migrations.AddConstraint(
            model_name='quoteitem',
            constraint=models.CheckConstraint(condition=models.Q(('amount_units__gte', 0)), name='quote_is_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='rateplan',
            constraint=models.UniqueConstraint(fields=('owner', 'digest'), name='plan_made_once'),
        ),
        migrations.AddConstraint(
            model_name='rateplan',
            constraint=models.CheckConstraint(condition=models.Q(('free_quantity__gte', 0), ('minimum_units__gte', 0), models.Q(('cap_units__isnull', True), ('cap_units__gte', 0), _connector='OR')), name='plan_is_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='subscription',
            constraint=models.UniqueConstraint(condition=models.Q(('ends_at__isnull', True)), fields=('lab', 'bundle'), name='subscribed_once_at_a_time'),
        ),
        migrations.RunPython(guard, unguard),
        # What was granted before this keeps the rate that its grant froze.
        migrations.RunSQL(
            "UPDATE provenance_usage u SET rate_id = g.rate_id FROM provenance_grant g"
            " WHERE g.id = u.grant_id AND g.rate_id IS NOT NULL",
            migrations.RunSQL.noop,
        ),
    ]
