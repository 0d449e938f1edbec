"""What a stored tree answers is what the tree itself says, and nobody can change it."""

from __future__ import annotations

import os

import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance import merkle, trees
from provenance.models import TreeBlock

pytestmark = pytest.mark.django_db


def tree_of(count):
    return merkle.Tree([os.urandom(32) for _ in range(count)], sort_leaves=False)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 70), st.data())
def test_stored_proofs_are_those_of_the_tree(db, count, data):
    tree = tree_of(count)
    kept = trees.store(tree)
    position = data.draw(st.integers(0, count - 1))
    assert trees.proof(kept, position) == tree.proof(position)
    chosen = data.draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True))
    assert trees.multiproof(kept, chosen) == tree.multiproof(chosen)
    with connection.cursor() as cursor:
        cursor.execute("SELECT provenance_tree_proof(%s, %s)", [kept.pk, position])
        assert [bytes(one) for one in cursor.fetchone()[0]] == tree.proof(position)


def test_a_tree_of_several_blocks_is_read_across_them():
    count = TreeBlock.NODES + 5
    tree = tree_of(count)
    kept = trees.store(tree)
    assert kept.blocks.count() == 3
    for position in (0, 1, count // 2, count - 1):
        assert trees.proof(kept, position) == tree.proof(position)


def test_a_position_outside_of_the_tree_and_a_missing_block_are_our_own_errors():
    kept = trees.store(tree_of(3))
    with pytest.raises(AssertionError, match="has no leaf 3"):
        trees.proof(kept, 3)
    kept.leaf_count = 2**20
    with pytest.raises(AssertionError, match="missing"):
        trees.proof(kept, 0)


def test_a_tree_that_sorted_its_leaves_is_not_stored():
    with pytest.raises(AssertionError, match="position"):
        trees.store(merkle.Tree([b"\x02" * 32, b"\x01" * 32]))


@pytest.mark.parametrize(
    "statement",
    ["UPDATE provenance_treeblock SET nodes = nodes", "DELETE FROM provenance_treeblock",
     "UPDATE provenance_storedtree SET leaf_count = 9", "DELETE FROM provenance_storedtree"],
)  # fmt: skip
def test_stored_trees_are_only_added(statement):
    trees.store(tree_of(3))
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
