"""Budgets and deposits by payment providers."""

from django.db import migrations


class Migration(migrations.Migration):
    """Budgets and deposits by payment providers."""

    dependencies = [("compensation", "0006_splits"), ("provenance", "0010_projects")]

    operations = []
