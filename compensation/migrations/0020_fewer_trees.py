"""Lines and staged usages without a tree over their numbers, by which nothing looks them up."""

from django.db import migrations

# A line is found by its entry or its account, a staged usage by its batch.
WITHOUT_TREE = ("line", "stage")


def build(apps, schema_editor) -> None:
    """Drop the trees; numbers of the stage are taken a thousand at a time."""
    for name in WITHOUT_TREE:
        schema_editor.execute(
            f"ALTER TABLE compensation_{name} DROP CONSTRAINT compensation_{name}_pkey"
        )
    # They only give the order within a batch, and one session stages a batch.
    schema_editor.execute("ALTER TABLE compensation_stage ALTER COLUMN id SET CACHE 1000")


class Migration(migrations.Migration):
    """Fewer trees to keep while billing."""

    dependencies = [("compensation", "0019_fewer_passes")]

    operations = [migrations.RunPython(build, migrations.RunPython.noop)]
