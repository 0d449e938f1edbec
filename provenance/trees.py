"""Keeps the nodes of Merkle trees, so that a proof reads twenty of them instead of rebuilding all.

Only trees whose leaves stand in the order of their rows are kept: the place of a leaf follows from
its position. A tree of a million leaves takes 64 MB, in blocks of a megabyte.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from provenance import merkle
from provenance.models import StoredTree, TreeBlock


def store(tree: merkle.Tree) -> StoredTree:
    """Keep a tree that was built without sorting its leaves."""
    assert not tree.is_sorted, "the place of a leaf must follow from its position"
    kept = StoredTree.objects.create(leaf_count=len(tree))
    size = TreeBlock.NODES * merkle.NODE_BYTES
    for number, start in enumerate(range(0, len(tree.nodes), size)):
        # One by one: as text in a statement each takes twice its size.
        nodes = bytes(tree.nodes[start : start + size])
        TreeBlock.objects.create(tree=kept, number=number, nodes=nodes)
    return kept


def proof(tree: StoredTree, position: int) -> list[bytes]:
    """The siblings from leaf `position` up to the root."""
    assert 0 <= position < tree.leaf_count, f"{tree} has no leaf {position}"
    return _nodes(tree, merkle.siblings(merkle.leaf_place(tree.leaf_count, position)))


def multiproof(tree: StoredTree, positions: Sequence[int]) -> merkle.MultiProof:
    """One proof for the leaves at `positions` (each once); raises ValueError without any."""
    plan = merkle.plan_multiproof([merkle.leaf_place(tree.leaf_count, one) for one in positions])
    return merkle.MultiProof(
        order=[merkle.leaf_place(tree.leaf_count, place) for place in plan.leaves],
        proof=_nodes(tree, plan.nodes),
        flags=plan.flags,
    )


def _nodes(tree: StoredTree, wanted: list[int]) -> list[bytes]:
    """The nodes at these places, in this order: 32 bytes each."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT provenance_tree_nodes(%s, %s::bigint[])", [tree.pk, wanted])
        (found,) = cursor.fetchone()
    assert len(found) == len(wanted), f"blocks of {tree} are missing"
    return [bytes(one) for one in found]
