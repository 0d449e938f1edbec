"""Merkle trees, byte for byte those of OpenZeppelin's StandardMerkleTree (npm, format standard-v1).

A root made here is checked by existing Solidity and JavaScript, and the other way round. Leaves are
hashed twice, pairs are sorted before they are hashed, and the tree is a complete binary tree in one
array with its root at 0. Source: @openzeppelin/merkle-tree 1.0, README and src/core.ts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

try:
    from sha3 import keccak_256 as _sha3_keccak

    def keccak(data: bytes) -> bytes:
        """Keccak-256 of `data`: 32 bytes (Ethereum's hash, not NIST's SHA3-256)."""
        digest: bytes = _sha3_keccak(data).digest()
        return digest

except ImportError:  # safe-pysha3 has no wheel for this interpreter; the answer is the same
    from eth_hash.auto import keccak as _eth_keccak

    def keccak(data: bytes) -> bytes:
        """Keccak-256 of `data`: 32 bytes (Ethereum's hash, not NIST's SHA3-256)."""
        return _eth_keccak(data)


# A value of a leaf: an unsigned integer, 32 bytes, or an address in hexadecimal.
TYPE_NAMES = frozenset({"uint256", "uint128", "uint64", "bytes32", "address", "bool"})
Value = int | bytes | str
NODE_BYTES = 32
# From so many leaves on the compiled kernel is used: below, it is loaded for less than it saves.
MANY = 4096


def encode(types: Sequence[str], values: Sequence[Value]) -> bytes:
    """ABI-encode one row of static types (see `TYPE_NAMES`): 32 bytes for each value.

    Raises ValueError for an unknown type, a value out of its range, or a wrong number of values.
    """
    if len(types) != len(values):
        raise ValueError(f"{len(types)} types but {len(values)} values")
    return b"".join(map(_word, types, values))


def _word(type_name: str, value: Value) -> bytes:
    """One value as its 32-byte ABI word."""
    if type_name.startswith("uint") and type_name in TYPE_NAMES and isinstance(value, int):
        if not 0 <= value < 1 << int(type_name[4:]):
            raise ValueError(f"{value} is out of the range of {type_name}")
        return value.to_bytes(32, "big")
    if type_name == "bytes32" and isinstance(value, bytes | bytearray | memoryview):
        word = bytes(value)
        if len(word) != 32:
            raise ValueError(f"bytes32 takes 32 bytes, not {len(word)}")
        return word
    if type_name == "address" and isinstance(value, str):
        raw = bytes.fromhex(value.removeprefix("0x"))
        if len(raw) != 20:
            raise ValueError(f"an address has 20 bytes, not {len(raw)}")
        return raw.rjust(32, b"\0")
    if type_name == "bool" and isinstance(value, bool):
        return int(value).to_bytes(32, "big")
    raise ValueError(f"cannot encode {type(value).__name__} as {type_name}")


def leaf_hash(types: Sequence[str], values: Sequence[Value]) -> bytes:
    """The leaf of one row: the hash of the hash of its ABI encoding."""
    return keccak(keccak(encode(types, values)))


def node_hash(left: bytes, right: bytes) -> bytes:
    """The parent of two nodes, in either order."""
    return keccak(left + right if left < right else right + left)


@dataclass(frozen=True)
class MultiProof:
    """One proof for several leaves.

    `order` holds the given leaf positions in the order in which the contract must receive them.
    """

    order: list[int]
    proof: list[bytes]
    flags: list[bool]


class Tree:
    """A complete Merkle tree over leaf hashes; leaf positions are those of the input.

    `nodes` is the tree as one array of 32-byte nodes with its root first, as it is stored.
    """

    # Where in that array the leaf of each position stands.
    _place: list[int] | NDArray[np.int64]

    def __init__(self, leaves: Sequence[bytes], *, sort_leaves: bool = True) -> None:
        """Build the tree. `sort_leaves` is the npm package's option of that name and default.

        Raises ValueError without leaves.
        """
        self.is_sorted = sort_leaves
        count = len(leaves)
        if count >= MANY:
            hashes = np.frombuffer(b"".join(leaves), np.uint8).reshape(count, NODE_BYTES)
            self._build_at_once(hashes, sort_leaves=sort_leaves)
            return
        if not count:
            raise ValueError("a tree needs at least one leaf")
        order = sorted(range(count), key=leaves.__getitem__) if sort_leaves else range(count)
        nodes = [b""] * (2 * count - 1)
        self._place = [0] * count
        for rank, position in enumerate(order):
            self._place[position] = leaf_place(count, rank)
            nodes[leaf_place(count, rank)] = leaves[position]
        for index in range(count - 2, -1, -1):
            nodes[index] = node_hash(nodes[2 * index + 1], nodes[2 * index + 2])
        self.nodes = memoryview(b"".join(nodes))

    @classmethod
    def of(
        cls, types: Sequence[str], rows: Iterable[Sequence[Value]], *, sort_leaves: bool = True
    ) -> Tree:
        """The tree of `rows`, each with the given ABI types."""
        return cls([leaf_hash(types, row) for row in rows], sort_leaves=sort_leaves)

    @classmethod
    def of_encoded(cls, rows: NDArray[np.uint8], *, sort_leaves: bool = True) -> Tree:
        """The tree of rows that are ABI-encoded already: uint8 [n, 32 for each value, at most 4].

        The way for many: a million rows take half a second and 130 MB beside their own.
        """
        if len(rows) < MANY:
            leaves = [keccak(keccak(row.tobytes())) for row in rows]
            return cls(leaves, sort_leaves=sort_leaves)
        from provenance import merkle_kernel

        tree = cls.__new__(cls)
        tree.is_sorted = sort_leaves
        hashes = merkle_kernel.hashes(merkle_kernel.hashes(rows))
        tree._build_at_once(hashes, sort_leaves=sort_leaves)
        return tree

    def _build_at_once(self, leaves: NDArray[np.uint8], *, sort_leaves: bool) -> None:
        """Build the tree of leaf hashes, uint8 [n, 32], by the compiled kernel."""
        # Compiled on first use, which the web and small trees need not wait for.
        from provenance import merkle_kernel

        count = len(leaves)
        order = np.lexsort(leaves.view(">u8").T[::-1]) if sort_leaves else np.arange(count)
        nodes = np.empty((2 * count - 1, NODE_BYTES), np.uint8)
        nodes[count - 1 :] = leaves[order[::-1]]
        merkle_kernel.fill(nodes, count)
        places = np.empty(count, np.int64)
        places[order] = leaf_place(count, 0) - np.arange(count)
        self._place = places
        self.nodes = nodes.reshape(-1).data

    @property
    def root(self) -> bytes:
        """The root: 32 bytes."""
        return self._node(0)

    def __len__(self) -> int:
        return len(self._place)

    def _node(self, index: int) -> bytes:
        return bytes(self.nodes[NODE_BYTES * index : NODE_BYTES * (index + 1)])

    def proof(self, position: int) -> list[bytes]:
        """The siblings from leaf `position` up to the root."""
        return [self._node(index) for index in siblings(int(self._place[position]))]

    def multiproof(self, positions: Sequence[int]) -> MultiProof:
        """One proof for the leaves at `positions` (each once); raises ValueError without any."""
        by_place = {int(self._place[position]): position for position in positions}
        plan = plan_multiproof([int(self._place[position]) for position in positions])
        return MultiProof(
            order=[by_place[place] for place in plan.leaves],
            proof=[self._node(index) for index in plan.nodes],
            flags=plan.flags,
        )


def leaf_place(leaf_count: int, rank: int) -> int:
    """Where in the array of nodes the leaf of that rank stands, the first one last; and back."""
    return 2 * leaf_count - 2 - rank


def siblings(index: int) -> list[int]:
    """The nodes of the proof of the node at `index`, from it up to the root."""
    found = []
    while index:
        found.append(_sibling(index))
        index = (index - 1) // 2
    return found


@dataclass(frozen=True)
class Plan:
    """Which nodes make a multiproof: the leaves in the contract's order, the proof, its flags."""

    leaves: list[int]
    nodes: list[int]
    flags: list[bool]


