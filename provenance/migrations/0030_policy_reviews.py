"""Reviews that a policy of the operators asks for."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('provenance', '0029_awaiting_grants'),
    ]

    operations = [
        migrations.AlterField(
            model_name='review',
            name='rule',
            field=models.CharField(choices=[('gap', 'Reports are missing'), ('plan', "Differs from the run's plan"), ('history', 'Differs from earlier runs'), ('size', 'More than the dataset holds'), ('two_names', 'One content under two names'), ('meters', 'Meters disagree'), ('policy', 'A policy asks for a look')], max_length=10),
        ),
    ]
