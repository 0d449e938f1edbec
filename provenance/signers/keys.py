"""What a signer is, and the one that holds its key in this process's memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


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

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign the 32 bytes of typed data (EIP-712): r, s, v, 65 bytes. Never a stranger's."""


class DigestSigner:
    """Signs everything that a key can sign that is only ever shown 32 bytes."""

    @property
    def address(self) -> str:
        """The address, with checksum."""
        raise NotImplementedError

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign 32 bytes: r, s, v, 65 bytes, s in the lower half (EIP-2), v 27 or 28."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address})"

    def sign(self, transaction: dict[str, Any]) -> Signed:
        """Sign an EIP-1559 transaction."""
        from eth_account.typed_transactions.typed_transaction import TypedTransaction
        from eth_utils.crypto import keccak

        digest = TypedTransaction.from_dict(transaction).hash()
        made = self.sign_digest(bytes(digest))
        parts = {
            "r": int.from_bytes(made[:32], "big"),
            "s": int.from_bytes(made[32:64], "big"),
            # EIP-1559 writes the parity alone.
            "v": made[64] - 27,
        }
        raw = TypedTransaction.from_dict(transaction | parts).encode()
        return Signed(raw=raw, tx_hash="0x" + keccak(raw).hex())

    def sign_words(self, words: str) -> bytes:
        """Sign a text as EIP-191 says."""
        from eth_account.messages import defunct_hash_message

        return self.sign_digest(bytes(defunct_hash_message(text=words)))


class LocalKey(DigestSigner):
    """A private key in this process's memory."""

    def __init__(self, key: str | bytes) -> None:
        from eth_account import Account

        self._account = Account.from_key(key)

    @property
    def address(self) -> str:
        """The address, with checksum."""
        return str(self._account.address)

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign 32 bytes (RFC 6979: the same bytes each time)."""
        return bytes(self._account.unsafe_sign_hash(digest).signature)

    def encrypted(self, passphrase: str) -> dict[str, Any]:
        """The key as a V3 keystore."""
        return dict(self._account.encrypt(passphrase))