def plan_multiproof(places: Sequence[int]) -> Plan:
    """How the leaves at `places` (each once) are proven together; raises ValueError without any."""
    queue = sorted(set(places), reverse=True)
    if not queue or len(queue) != len(places):
        raise ValueError("name at least one leaf, and each only once")
    plan = Plan(leaves=list(queue), nodes=[], flags=[])
    at = 0
    while queue[at] > 0:
        index, at = queue[at], at + 1
        if at < len(queue) and queue[at] == _sibling(index):
            plan.flags.append(True)
            at += 1
        else:
            plan.flags.append(False)
            plan.nodes.append(_sibling(index))
        queue.append((index - 1) // 2)
    return plan


def _sibling(index: int) -> int:
    """The array index of the other child of the same parent."""
    return index + 1 if index & 1 else index - 1


def root_from(leaf: bytes, proof: Iterable[bytes]) -> bytes:
    """The root to which `proof` leads from `leaf`."""
    for sibling in proof:
        leaf = node_hash(leaf, sibling)
    return leaf


def verify(root: bytes, leaf: bytes, proof: Iterable[bytes]) -> bool:
    """Whether `proof` leads from `leaf` to `root`."""
    return root_from(leaf, proof) == root


def verify_multiproof(
    root: bytes, leaves: Sequence[bytes], proof: Sequence[bytes], flags: Sequence[bool]
) -> bool:
    """Whether one proof leads from all of `leaves`, in their contract order, to `root`."""
    if not leaves or len(leaves) + len(proof) != len(flags) + 1:
        return False
    queue, spare, at = list(leaves), iter(proof), 0
    for is_known in flags:
        if at + 1 + is_known > len(queue):
            return False
        left, at = queue[at], at + 1
        if is_known:
            right, at = queue[at], at + 1
        else:
            sibling = next(spare, None)
            if sibling is None:
                return False
            right = sibling
        queue.append(node_hash(left, right))
    return at == len(queue) - 1 and next(spare, None) is None and queue[-1] == root
