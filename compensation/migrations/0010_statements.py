"""What statements and exports need."""

from django.db import migrations


class Migration(migrations.Migration):
    """What statements and exports need."""

    dependencies = [("compensation", "0009_bank"), ("provenance", "0010_projects")]

    operations = []
