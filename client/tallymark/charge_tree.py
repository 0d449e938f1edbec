"""How charges are hashed: rows into groups, the groups of a journal entry into one root.

The bytes are those of compensation/sql/billing.sql. Lines and entries have trees of the same form.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

# Usage, revision; account, rate, records, tokens, epochs, fetches, amount, total, running, tallied.
# What a charge lacks is 0.
CHARGE: Final = struct.Struct(">16si10q")
NODE_SIZE: Final = 16


def group_digest(division: int, rows_digest: bytes) -> bytes:
    """The digest of what an entry charged under one division, from the SHA-256 of its rows."""
    return sha256(b"\0" + struct.pack(">q", division) + rows_digest).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The digest of leaves (one at least), as of an entry's groups by their divisions; 32 bytes."""
    level = leaves
    while len(level) > 1:
        level = [
            _node(level[at : at + NODE_SIZE]) for at in range(0, len(level), NODE_SIZE)
        ]  # fmt: skip
    return _top(len(leaves), level[0])


def root_above(leaf: bytes, count: int, levels: Sequence[Sequence[bytes]]) -> bytes | None:
    """What one of `count` leaves leads to by the nodes above it; None where they lack it."""
    for level in levels:
        if leaf not in level:
            return None
        leaf = _node(level)
    return _top(count, leaf)


def _node(below: Sequence[bytes]) -> bytes:
    return sha256(b"\1" + b"".join(below)).digest()


def _top(count: int, root: bytes) -> bytes:
    return sha256(b"\2" + struct.pack(">q", count) + root).digest()
