"""What weight versions are divided into: portions of versions, and their cells."""

import django.db.models.deletion
from django.db import migrations, models

from compensation.sql import only_added_to

TRIGGERS = """
CREATE TRIGGER compensation_portion_keep BEFORE UPDATE ON compensation_portion
  FOR EACH ROW EXECUTE FUNCTION compensation_refuse();
CREATE TRIGGER compensation_portion_stays BEFORE DELETE ON compensation_portion
  FOR EACH ROW EXECUTE FUNCTION compensation_refuse();
CREATE TRIGGER compensation_portion_is_whole BEFORE TRUNCATE ON compensation_portion
  FOR EACH STATEMENT EXECUTE FUNCTION compensation_refuse();
"""


def guard(apps, schema_editor) -> None:
    """Portions are only added."""
    schema_editor.execute(TRIGGERS, params=None)
    only_added_to(schema_editor, "compensation_portion")


class Migration(migrations.Migration):
    """What weight versions are divided into: portions of versions, and their cells."""

    dependencies = [("compensation", "0005_pools"), ("provenance", "0010_projects")]

    operations = [
        migrations.AddField(
            model_name="cell",
            name="source",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="provenance.datasetversion",
            ),
        ),
        migrations.CreateModel(
            name="Portion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("restatement", models.PositiveIntegerField(default=0)),
                ("ordinal", models.PositiveIntegerField()),
                ("parts", models.DecimalField(decimal_places=0, max_digits=25)),
                ("holders", models.JSONField()),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="portions",
                        to="provenance.datasetversion",
                    ),
                ),
                (
                    "weight_version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="portions",
                        to="compensation.weightversion",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("weight_version", "restatement", "ordinal"),
                        name="portion_ordinal_once",
                    )
                ],
            },
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
