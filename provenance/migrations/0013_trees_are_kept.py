"""Every batch has its tree, and stored trees are facts: they are only added."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

GUARDED = ("storedtree", "treeblock")


def guard(apps, schema_editor) -> None:
    """Trees are facts: only added."""
    for name in GUARDED:
        table = f"provenance_{name}"
        for trigger, events, each in (
            ("keep", "UPDATE", "ROW"),
            ("stays", "DELETE", "ROW"),
            ("is_whole", "TRUNCATE", "STATEMENT"),
        ):
            schema_editor.execute(
                f"CREATE TRIGGER {table}_{trigger} BEFORE {events} ON {table}"
                f" FOR EACH {each} EXECUTE FUNCTION provenance_refuse()"
            )
    with schema_editor.connection.cursor() as cursor:
        # Where one role does everything, the triggers alone must do.
        cursor.execute(
            "SELECT 1 FROM pg_roles WHERE rolname = %s AND rolname <> current_user",
            [settings.APP_DATABASE_ROLE],
        )
        if not cursor.fetchone():
            return
    role = schema_editor.quote_name(settings.APP_DATABASE_ROLE)
    for name in GUARDED:
        schema_editor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON provenance_{name} FROM {role}")


def unguard(apps, schema_editor) -> None:
    """Take the triggers away; the tables go with them."""
    for name in GUARDED:
        for trigger in ("keep", "stays", "is_whole"):
            table = f"provenance_{name}"
            schema_editor.execute(f"DROP TRIGGER {table}_{trigger} ON {table}")


class Migration(migrations.Migration):
    """What the migration before it filled may no longer be empty, nor change."""

    dependencies = [("provenance", "0012_stored_trees")]

    operations = [
        migrations.AlterField(
            model_name="anchor",
            name="tree",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="anchor",
                to="provenance.storedtree",
            ),
        ),
        migrations.RunPython(guard, unguard),
    ]
