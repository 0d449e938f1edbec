"""Invoices, credit notes and self-billed invoices."""

from django.db import migrations


class Migration(migrations.Migration):
    """Invoices, credit notes and self-billed invoices."""

    dependencies = [("compensation", "0007_budgets"), ("provenance", "0010_projects")]

    operations = []
