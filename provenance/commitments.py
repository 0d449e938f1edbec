"""How a version's records enter the ledger: one Merkle root over salted digests.

A leaf commits to SHA-256(salt || digest). Once the salt and the digests are erased, nobody can
tell what the root stood for, and the ledger still verifies. The tree is OpenZeppelin's
StandardMerkleTree of ["bytes32"] rows, so that existing tools check a record's proof.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from provenance.merkle import leaf_hash, node_hash


def commitment(salt: bytes, digest: bytes) -> bytes:
    """What the ledger's tree holds of one record: 32 bytes."""
    return hashlib.sha256(salt + digest).digest()


def records_root(salt: bytes, digests: Iterable[bytes]) -> bytes:
    """The root over the records' commitments, in any order; raises ValueError without records.

    Memory: one 32-byte object for each record, about 75 MB for a million.
    """
    nodes = sorted(leaf_hash(("bytes32",), (commitment(salt, digest),)) for digest in digests)
    if not nodes:
        raise ValueError("a version without records has no root")
    # A complete binary tree in one array, read from its end, is a queue: two children leave at
    # the front and their parent joins at the back. What was read is overwritten by parents.
    count = len(nodes)
    for parent in range(count - 1):
        left, right = nodes[2 * parent % count], nodes[(2 * parent + 1) % count]
        nodes[parent] = node_hash(left, right)
    return nodes[2 * (count - 1) % count]
