"""Finds whose key made a signature: the curve of Ethereum in plain Python, for checking alone.

Nothing here is secret, so nothing here takes care to hide how long it takes: never sign with it.
Source: SEC 1, section 4.1.6, on secp256k1 (SEC 2, section 2.4.1).
"""

from __future__ import annotations

from tallymark.keccak import keccak

FIELD = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
BASE = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
SIGNATURE_BYTES = 65
# An affine point (x, y); None is the point at infinity.
Point = tuple[int, int] | None


class NotSigned(ValueError):
    """There is no signature that could be checked; the message says why."""


def signer_of(digest: bytes, signature: bytes) -> str:
    """The address whose key signed `digest` (32 bytes): 0x and 40 lower-case digits.

    The signature is r, s, v of 32, 32 and 1 bytes, v being 27 or 28. Of the two signatures that
    one can be turned into, only that with the lower s is taken (EIP-2). Raises NotSigned.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise NotSigned("a signature has 65 bytes")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    parity = signature[64] - 27
    if not (0 < r < ORDER and 0 < s <= ORDER // 2 and parity in (0, 1)):
        raise NotSigned("the signature's numbers are out of range")
    inverse = pow(r, -1, ORDER)
    key = _add(
        _times(-int.from_bytes(digest, "big") * inverse % ORDER, BASE),
        _times(s * inverse % ORDER, _lifted(r, parity)),
    )
    if key is None:
        raise NotSigned("the signature leads to no key")
    return address_of(b"".join(part.to_bytes(32, "big") for part in key))


def address_of(public_key: bytes) -> str:
    """The address of a public key: x and y, 64 bytes in."""
    return "0x" + keccak(public_key)[12:].hex()


def _lifted(x: int, parity: int) -> Point:
    """The point of the curve at `x` whose other part is odd or even. Raises NotSigned."""
    square = (pow(x, 3, FIELD) + 7) % FIELD
    y = pow(square, (FIELD + 1) // 4, FIELD)
    if y * y % FIELD != square:
        raise NotSigned("the signature names no point of the curve")
    return (x, y if y % 2 == parity else FIELD - y)


def _add(one: Point, other: Point) -> Point:
    if one is None or other is None:
        return other if one is None else one
    if one[0] == other[0]:
        if (one[1] + other[1]) % FIELD == 0:
            return None
        slope = 3 * one[0] * one[0] * pow(2 * one[1], -1, FIELD) % FIELD
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, FIELD) % FIELD
    x = (slope * slope - one[0] - other[0]) % FIELD
    return (x, (slope * (one[0] - x) - one[1]) % FIELD)


def _times(count: int, point: Point) -> Point:
    total: Point = None
    while count:
        if count & 1:
            total = _add(total, point)
        point, count = _add(point, point), count >> 1
    return total
