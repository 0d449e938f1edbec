"""Suspensions and legal holds."""

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


def guard(apps, schema_editor) -> None:
    """What was restricted, why and until when, stays; lifting is written down once."""
    table = "provenance_restriction"
    for trigger, event, scope, function in (
        ("keep", "UPDATE", "ROW", "keep_but('lifted_at', 'lifted_by_id', 'lifted_reason')"),
        ("stays", "DELETE", "ROW", "refuse()"),
        ("is_whole", "TRUNCATE", "STATEMENT", "refuse()"),
    ):
        schema_editor.execute(
            f"CREATE TRIGGER {table}_{trigger} BEFORE {event} ON {table}"
            f" FOR EACH {scope} EXECUTE FUNCTION provenance_{function}",
            params=None,
        )


class Migration(migrations.Migration):
    """Suspensions and legal holds."""

    dependencies = [
        ('provenance', '0020_public_pages'),
    ]

    operations = [
        migrations.CreateModel(
            name='Restriction',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('suspension', 'Suspension'), ('legal_hold', 'Legal hold')], max_length=10)),
                ('reason', models.TextField()),
                ('begins_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField(null=True)),
                ('lifted_at', models.DateTimeField(null=True)),
                ('lifted_reason', models.TextField(blank=True, default='')),
                ('dataset', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='restrictions', to='provenance.dataset')),
                ('lifted_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('party', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='restrictions', to='provenance.party')),
                ('set_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('lifted_at__isnull', True)), fields=['party'], name='restriction_of_party')],
                'constraints': [models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='restriction_has_a_reason'), models.CheckConstraint(condition=models.Q(('ends_at__isnull', True), ('ends_at__gt', models.F('begins_at')), _connector='OR'), name='restriction_ends_after_its_start'), models.CheckConstraint(condition=models.Q(('kind', 'legal_hold'), ('dataset__isnull', True), _connector='OR'), name='suspension_is_of_a_party'), models.CheckConstraint(condition=models.Q(models.Q(('lifted_at__isnull', True), ('lifted_by__isnull', True), ('lifted_reason', '')), models.Q(('lifted_at__isnull', False), ('lifted_by__isnull', False), models.Q(('lifted_reason', ''), _negated=True)), _connector='OR'), name='restriction_is_lifted_with_a_reason')],
            },
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
