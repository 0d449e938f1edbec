"""What weight versions were made from."""

from django.db import migrations


class Migration(migrations.Migration):
    """What weight versions were made from."""

    dependencies = [("compensation", "0005_pools"), ("provenance", "0010_projects")]

    operations = []
