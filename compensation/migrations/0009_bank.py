"""Payouts by bank."""

from django.db import migrations


class Migration(migrations.Migration):
    """Payouts by bank."""

    dependencies = [("compensation", "0008_invoices"), ("provenance", "0010_projects")]

    operations = []
