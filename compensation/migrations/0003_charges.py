"""Charges in few bytes, grouped by weight version, with a digest tree."""

from django.db import migrations


class Migration(migrations.Migration):
    """Charges in few bytes, grouped by weight version, with a digest tree."""

    dependencies = [("compensation", "0002_journal"), ("provenance", "0010_projects")]

    operations = []
