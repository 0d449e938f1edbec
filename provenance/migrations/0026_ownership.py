"""Datasets pass from one owner to another."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


# A dataset has another owner only because a transfer says so, at the moment that it names.
PASSES = """
CREATE FUNCTION provenance_keep_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM provenance_tenure t JOIN provenance_ownershiptransfer f ON f.id = t.transfer_id
     WHERE t.dataset_id = NEW.id AND t.owner_id = NEW.owner_id AND t.ends_at IS NULL
       AND t.begins_at = NEW.owned_since AND f.dataset_id = NEW.id
       AND f.giver_id = OLD.owner_id AND f.receiver_id = NEW.owner_id) THEN
    RAISE EXCEPTION 'dataset % passes to another owner by a transfer alone', OLD.id
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER provenance_dataset_passes BEFORE UPDATE ON provenance_dataset FOR EACH ROW
  WHEN ((OLD.owner_id, OLD.owned_since) IS DISTINCT FROM (NEW.owner_id, NEW.owned_since))
  EXECUTE FUNCTION provenance_keep_owner();
"""


def guard(apps, schema_editor) -> None:
    """What was proposed and who owned what stays; each ends once."""
    for table, columns, is_new in (
        (
            "provenance_dataset",
            "'title', 'description', 'published_at', 'owner_id', 'owned_since'",
            False,
        ),
        (
            "provenance_ownershiptransfer",
            "'state', 'answer', 'decided_by_id', 'decided_at'",
            True,
        ),
        ("provenance_tenure", "'ends_at'", True),
    ):
        schema_editor.execute(
            f"CREATE OR REPLACE TRIGGER {table}_keep BEFORE UPDATE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION provenance_keep_but({columns})",
            params=None,
        )
        for trigger, event, scope in (
            ("stays", "DELETE", "ROW"),
            ("is_whole", "TRUNCATE", "STATEMENT"),
        ) if is_new else ():
            schema_editor.execute(
                f"CREATE TRIGGER {table}_{trigger} BEFORE {event} ON {table}"
                f" FOR EACH {scope} EXECUTE FUNCTION provenance_refuse()",
                params=None,
            )
    for trigger, event, scope in (
        ("keep", "UPDATE", "ROW"),
        ("stays", "DELETE", "ROW"),
        ("is_whole", "TRUNCATE", "STATEMENT"),
    ):
        schema_editor.execute(
            f"CREATE TRIGGER provenance_usagecut_{trigger} BEFORE {event} ON provenance_usagecut"
            f" FOR EACH {scope} EXECUTE FUNCTION provenance_refuse()",
            params=None,
        )
    schema_editor.execute(PASSES, params=None)


class Migration(migrations.Migration):
    """Datasets pass from one owner to another."""

    dependencies = [
        ('provenance', '0025_named_records'),
    ]

    operations = [
        migrations.AddField(
            model_name='dataset',
            name='owned_since',
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name='OwnershipTransfer',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('state', models.CharField(choices=[('proposed', 'Waits for the receiver'), ('accepted', 'Accepted, and done'), ('refused', 'Refused by the receiver'), ('withdrawn', 'Withdrawn'), ('expired', 'Expired: the receiver did not answer')], default='proposed', max_length=9)),
                ('reason', models.TextField()),
                ('paper', models.CharField(blank=True, default='', max_length=300)),
                ('proposed_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('decided_at', models.DateTimeField(null=True)),
                ('answer', models.TextField(blank=True, default='')),
                ('confirmed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('dataset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='transfers', to='provenance.dataset')),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('giver', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='given_transfers', to='provenance.party')),
                ('proposed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('receiver', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='received_transfers', to='provenance.party')),
            ],
        ),
        migrations.CreateModel(
            name='Tenure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('begins_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField(null=True)),
                ('dataset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tenures', to='provenance.dataset')),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tenures', to='provenance.party')),
                ('transfer', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='tenure', to='provenance.ownershiptransfer')),
            ],
            options={
                'ordering': ['begins_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='UsageCut',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('revision', models.PositiveIntegerField()),
                ('record_count', models.BigIntegerField()),
                ('token_count', models.BigIntegerField()),
                ('epoch_count', models.BigIntegerField()),
                ('fetch_count', models.BigIntegerField()),
                ('used_at', models.DateTimeField()),
                ('usage', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='cuts', to='provenance.usage')),
            ],
        ),
        migrations.AddConstraint(
            model_name='ownershiptransfer',
            constraint=models.CheckConstraint(condition=models.Q(('giver', models.F('receiver')), _negated=True), name='transfer_is_to_another'),
        ),
        migrations.AddConstraint(
            model_name='ownershiptransfer',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='transfer_has_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='ownershiptransfer',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('confirmed_by__isnull', True), ('paper', '')), models.Q(models.Q(('paper', ''), _negated=True), ('confirmed_by__isnull', False), ('proposed_by__isnull', False), models.Q(('confirmed_by', models.F('proposed_by')), _negated=True)), _connector='OR'), name='transfer_by_paper_takes_two_operators'),
        ),
        migrations.AddConstraint(
            model_name='ownershiptransfer',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', True), ('state', 'proposed')), models.Q(models.Q(('state', 'proposed'), _negated=True), ('decided_at__isnull', False)), _connector='OR'), name='transfer_ends_once'),
        ),
        migrations.AddConstraint(
            model_name='ownershiptransfer',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'proposed')), fields=('dataset',), name='transfer_open_once'),
        ),
        migrations.AddConstraint(
            model_name='tenure',
            constraint=models.UniqueConstraint(fields=('dataset', 'begins_at'), name='tenure_begins_once'),
        ),
        migrations.AddConstraint(
            model_name='tenure',
            constraint=models.UniqueConstraint(condition=models.Q(('ends_at__isnull', True)), fields=('dataset',), name='tenure_runs_once'),
        ),
        migrations.AddConstraint(
            model_name='tenure',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at__isnull', True), ('ends_at__gt', models.F('begins_at')), _connector='OR'), name='tenure_ends_after_its_beginning'),
        ),
        migrations.AddConstraint(
            model_name='usagecut',
            constraint=models.UniqueConstraint(fields=('usage', 'revision'), name='usage_cut_once'),
        ),
        migrations.AlterField(
            model_name='proposal',
            name='kind',
            field=models.CharField(choices=[('decision', 'Decide a conflict'), ('appeal', 'Decide an appeal'), ('reversal', 'Take an entry back'), ('refund', 'Pay a deposit back'), ('adjustment', 'Post an entry by hand'), ('conversion', 'Convert between assets'), ('root', 'Propose a payout tree'), ('run', 'Order a payment run'), ('transfer', 'Pass a dataset to another owner')], max_length=10),
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
