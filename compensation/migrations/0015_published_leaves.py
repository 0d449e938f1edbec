"""The leaves of each payout tree are published as a file, and its digest is on the chain.

Proofs are read from the stored tree.
"""

import django.db.models.deletion
from django.db import migrations, models


def refuse_older_trees(apps, schema_editor) -> None:
    """Trees of builds before this one stand on contracts that take no digest of their leaves."""
    epochs = apps.get_model("compensation", "PayoutEpoch").objects
    if epochs.using(schema_editor.connection.alias).exists():
        raise RuntimeError(
            "This database holds payout trees of an unreleased build, whose contract takes no"
            " digest of their leaves. Keep its folder, and begin anew with ./run up --fresh."
        )


class Migration(migrations.Migration):
    """Trees in the order of their published leaves."""

    dependencies = [("compensation", "0014_other_chains"), ("provenance", "0013_trees_are_kept")]

    operations = [
        migrations.RunPython(refuse_older_trees, migrations.RunPython.noop),
        migrations.AddField(
            model_name="payoutepoch",
            name="leaf_count",
            field=models.PositiveIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="payoutepoch",
            name="leaves_digest",
            field=models.BinaryField(default=b"", max_length=32),
            preserve_default=False,
        ),
        # There is no epoch yet: what stands here for one is never read.
        migrations.AddField(
            model_name="payoutepoch",
            name="tree",
            field=models.OneToOneField(
                default=0,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="payout_epoch",
                to="provenance.storedtree",
            ),
            preserve_default=False,
        ),
        migrations.RemoveField(model_name="payoutleaf", name="proof"),
    ]
