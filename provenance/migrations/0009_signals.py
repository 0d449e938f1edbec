"""Declared plans of runs, and signals on their reports."""

from django.db import migrations


class Migration(migrations.Migration):
    """Declared plans of runs, and signals on their reports."""

    dependencies = [("provenance", "0008_splits")]

    operations = []
