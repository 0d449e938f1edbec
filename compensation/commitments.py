"""What the ledger commits to of the divisions behind an entry: every weight, as one Merkle root.

A payee is shown its own leaf and the way to the root. The salt, made of the payee's own, keeps the
weights of the others from being guessed. The platform's part is public and has none.
"""

from __future__ import annotations

from compensation.models import ChargeGroup, Entry, Weight
from provenance import merkle

TYPES = ("uint256", "uint256", "uint256", "uint256", "bytes32")
NO_SALT = bytes(32)
Leaf = tuple[int, int, int, int, bytes]


def root_of(entry: Entry) -> bytes:
    """The root over all weights by which an entry's charges were divided: 32 bytes."""
    return merkle.Tree.of(TYPES, _leaves(entry)).root


def proof_of(entry: Entry, weight: Weight) -> tuple[Leaf, list[bytes]]:
    """The leaf of one weight, and its siblings up to `root_of(entry)`."""
    leaves = _leaves(entry)
    key = (weight.weight_version_id, weight.account_id)
    place = [leaf[:2] for leaf in leaves].index(key)
    return leaves[place], merkle.Tree.of(TYPES, leaves).proof(place)


def _leaves(entry: Entry) -> list[Leaf]:
    groups = ChargeGroup.objects.filter(entry=entry).values("weight_version")
    weights = Weight.objects.filter(weight_version__in=groups).order_by("weight_version", "account")
    columns = ("weight_version_id", "account_id", "weight", "weight_version__weight_sum")
    rows = weights.values_list(*columns, "account__party__salt")
    return [
        (version, account, int(weight), int(whole), _salt(salt, version))
        for version, account, weight, whole, salt in rows
    ]


def _salt(salt: bytes | memoryview | None, version: int) -> bytes:
    if salt is None:
        return NO_SALT
    return merkle.keccak(bytes(salt) + b"weight" + version.to_bytes(8, "big"))
