"""Projects of runs and the caps they accepted."""

from django.db import migrations


class Migration(migrations.Migration):
    """Projects of runs and the caps they accepted."""

    dependencies = [("provenance", "0009_signals")]

    operations = []
