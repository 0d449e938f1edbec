"""Which column of a file says who made each record."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Which column of a file says who made each record."""

    dependencies = [("ingest", "0006_columns"), ("provenance", "0008_splits")]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="contributor_column",
            field=models.CharField(blank=True, default="", max_length=200),
            preserve_default=False,
        ),
    ]
