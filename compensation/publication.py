"""The file in which a tree's leaves are published, so that anybody can rebuild a proposed root.

One line, `tallymark-leaves/1 CONTRACT EPOCH COUNT ROOT TOTAL`, then 68 bytes a leaf in the order of
the tree: payee id (32), address (20), cumulative (16, big-endian). Its SHA-256 is in the contract's
`RootProposed`. Payee ids are salted pseudonyms; they rise, so that equal leaves make equal files.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import islice

import numpy as np
from django.conf import settings

from compensation.models import PayoutEpoch, PayoutLeaf
from provenance import merkle

FORMAT = "tallymark-leaves/1"
LEAF_BYTES = 68
LEAVES_AT_ONCE = 10_000


def packed(leaf: PayoutLeaf) -> bytes:
    """A leaf as the file holds it: 68 bytes."""
    cumulative = int(leaf.cumulative).to_bytes(16, "big")
    return bytes(leaf.payee_id) + bytes.fromhex(leaf.address[2:]) + cumulative


def tree_of(body: bytes) -> merkle.Tree:
    """The tree over packed leaves, in their order: ABI-encoded (bytes32, address, uint256)."""
    leaves = np.frombuffer(body, np.uint8).reshape(-1, LEAF_BYTES)
    rows = np.zeros((len(leaves), 96), np.uint8)
    rows[:, :32] = leaves[:, :32]
    rows[:, 44:64] = leaves[:, 32:52]
    rows[:, 80:] = leaves[:, 52:]
    return merkle.Tree.of_encoded(rows, sort_leaves=False)


def digest_of(epoch: PayoutEpoch, body: bytes) -> bytes:
    """The SHA-256 of the file of an epoch whose packed leaves are `body`."""
    return sha256(_head(epoch) + body).digest()


def leaves_file(epoch: PayoutEpoch) -> Iterator[bytes]:
    """The file of a stored epoch, in pieces of at most 680 kB."""
    yield _head(epoch)
    rows = epoch.leaves.order_by("position").only("payee_id", "address", "cumulative")
    leaves = rows.iterator(chunk_size=LEAVES_AT_ONCE)
    while piece := b"".join(map(packed, islice(leaves, LEAVES_AT_ONCE))):
        yield piece


def where(epoch: PayoutEpoch) -> str:
    """The address at which the file is served."""
    place = f"payout-trees/{epoch.contract.caip10}/{epoch.number}/leaves"
    return f"{settings.PUBLIC_URL}/api/v1/{place}"


def _head(epoch: PayoutEpoch) -> bytes:
    facts = f"{epoch.number} {epoch.leaf_count} 0x{bytes(epoch.root).hex()} {int(epoch.total)}"
    return f"{FORMAT} {epoch.contract.caip10} {facts}\n".encode()
