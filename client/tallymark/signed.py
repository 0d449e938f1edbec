"""Checks the signature of a screening report with nothing but the standard library.

A report is signed over a sentence that names the SHA-256 of its canonical JSON (RFC 8785), as
EIP-191 (version 0x45, "personal message") says; the signer's address is recovered from it.
"""

from __future__ import annotations

import hashlib
from typing import Any

from tallymark import secp256k1
from tallymark.canonical import NotCanonical, canonical
from tallymark.keccak import keccak
from tallymark.secp256k1 import NotSigned

FORMAT = "tallymark-screening/1"
SCHEME = "eip191-sha256-rfc8785"


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
    message = words.encode()
    hashed = keccak(f"\x19Ethereum Signed Message:\n{len(message)}".encode() + message)
    return secp256k1.signer_of(hashed, signature)
