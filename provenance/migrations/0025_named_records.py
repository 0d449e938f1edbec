"""Which single records a report of use named."""

import django.db.models.deletion
from django.db import migrations, models


def guard(apps, schema_editor) -> None:
    """Let only the count change, and let nothing vanish."""
    table = "provenance_namedrecord"
    for trigger, event, scope, function in (
        ("keep", "UPDATE", "ROW", "keep_but('read_count')"),
        ("stays", "DELETE", "ROW", "refuse()"),
        ("is_whole", "TRUNCATE", "STATEMENT", "refuse()"),
    ):
        schema_editor.execute(
            f"CREATE TRIGGER {table}_{trigger} BEFORE {event} ON {table}"
            f" FOR EACH {scope} EXECUTE FUNCTION provenance_{function}",
            params=None,
        )


class Migration(migrations.Migration):
    """Which single records a report of use named."""

    dependencies = [("provenance", "0024_guide")]

    operations = [
        migrations.CreateModel(
            name="NamedRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stream", models.CharField(max_length=100)),
                ("read_count", models.BigIntegerField()),
                (
                    "record",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="provenance.record",
                    ),
                ),
                (
                    "usage",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="named",
                        to="provenance.usage",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("usage", "record", "stream"), name="record_named_once_a_stream"
                    )
                ],
            },
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
