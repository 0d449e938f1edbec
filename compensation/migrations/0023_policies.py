"""Policies of the operators, and what they did."""

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


def guard(apps, schema_editor) -> None:
    """What a policy says and did stays; putting it in force and ending it are written down once."""
    for table, columns in (
        (
            "compensation_policy",
            "'begun_at', 'begun_by_id', 'begun_reason', 'ended_at', 'ended_by_id', 'ended_reason',"
            " 'looked_at'",
        ),
        ("compensation_policyact", "'gone_at'"),
    ):
        for trigger, event, scope, function in (
            ("keep", "UPDATE", "ROW", f"keep_but({columns})"),
            ("stays", "DELETE", "ROW", "refuse()"),
            ("is_whole", "TRUNCATE", "STATEMENT", "refuse()"),
        ):
            schema_editor.execute(
                f"CREATE TRIGGER {table}_{trigger} BEFORE {event} ON {table}"
                f" FOR EACH {scope} EXECUTE FUNCTION provenance_{function}",
                params=None,
            )


class Migration(migrations.Migration):
    """Policies of the operators, and what they did."""


    dependencies = [
        ('compensation', '0022_wider_ranges'),
        ('provenance', '0030_policy_reviews'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Policy',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=80)),
                ('version', models.PositiveIntegerField()),
                ('target', models.CharField(choices=[('case', 'Cases in the queue'), ('use', 'Reports of use')], max_length=4)),
                ('condition', models.TextField()),
                ('due_hours', models.PositiveIntegerField(null=True)),
                ('words', models.CharField(blank=True, max_length=500)),
                ('written_at', models.DateTimeField()),
                ('begun_at', models.DateTimeField(null=True)),
                ('begun_reason', models.TextField(blank=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('ended_reason', models.TextField(blank=True)),
                ('looked_at', models.DateTimeField(null=True)),
                ('assign_to', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('begun_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('ended_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('written_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={'verbose_name_plural': 'policies'},
        ),
        migrations.CreateModel(
            name='PolicyAct',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=12)),
                ('subject', models.CharField(max_length=64)),
                ('facts', models.JSONField()),
                ('due_at', models.DateTimeField(null=True)),
                ('acted_at', models.DateTimeField()),
                ('gone_at', models.DateTimeField(null=True)),
                ('assigned_to', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('policy', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='acts', to='compensation.policy')),
                ('review', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='provenance.review')),
            ],
        ),
        migrations.AddConstraint(
            model_name='policy',
            constraint=models.UniqueConstraint(fields=('name', 'version'), name='policy_version_once'),
        ),
        migrations.AddConstraint(
            model_name='policy',
            constraint=models.UniqueConstraint(condition=models.Q(('begun_at__isnull', False), ('ended_at__isnull', True)), fields=('name',), name='policy_in_force_once'),
        ),
        migrations.AddConstraint(
            model_name='policy',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('target', 'case'), ('words', ''), models.Q(('assign_to__isnull', False), ('due_hours__gt', 0), _connector='OR')), models.Q(('assign_to__isnull', True), ('due_hours__isnull', True), ('target', 'use'), models.Q(('words', ''), _negated=True)), _connector='OR'), name='policy_does_what_its_target_allows'),
        ),
        migrations.AddConstraint(
            model_name='policy',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('begun_at__isnull', True), ('begun_by__isnull', True), ('begun_reason', '')), models.Q(('begun_at__isnull', False), ('begun_by__isnull', False), models.Q(('begun_reason', ''), _negated=True)), _connector='OR'), name='policy_begins_with_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='policy',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('ended_at__isnull', True), ('ended_by__isnull', True), ('ended_reason', '')), models.Q(('ended_at__gte', models.F('begun_at')), ('ended_by__isnull', False), models.Q(('ended_reason', ''), _negated=True)), _connector='OR'), name='policy_ends_with_a_reason'),
        ),
        migrations.AddIndex(
            model_name='policyact',
            index=models.Index(condition=models.Q(('gone_at', None)), fields=['kind', 'subject'], name='policy_act_live'),
        ),
        migrations.AddConstraint(
            model_name='policyact',
            constraint=models.UniqueConstraint(condition=models.Q(('gone_at__isnull', True)), fields=('policy', 'kind', 'subject'), name='policy_acts_once'),
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
