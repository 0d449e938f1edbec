"""Our trees are those of @openzeppelin/merkle-tree, and nothing but the truth leads to a root."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import eth_abi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance import merkle

VECTORS = json.loads((Path(__file__).parent / "vectors" / "merkle.json").read_text())
hashes = st.binary(min_size=32, max_size=32)
leaves_of = st.lists(hashes, min_size=1, max_size=40, unique=True)


def parsed(type_name: str, value: str) -> merkle.Value:
    if type_name == "bytes32":
        return bytes.fromhex(value[2:])
    return value if type_name == "address" else int(value)


def hexes(values: list[bytes]) -> list[str]:
    return ["0x" + value.hex() for value in values]


def named(case: dict[str, Any]) -> str:
    order = "sorted" if case["sortLeaves"] else "as given"
    return f"{len(case['values'])} {','.join(case['types'])} {order}"


@pytest.mark.parametrize("case", VECTORS, ids=named)
def test_roots_proofs_and_multiproofs_equal_those_of_the_npm_package(case):
    types = case["types"]
    rows = [[parsed(t, v) for t, v in zip(types, row, strict=True)] for row in case["values"]]
    tree = merkle.Tree.of(types, rows, sort_leaves=case["sortLeaves"])
    assert hexes([tree.root]) == [case["root"]]
    for position, proof in case["proofs"]:
        assert hexes(tree.proof(position)) == proof
    expected = case["multiproof"]
    multi = tree.multiproof(expected["positions"])
    assert multi.order == expected["order"]
    assert hexes(multi.proof) == expected["proof"]
    assert multi.flags == expected["flags"]


@given(leaves_of, st.booleans(), st.data())
def test_every_leaf_is_proven_and_no_other_is(leaves, sort_leaves, data):
    tree = merkle.Tree(leaves, sort_leaves=sort_leaves)
    position = data.draw(st.integers(0, len(leaves) - 1))
    proof = tree.proof(position)
    assert merkle.verify(tree.root, leaves[position], proof)
    stranger = data.draw(hashes.filter(lambda one: one not in leaves))
    assert not merkle.verify(tree.root, stranger, proof)
    if proof:
        assert not merkle.verify(tree.root, leaves[position], proof[:-1])


@given(leaves_of, st.booleans(), st.data())
def test_a_multiproof_proves_its_leaves_together_and_fails_when_one_is_changed(
    leaves, sort_leaves, data
):
    tree = merkle.Tree(leaves, sort_leaves=sort_leaves)
    everywhere = st.lists(st.integers(0, len(leaves) - 1), min_size=1, unique=True)
    multi = tree.multiproof(data.draw(everywhere))
    chosen = [leaves[position] for position in multi.order]
    assert merkle.verify_multiproof(tree.root, chosen, multi.proof, multi.flags)
    spoilt = data.draw(st.integers(0, len(chosen) - 1))
    chosen[spoilt] = data.draw(hashes.filter(lambda one: one not in leaves))
    assert not merkle.verify_multiproof(tree.root, chosen, multi.proof, multi.flags)


@given(st.integers(0, 2**256 - 1), hashes, st.binary(min_size=20, max_size=20))
def test_leaves_are_encoded_as_the_abi_says(number, word, address):
    types, values = ["uint256", "bytes32", "address"], [number, word, "0x" + address.hex()]
    assert merkle.encode(types, values) == eth_abi.encode(types, values)


@pytest.mark.parametrize(
    ("types", "values", "says"),
    [
        (["uint256"], [2**256], "out of the range"),
        (["uint64"], [-1], "out of the range"),
        (["bytes32"], [b"short"], "32 bytes"),
        (["address"], ["0x00"], "20 bytes"),
        (["string"], ["text"], "cannot encode"),
        (["uint256", "bytes32"], [1], "2 types but 1 values"),
    ],
)
def test_a_row_that_cannot_be_encoded_is_refused_in_words(types, values, says):
    with pytest.raises(ValueError, match=says):
        merkle.encode(types, values)


def test_a_tree_without_leaves_is_refused():
    with pytest.raises(ValueError, match="at least one leaf"):
        merkle.Tree([])


@given(leaves_of, st.lists(hashes, max_size=5), st.lists(st.booleans(), max_size=45))
def test_a_forged_multiproof_is_answered_no_and_never_an_error(leaves, proof, flags):
    root = b"\x01" * 32
    assert not merkle.verify_multiproof(root, leaves, proof, flags) or leaves == [root]


@given(st.integers(1, 80), st.booleans(), st.data())
def test_the_compiled_kernel_builds_the_same_tree(count, sort_leaves, data):
    leaves = data.draw(st.lists(hashes, min_size=count, max_size=count))
    plain = merkle.Tree(leaves, sort_leaves=sort_leaves)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merkle, "MANY", 1)
        compiled = merkle.Tree(leaves, sort_leaves=sort_leaves)
    assert bytes(compiled.nodes) == bytes(plain.nodes)
    position = data.draw(st.integers(0, count - 1))
    assert compiled.proof(position) == plain.proof(position)


@pytest.mark.parametrize("width", [32, 64, 96, 128])
@pytest.mark.parametrize("count", [1, 7, 8, 9, 4097])
def test_rows_that_are_encoded_already_make_the_leaves_that_their_values_make(width, count):
    rows = np.frombuffer(random.Random(count).randbytes(width * count), np.uint8)
    rows = rows.reshape(count, width)
    leaves = [merkle.keccak(merkle.keccak(row.tobytes())) for row in rows]
    expected = merkle.Tree(leaves, sort_leaves=False)
    assert bytes(merkle.Tree.of_encoded(rows, sort_leaves=False).nodes) == bytes(expected.nodes)
