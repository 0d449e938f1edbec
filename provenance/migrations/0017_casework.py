"""Who of the operators looks after which case."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def guard(apps, schema_editor) -> None:
    """Who had a case stays on record: only its end is written later."""
    table = "provenance_assignment"
    for trigger, event, scope, function in (
        ("keep", "UPDATE", "ROW", "keep_but('ended_at')"),
        ("stays", "DELETE", "ROW", "refuse()"),
        ("is_whole", "TRUNCATE", "STATEMENT", "refuse()"),
    ):
        schema_editor.execute(
            f"CREATE TRIGGER {table}_{trigger} BEFORE {event} ON {table}"
            f" FOR EACH {scope} EXECUTE FUNCTION provenance_{function}",
            params=None,
        )


class Migration(migrations.Migration):
    """Who of the operators looks after which case."""

    dependencies = [
        ('provenance', '0016_bulk_answers'),
    ]

    operations = [
        migrations.CreateModel(
            name='Assignment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('conflict', 'Conflict to decide'), ('appeal', 'Appeal to decide'), ('claim', 'Claim to admit'), ('review', 'Review of reports'), ('payout', 'Payout that came back'), ('booking', 'Booking of the bank'), ('transfer', 'Transfer of nobody yet'), ('payment', 'Payment to look at'), ('difference', 'Difference to explain'), ('transaction', 'Transaction that reverted')], max_length=12)),
                ('subject', models.CharField(max_length=64)),
                ('assigned_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('assigned_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('assignee', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='assignments', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('kind', 'subject'), name='case_has_one_assignee')],
            },
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
