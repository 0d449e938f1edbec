"""When an owner's people first looked at what was found."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """When an owner's people first looked at what was found."""

    dependencies = [("ingest", "0007_contributor_column")]

    operations = [
        migrations.AddField(
            model_name="upload", name="result_seen_at", field=models.DateTimeField(null=True)
        ),
    ]
