"""Reads the published files of a payout's tree, and computes its root.

Leaves: one line, `tallymark-leaves/1 CONTRACT EPOCH COUNT ROOT TOTAL`, then of each leaf 32 bytes
payee, 20 bytes address, 16 bytes cumulative. Totals: `tallymark-totals/1` and a newline, then of
each payee 32 bytes payee, 16 bytes sent, 16 bytes credited. Numbers are big-endian, in the token's
own decimals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tallymark import proofs
from tallymark.keccak import keccak

LEAVES, TOTALS = b"tallymark-leaves/1", b"tallymark-totals/1"
LEAF_BYTES, TOTAL_BYTES = 68, 64


class BadFile(ValueError):
    """A published file is not what it should be; the message says how."""


@dataclass(frozen=True)
class Leaf:
    """What one payee is owed in all, and where."""

    payee: bytes
    address: str
    cumulative: int

    @property
    def hash(self) -> bytes:
        """The leaf as the contract hashes it."""
        return proofs.leaf(self.payee, proofs.word(self.address), proofs.word(self.cumulative))


@dataclass(frozen=True)
class Total:
    """What the journal ever sent to the contract for a payee, and what it ever made payable."""

    payee: bytes
    sent: int
    credited: int


def leaves(data: bytes) -> list[Leaf]:
    """The leaves in a file; raises BadFile."""
    return [
        Leaf(row[:32], "0x" + row[32:52].hex(), int.from_bytes(row[52:], "big"))
        for row in _rows(data, LEAVES, LEAF_BYTES)
    ]


def totals(data: bytes) -> list[Total]:
    """The totals in a file; raises BadFile."""
    return [
        Total(row[:32], int.from_bytes(row[32:48], "big"), int.from_bytes(row[48:], "big"))
        for row in _rows(data, TOTALS, TOTAL_BYTES)
    ]


def name_of(what: str, contract: str, epoch: int) -> str:
    """Under which name a file of leaves or totals is kept; `contract` is CAIP-10."""
    _, chain_id, address = contract.lower().split(":")
    return f"tallymark-{what}-{chain_id}-{address}-{epoch}.bin"


def root(found: Sequence[Leaf], expected: bytes) -> bytes:
    """The root of the tree of these leaves: `expected`, where it is theirs in either order.

    Trees are OpenZeppelin's StandardMerkleTree, the leaves as they stand or sorted by their hashes.
    """
    if not found:
        raise BadFile("a tree has at least one leaf")
    hashes = [one.hash for one in found]
    as_they_stand = _root(hashes)
    return as_they_stand if as_they_stand == expected else _root(sorted(hashes))


def _root(hashes: list[bytes]) -> bytes:
    inner = len(hashes) - 1
    nodes = [b""] * inner + hashes[::-1]
    for index in range(inner - 1, -1, -1):
        left, right = nodes[2 * index + 1], nodes[2 * index + 2]
        nodes[index] = keccak(left + right if left < right else right + left)
    return nodes[0]


def _rows(data: bytes, name: bytes, row_bytes: int) -> Iterator[bytes]:
    head, _, body = data.partition(b"\n")
    if head.split(b" ")[0] != name:
        raise BadFile(f"the file does not begin with {name.decode()}")
    if len(body) % row_bytes:
        raise BadFile("the file ends in the middle of a row")
    return (body[at : at + row_bytes] for at in range(0, len(body), row_bytes))
