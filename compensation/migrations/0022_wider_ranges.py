"""Charges are found by longer ranges: every question reads all of them, and they grow in number."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations


class Migration(migrations.Migration):
    """The same two indexes over more pages to a range; the rows stay as they are."""

    dependencies = [("compensation", "0021_ownership")]

    operations = [
        migrations.RemoveIndex("charge", "charge_by_number"),
        migrations.RemoveIndex("charge", "charge_by_group"),
        migrations.AddIndex(
            "charge",
            BrinIndex(
                fields=["id"], name="charge_by_number", autosummarize=True, pages_per_range=64
            ),
        ),
        migrations.AddIndex(
            "charge",
            BrinIndex(
                fields=["entry", "weight_version"],
                name="charge_by_group",
                autosummarize=True,
                pages_per_range=16,
            ),
        ),
    ]
