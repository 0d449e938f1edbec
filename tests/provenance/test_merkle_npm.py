"""Our trees and those of @openzeppelin/merkle-tree read each other, at any size."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance import merkle
from tests import npm

PEER = Path(__file__).parent / "vectors" / "peer.mjs"
ROWS = {
    ("uint256", "bytes32"): lambda dice: (dice.randrange(2**256), dice.randbytes(32)),
    ("bytes32", "address", "uint256"): lambda dice: (
        dice.randbytes(32),
        "0x" + dice.randbytes(20).hex(),
        dice.randrange(2**128),
    ),
    ("bytes32",): lambda dice: (dice.randbytes(32),),
}


@pytest.fixture(scope="module")
def peer():
    """Ask the npm package, in one Node for all: starting one takes longer than a thousand trees."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed here: the npm package cannot be asked")
    try:
        modules = npm.modules(*npm.MERKLE_TREE)
    except npm.NpmMissing as missing:
        pytest.skip(str(missing))
    command = [node, str(PEER), str(modules)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def ask(**question):
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield ask
        process.stdin.close()


def hexed(value):
    return "0x" + bytes(value).hex()


def as_text(row):
    return [hexed(one) if isinstance(one, bytes) else str(one) for one in row]


def bare(values):
    return [bytes.fromhex(one[2:]) for one in values]


def dump_of(tree, types, values):
    """Our tree as the package writes its own."""
    nodes = [tree.nodes[at : at + 32] for at in range(0, len(tree.nodes), 32)]
    places = {bytes(node): at for at, node in enumerate(nodes)}
    return {
        "format": "standard-v1",
        "leafEncoding": list(types),
        "tree": [hexed(node) for node in nodes],
        "values": [
            {"value": as_text(row), "treeIndex": places[merkle.leaf_hash(types, row)]}
            for row in values
        ],
    }


def check(peer, types, rows, sort_leaves, chosen):
    tree = merkle.Tree.of(types, rows, sort_leaves=sort_leaves)
    multi = tree.multiproof(chosen)
    dump = dump_of(tree, types, rows)
    answer = peer(
        types=list(types),
        values=[as_text(row) for row in rows],
        sortLeaves=sort_leaves,
        chosen=chosen,
        ours={
            "dump": dump,
            "proofs": [[hexed(one) for one in tree.proof(at)] for at in chosen],
            "multiproof": {
                "order": multi.order,
                "proof": [hexed(one) for one in multi.proof],
                "flags": multi.flags,
            },
        },
    )
    theirs = answer["theirs"]
    assert answer["ours"] == {"root": theirs["root"], "proofs": True, "multiproof": True}
    assert theirs["tree"] == dump["tree"]
    root = bytes.fromhex(theirs["root"][2:])
    for at, proof in zip(chosen, theirs["proofs"], strict=True):
        assert merkle.verify(root, merkle.leaf_hash(types, rows[at]), bare(proof))
    given_back = [as_text(rows[at]) for at in multi.order]
    assert theirs["multiproof"]["leaves"] == given_back
    leaves = [merkle.leaf_hash(types, rows[at]) for at in multi.order]
    theirs_together = bare(theirs["multiproof"]["proof"]), theirs["multiproof"]["flags"]
    assert merkle.verify_multiproof(root, leaves, *theirs_together)


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(ROWS)),
    st.integers(1, 70),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_roots_proofs_and_multiproofs_are_read_both_ways(peer, types, count, sort_leaves, dice):
    rows = [ROWS[types](dice) for _ in range(count)]
    chosen = dice.sample(range(count), dice.randint(1, count))
    check(peer, types, rows, sort_leaves, chosen)


@pytest.mark.parametrize("sort_leaves", [True, False])
def test_a_tree_large_enough_for_the_compiled_kernel_is_read_both_ways(peer, sort_leaves):
    dice, types = random.Random(7), ("bytes32", "address", "uint256")
    rows = [ROWS[types](dice) for _ in range(merkle.MANY + 1)]
    check(peer, types, rows, sort_leaves, [0, 1, 77, merkle.MANY])
