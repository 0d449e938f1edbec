"""Projects of runs and the caps they accepted."""

import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
    """Projects of runs and the caps they accepted."""

    dependencies = [("provenance", "0009_signals")]

    operations = [
        migrations.AddField(
            model_name='run',
            name='cap_asset',
            field=models.CharField(max_length=120, null=True),
        ),
        migrations.AddField(
            model_name='run',
            name='cap_units',
            field=models.BigIntegerField(null=True),
        ),
        migrations.CreateModel(
            name='Project',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100)),
                ('created_at', models.DateTimeField()),
                ('lab', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='projects', to='provenance.party')),
            ],
        ),
        migrations.AddField(
            model_name='run',
            name='project',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='runs', to='provenance.project'),
        ),
        migrations.AddConstraint(
            model_name='run',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('cap_asset__isnull', True), ('cap_units__isnull', True)), models.Q(('cap_asset__isnull', False), ('cap_units__gte', 0), ('root__isnull', True)), _connector='OR'), name='cap_is_of_a_root_in_an_asset'),
        ),
        migrations.AddConstraint(
            model_name='project',
            constraint=models.UniqueConstraint(fields=('lab', 'name'), name='project_named_once'),
        ),
    ]
