"""Whether a member has put the list of first steps away."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Whether a member has put the list of first steps away."""

    dependencies = [("provenance", "0023_test_keys")]

    operations = [
        migrations.AddField(
            model_name="membership",
            name="guide_dismissed_at",
            field=models.DateTimeField(null=True),
        ),
    ]
