"""Contributors, parents and quality of versions."""

from django.db import migrations


class Migration(migrations.Migration):
    """Contributors, parents and quality of versions."""

    dependencies = [("provenance", "0007_rates")]

    operations = []
