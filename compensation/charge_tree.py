"""Charges as they are hashed, and the way to the root of a tree of digests; pure.

The same stands in compensation/sql/billing.sql, in client/tallymark/journal.py and in the page that
verifies; tests hold them together.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

NODE_SIZE: Final = 16
_ROW: Final = struct.Struct(">16si10q")


class Row(NamedTuple):
    """One charge as it is hashed: 100 bytes. What a charge lacks is 0."""

    usage: bytes  # 16 bytes
    revision: int
    account: int
    rate: int
    records: int
    tokens: int
    epochs: int
    fetches: int
    amount: int
    total: int
    running: int
    tallied: int

    @classmethod
    def of(cls, usage: UUID, revision: int, *numbers: int | None) -> Row:
        """A row from a charge's columns, in their order."""
        return cls(usage.bytes, revision, *(number or 0 for number in numbers))

    def packed(self) -> bytes:
        """The bytes that are hashed."""
        return _ROW.pack(*self)


def path(leaves: Sequence[bytes], place: int) -> list[list[bytes]]:
    """What leads from the leaf at `place` to the root: for each level, the digests of its node."""
    found = []
    for level in _levels(leaves)[:-1]:
        place //= NODE_SIZE
        found.append(list(level[place * NODE_SIZE : (place + 1) * NODE_SIZE]))
    return found


def _levels(leaves: Sequence[bytes]) -> list[Sequence[bytes]]:
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append(
            [
                sha256(b"\x01" + b"".join(below[at : at + NODE_SIZE])).digest()
                for at in range(0, len(below), NODE_SIZE)
            ]
        )
    return levels
