"""The file in which a tree's leaves are published, so that anybody can rebuild a proposed root.

One line, `tallymark-leaves/1 CONTRACT EPOCH COUNT ROOT TOTAL`, then 68 bytes a leaf in the order of
the tree: payee id (32), address (20), cumulative (16, big-endian). Payee ids are salted pseudonyms.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from django.conf import settings

from compensation.models import PayoutEpoch, PayoutLeaf

FORMAT = "tallymark-leaves/1"
LEAVES_AT_ONCE = 10_000


def packed(leaf: PayoutLeaf) -> bytes:
    """A leaf as the file holds it: 68 bytes."""
    cumulative = int(leaf.cumulative).to_bytes(16, "big")
    return bytes(leaf.payee_id) + bytes.fromhex(leaf.address[2:]) + cumulative


def leaves_file(epoch: PayoutEpoch) -> Iterator[bytes]:
    """The file of a stored epoch, in pieces of at most 680 kB."""
    facts = f"{epoch.number} {epoch.leaves.count()} 0x{bytes(epoch.root).hex()} {int(epoch.total)}"
    yield f"{FORMAT} {epoch.contract.caip10} {facts}\n".encode()
    rows = epoch.leaves.order_by("position").only("payee_id", "address", "cumulative")
    leaves = rows.iterator(chunk_size=LEAVES_AT_ONCE)
    while piece := b"".join(map(packed, islice(leaves, LEAVES_AT_ONCE))):
        yield piece


def where(epoch: PayoutEpoch) -> str:
    """The address at which the file is served."""
    place = f"payout-trees/{epoch.contract.caip10}/{epoch.number}/leaves"
    return f"{settings.PUBLIC_URL}/api/v1/{place}"
