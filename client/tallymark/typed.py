"""Hashes typed data as wallets do (EIP-712), so far as our own messages need it: flat structures.

A text enters the hash only by its own Keccak-256. Whoever shows that hash (0x and 64 digits, as
`Hidden`) instead of the text lets the signature be checked without telling the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tallymark.keccak import keccak

DOMAIN = "EIP712Domain"
Value = Any


@dataclass(frozen=True)
class Hidden:
    """A text of which only the hash is told: 32 bytes."""

    hash: bytes


@dataclass(frozen=True)
class Struct:
    """A type of message: its name, and its fields as (name, type).

    Types: `string`, `address`, `bytes32`, `uint64`, `uint256`.
    """

    name: str
    fields: tuple[tuple[str, str], ...]

    def hash(self, values: Mapping[str, Value]) -> bytes:
        """hashStruct of a message: 32 bytes. Raises ValueError for a value that does not fit."""
        words = [_type_hash(self)]
        words += [_word(kind, values[name], name) for name, kind in self.fields]
        return keccak(b"".join(words))


@dataclass(frozen=True)
class Domain:
    """Where a signature counts: our messages, on one chain, for the service at one address."""

    service: str
    chain_id: int

    @property
    def facts(self) -> dict[str, Value]:
        """The domain as EIP-712 names its fields; the salt is the hash of the service's address."""
        return {
            "name": "Tallymark",
            "version": "1",
            "chainId": self.chain_id,
            "salt": keccak(self.service.encode()),
        }

    def digest(self, struct: Struct, values: Mapping[str, Value]) -> bytes:
        """What is signed of a message: 32 bytes."""
        return keccak(b"\x19\x01" + _separator(self) + struct.hash(values))


DOMAIN_STRUCT = Struct(
    DOMAIN,
    (("name", "string"), ("version", "string"), ("chainId", "uint256"), ("salt", "bytes32")),
)


@lru_cache(maxsize=256)
def _separator(domain: Domain) -> bytes:
    return DOMAIN_STRUCT.hash(domain.facts)


@lru_cache(maxsize=64)
def _type_hash(struct: Struct) -> bytes:
    inner = ",".join(f"{kind} {name}" for name, kind in struct.fields)
    return keccak(f"{struct.name}({inner})".encode())


@lru_cache(maxsize=4096)
def text_hash(text: str) -> bytes:
    """The Keccak-256 of a text as UTF-8; a job's reports repeat most of theirs."""
    return keccak(text.encode())


def _word(kind: str, value: Value, name: str) -> bytes:
    """A value as 32 bytes."""
    if kind == "string":
        return value.hash if isinstance(value, Hidden) else text_hash(value)
    if kind.startswith("uint"):
        if not 0 <= value < 1 << int(kind[4:]):
            raise ValueError(f"{name} is out of the range of {kind}")
        return int(value).to_bytes(32, "big")
    raw = bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else bytes(value)
    if len(raw) != {"address": 20, "bytes32": 32}[kind]:
        raise ValueError(f"{name} is no {kind}")
    return raw.rjust(32, b"\0")
