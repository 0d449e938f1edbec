"""Checks the signature of a screening report with nothing but the standard library.

A report is signed over a sentence that names the SHA-256 of its canonical JSON (RFC 8785), as
EIP-191 (version 0x45, "personal message") says; the signer's address is recovered from it (SEC 1,
section 4.1.6, on secp256k1).
"""

from __future__ import annotations

import hashlib
from typing import Any

from tallymark.canonical import NotCanonical, canonical
from tallymark.keccak import keccak

FORMAT = "tallymark-screening/1"
SCHEME = "eip191-sha256-rfc8785"

# secp256k1 (SEC 2, section 2.4.1).
FIELD = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
BASE = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
Point = tuple[int, int] | None


class NotSigned(ValueError):
    """The document has no signature that could be checked; the message says why."""


def sentence(digest: bytes) -> str:
    """What is signed: it names the report and can be taken for nothing else."""
    return f"Tallymark screening report, SHA-256 {digest.hex()}"


def digest_of(document: dict[str, Any]) -> bytes:
    """The SHA-256 of the report's canonical JSON, which the ledger has too. Raises NotSigned."""
    report = document.get("report")
    if not isinstance(report, dict):
        raise NotSigned("there is no report in it")
    try:
        return hashlib.sha256(canonical(report)).digest()
    except NotCanonical as error:
        raise NotSigned(str(error)) from error


def signer_of(document: dict[str, Any]) -> str:
    """The address that signed this document's report: 0x and 40 lower-case digits.

    A changed report gives another address, or none. Raises NotSigned.
    """
    digest, signature = digest_of(document), document.get("signature")
    if not isinstance(signature, dict):
        raise NotSigned("there is no signature in it")
    if signature.get("scheme") != SCHEME:
        raise NotSigned(f"the scheme is {signature.get('scheme')!r}, not {SCHEME}")
    try:
        value = bytes.fromhex(str(signature.get("value", "")).removeprefix("0x"))
    except ValueError as error:
        raise NotSigned("the signature is not hexadecimal") from error
    return recovered(sentence(digest), value)


def recovered(words: str, signature: bytes) -> str:
    """The address whose key signed `words`: r, s, v of 32, 32 and 1 bytes. Raises NotSigned."""
    if len(signature) != 65:
        raise NotSigned("a signature has 65 bytes")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    parity = signature[64] - 27
    if not (0 < r < ORDER and 0 < s < ORDER and parity in (0, 1)):
        raise NotSigned("the signature's numbers are out of range")
    message = words.encode()
    hashed = keccak(f"\x19Ethereum Signed Message:\n{len(message)}".encode() + message)
    inverse = pow(r, -1, ORDER)
    key = _add(
        _times(-int.from_bytes(hashed, "big") * inverse % ORDER, BASE),
        _times(s * inverse % ORDER, _lifted(r, parity)),
    )
    if key is None:
        raise NotSigned("the signature leads to no key")
    return "0x" + keccak(b"".join(part.to_bytes(32, "big") for part in key))[12:].hex()


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
