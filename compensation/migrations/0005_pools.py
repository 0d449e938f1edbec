"""Quotes, subscriptions, reported revenue and minimums."""

from django.db import migrations


class Migration(migrations.Migration):
    """Quotes, subscriptions, reported revenue and minimums."""

    dependencies = [("compensation", "0004_periods"), ("provenance", "0010_projects")]

    operations = []
