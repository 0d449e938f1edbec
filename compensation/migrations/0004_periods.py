"""Periods that close, and holds that are posted in parts."""

from django.db import migrations


class Migration(migrations.Migration):
    """Periods that close, and holds that are posted in parts."""

    dependencies = [("compensation", "0003_charges"), ("provenance", "0010_projects")]

    operations = []
