"""Who signs: keys by role, behind one protocol, so that a key may live elsewhere than here.

Here: keys from the settings, and on the development chain the public development keys, which
everybody knows and which are refused on any other chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from django.conf import settings

DEVELOPMENT_CHAIN = 31337

# The first accounts of the public phrase "test test ... junk", funded on every development chain.
DEVELOPMENT_KEYS = {
    "deployer": "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "anchorer": "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "proposer": "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "guardian": "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "treasury": "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
}
ROLES = tuple(DEVELOPMENT_KEYS)


class KeyMissing(Exception):
    """A role has no key, or one that may not be used here; the message says what to set."""


@dataclass(frozen=True)
class Signed:
    """A signed transaction: its bytes, and its hash as 0x and 64 hexadecimal digits."""

    raw: bytes
    tx_hash: str


class Signer(Protocol):
    """Something that signs for one address."""

    @property
    def address(self) -> str:
        """The address, with checksum."""

    def sign(self, transaction: dict[str, Any]) -> Signed:
        """Sign an EIP-1559 transaction; `transaction` has eth_account's field names."""

    def sign_words(self, words: str) -> bytes:
        """Sign a text as EIP-191 says, which no transaction can be taken for: r, s, v, 65 bytes."""


class LocalKey:
    """A private key in this process's memory."""

    def __init__(self, key: str) -> None:
        from eth_account import Account

        self._account = Account.from_key(key)

    def __repr__(self) -> str:
        return f"LocalKey({self.address})"

    @property
    def address(self) -> str:
        """The address, with checksum."""
        return str(self._account.address)

    def sign(self, transaction: dict[str, Any]) -> Signed:
        """Sign an EIP-1559 transaction."""
        signed = self._account.sign_transaction(transaction)
        return Signed(raw=bytes(signed.raw_transaction), tx_hash="0x" + bytes(signed.hash).hex())

    def sign_words(self, words: str) -> bytes:
        """Sign a text as EIP-191 says."""
        from eth_account.messages import encode_defunct

        return bytes(self._account.sign_message(encode_defunct(text=words)).signature)


def signer(role: str) -> Signer:
    """The signer of a role (see ROLES); raises KeyMissing with what to set."""
    configured = settings.CHAIN_KEYS.get(role, "")
    if settings.CHAIN_ID == DEVELOPMENT_CHAIN:
        return _local(configured or DEVELOPMENT_KEYS[role])
    if not configured:
        raise KeyMissing(f"No key for '{role}': set it in TALLYMARK_CHAIN_KEYS for this chain.")
    if _plain(configured) in map(_plain, DEVELOPMENT_KEYS.values()):
        raise KeyMissing(
            f"The key for '{role}' is a public development key: anybody can spend from it. "
            f"For chain {settings.CHAIN_ID} set your own in TALLYMARK_CHAIN_KEYS."
        )
    return _local(configured)


def address(role: str) -> str:
    """The address of a role, with checksum."""
    return signer(role).address


def signer_for(account: str) -> Signer:
    """The signer whose address is `account`; raises KeyMissing when no role has it."""
    for role in ROLES:
        if role not in settings.CHAIN_KEYS and settings.CHAIN_ID != DEVELOPMENT_CHAIN:
            continue
        candidate = signer(role)
        if candidate.address.lower() == account.lower():
            return candidate
    raise KeyMissing(f"No key for {account}: set the role that owns it in TALLYMARK_CHAIN_KEYS.")


def accounts() -> list[str]:
    """The addresses of all roles that have a key here, each once, in the order of ROLES."""
    with_key = [
        role
        for role in ROLES
        if role in settings.CHAIN_KEYS or settings.CHAIN_ID == DEVELOPMENT_CHAIN
    ]
    return list(dict.fromkeys(address(role) for role in with_key))


@cache
def _local(key: str) -> LocalKey:
    return LocalKey(key)


def _plain(key: str) -> str:
    """A key without its prefix and case, to compare."""
    return key.lower().removeprefix("0x")
