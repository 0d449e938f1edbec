"""How fast an upload goes, and what it is compared with."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """How fast an upload goes, and what it is compared with."""

    dependencies = [("ingest", "0008_result_seen")]

    operations = [
        migrations.AddField(
            model_name="upload", name="to_compare_count", field=models.BigIntegerField(null=True)
        ),
        migrations.AddField(
            model_name="upload", name="against_records", field=models.BigIntegerField(null=True)
        ),
        migrations.AddField(
            model_name="upload", name="against_owners", field=models.BigIntegerField(null=True)
        ),
        migrations.AddField(model_name="upload", name="pace", field=models.JSONField(default=list)),
    ]
