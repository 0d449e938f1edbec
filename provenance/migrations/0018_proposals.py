"""Acts that take two people."""

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


# Once it has ended nothing of it changes; until then only how it ends. Nobody approves their own:
# a constraint says so, and the trigger keeps who put it forward.
KEEP = """
CREATE FUNCTION provenance_keep_proposal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  allowed record;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> 'open' THEN
      RAISE EXCEPTION 'a proposal begins open' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
  END IF;
  allowed := OLD;
  IF OLD.state = 'open' THEN
    allowed.state := NEW.state;
    allowed.decided_by_id := NEW.decided_by_id;
    allowed.decided_at := NEW.decided_at;
    allowed.reason := NEW.reason;
    allowed.outcome := NEW.outcome;
  END IF;
  IF allowed IS NOT DISTINCT FROM NEW THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'proposal % is a fact: it ends once, and nothing else of it changes', OLD.id
    USING ERRCODE = 'restrict_violation';
END $$;
"""


def guard(apps, schema_editor) -> None:
    """What was put forward, by whom, and how it ended, stays."""
    schema_editor.execute(KEEP, params=None)
    table = "provenance_proposal"
    for trigger, event, scope, function in (
        ("keep", "INSERT OR UPDATE", "ROW", "keep_proposal()"),
        ("stays", "DELETE", "ROW", "refuse()"),
        ("is_whole", "TRUNCATE", "STATEMENT", "refuse()"),
    ):
        schema_editor.execute(
            f"CREATE TRIGGER {table}_{trigger} BEFORE {event} ON {table}"
            f" FOR EACH {scope} EXECUTE FUNCTION provenance_{function}",
            params=None,
        )


class Migration(migrations.Migration):
    """Acts that take two people."""

    dependencies = [
        ('provenance', '0017_casework'),
    ]

    operations = [
        migrations.AlterField(
            model_name='assignment',
            name='kind',
            field=models.CharField(choices=[('proposal', 'To approve as the second person'), ('conflict', 'Conflict to decide'), ('appeal', 'Appeal to decide'), ('claim', 'Claim to admit'), ('review', 'Review of reports'), ('payout', 'Payout that came back'), ('booking', 'Booking of the bank'), ('payable', 'Payout over the limit'), ('transfer', 'Transfer of nobody yet'), ('payment', 'Payment to look at'), ('difference', 'Difference to explain'), ('transaction', 'Transaction that reverted')], max_length=12),
        ),
        migrations.CreateModel(
            name='Proposal',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('decision', 'Decide a conflict'), ('appeal', 'Decide an appeal'), ('reversal', 'Take an entry back'), ('refund', 'Pay a deposit back'), ('adjustment', 'Post an entry by hand'), ('conversion', 'Convert between assets'), ('root', 'Propose a payout tree'), ('run', 'Order a payment run')], max_length=10)),
                ('subject', models.CharField(max_length=64)),
                ('body', models.JSONField()),
                ('basis', models.JSONField()),
                ('salt', models.BinaryField(max_length=32)),
                ('digest', models.BinaryField(max_length=32)),
                ('words', models.TextField()),
                ('stake', models.CharField(blank=True, default='', max_length=200)),
                ('state', models.CharField(choices=[('open', 'Waits for a second person'), ('approved', 'Approved, and done'), ('refused', 'Refused'), ('withdrawn', 'Withdrawn by who proposed it'), ('expired', 'Expired: nobody approved it in time'), ('void', 'Void: the facts have changed')], default='open', max_length=9)),
                ('proposed_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('decided_at', models.DateTimeField(null=True)),
                ('reason', models.TextField(blank=True, default='')),
                ('outcome', models.CharField(blank=True, default='', max_length=300)),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('proposed_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='proposals', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'open')), fields=['expires_at'], name='proposal_open_by_end')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['approved', 'refused']), _negated=True), models.Q(('decided_by__isnull', False), models.Q(('decided_by', models.F('proposed_by')), _negated=True)), _connector='OR'), name='nobody_approves_their_own_proposal'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'withdrawn'), _negated=True), ('decided_by', models.F('proposed_by')), _connector='OR'), name='proposal_is_withdrawn_by_its_proposer'), models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', True), ('state', 'open')), models.Q(models.Q(('state', 'open'), _negated=True), ('decided_at__isnull', False)), _connector='OR'), name='proposal_ends_once'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'refused'), _negated=True), models.Q(('reason', ''), _negated=True), _connector='OR'), name='proposal_is_refused_with_a_reason'), models.UniqueConstraint(condition=models.Q(('state', 'open')), fields=('kind', 'subject'), name='proposal_open_once')],
            },
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
