"""The nodes of Merkle trees are kept, so that proofs are served without rebuilding them."""

import django.db.models.deletion
from django.db import migrations, models

from provenance import merkle

NODES = 32_768

# Nodes are hashes: they cannot be compressed, and uncompressed a slice is read by itself.
FUNCTIONS = """
ALTER TABLE provenance_treeblock ALTER nodes SET STORAGE EXTERNAL;

-- Nodes of a stored tree by their places, in the order asked for.
CREATE FUNCTION provenance_tree_nodes(tree bigint, wanted bigint[]) RETURNS bytea[]
LANGUAGE sql STABLE AS $$
  SELECT coalesce(array_agg(
           substring(b.nodes FROM (w.place % 32768 * 32 + 1)::int FOR 32) ORDER BY w.step), '{}')
    FROM unnest(wanted) WITH ORDINALITY AS w(place, step)
    JOIN provenance_treeblock b ON b.tree_id = tree AND b.number = w.place / 32768
$$;

-- The proof of the leaf at a position: the siblings from it up to the root.
CREATE FUNCTION provenance_tree_proof(tree bigint, leaf bigint) RETURNS bytea[]
LANGUAGE sql STABLE AS $$
  WITH RECURSIVE way(place, step) AS (
    SELECT 2 * leaf_count - 2 - leaf, 1 FROM provenance_storedtree WHERE id = tree
    UNION ALL
    SELECT (place - 1) / 2, step + 1 FROM way WHERE place > 2
  )
  SELECT provenance_tree_nodes(tree, coalesce(array_agg(
           place + CASE WHEN place % 2 = 1 THEN 1 ELSE -1 END ORDER BY step), '{}'))
    FROM way WHERE place > 0
$$;
"""

def store_older_trees(apps, schema_editor) -> None:
    """Keep the trees of the batches that were anchored before."""
    own = schema_editor.connection.alias
    events = apps.get_model("provenance", "Event").objects.using(own)
    trees = apps.get_model("provenance", "StoredTree").objects.using(own)
    blocks = apps.get_model("provenance", "TreeBlock").objects.using(own)
    for batch in apps.get_model("provenance", "Anchor").objects.using(own).order_by("batch"):
        last_sequence = batch.first_sequence + batch.event_count - 1
        rows = events.filter(sequence__range=(batch.first_sequence, last_sequence))
        tree = merkle.Tree.of(
            ("uint256", "bytes32"),
            rows.order_by("sequence").values_list("sequence", "hash").iterator(),
            sort_leaves=False,
        )
        if tree.root != bytes(batch.root):
            raise RuntimeError(f"The ledger no longer matches batch {batch.batch} of the chain.")
        kept = trees.create(leaf_count=len(tree))
        size = NODES * merkle.NODE_BYTES
        for number, start in enumerate(range(0, len(tree.nodes), size)):
            nodes = bytes(tree.nodes[start : start + size])
            blocks.create(tree=kept, number=number, nodes=nodes)
        batch.tree = kept
        batch.save(update_fields=["tree"])


class Migration(migrations.Migration):
    """Stored trees of anchored batches."""

    dependencies = [("provenance", "0011_chain_gas")]

    operations = [
        migrations.CreateModel(
            name="StoredTree",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("leaf_count", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="TreeBlock",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("nodes", models.BinaryField()),
                (
                    "tree",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="blocks",
                        to="provenance.storedtree",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tree", "number"), name="tree_block_once")
                ],
            },
        ),
        migrations.AddField(
            model_name="anchor",
            name="tree",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="anchor",
                to="provenance.storedtree",
            ),
        ),
        migrations.RunSQL(
            FUNCTIONS,
            "DROP FUNCTION provenance_tree_proof; DROP FUNCTION provenance_tree_nodes",
        ),
        migrations.RunPython(store_older_trees, migrations.RunPython.noop),
    ]
