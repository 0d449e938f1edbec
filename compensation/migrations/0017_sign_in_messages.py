"""Sign-in messages prove addresses."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Sign-in messages prove addresses."""

    dependencies = [("compensation", "0016_bank_charges")]

    operations = [
        migrations.AddField(
            model_name='payoutmethod',
            name='nonce',
            field=models.CharField(blank=True, default='', max_length=64),
        ),
        migrations.AlterField(
            model_name='payoutmethod',
            name='challenge',
            field=models.TextField(blank=True, default=''),
        ),
        migrations.AlterField(
            model_name='payoutmethod',
            name='signature',
            field=models.TextField(blank=True, default=''),
        ),
    ]
