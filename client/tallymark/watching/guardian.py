"""Vetoes a root with a guardian's key. Signing needs eth-account: `tallymark[guardian]`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tallymark.keccak import keccak
from tallymark.proofs import word
from tallymark.rpc import Node, NodeFailed

ROLE = keccak(b"GUARDIAN_ROLE")
VETO_GAS = 120_000
GWEI = 10**9
# A veto that no block takes is offered again for an eighth more, until it is mined.
BUMP_EIGHTHS = 9
PATIENCE_SECONDS = 90
PAUSE_SECONDS = 1


class NotAGuardian(Exception):
    """The key cannot be used as a guardian's; the message says why."""


class VetoFailed(Exception):
    """The veto did not land; the message says what to do."""


class Guardian:
    """A key that may veto."""

    def __init__(self, account: Any) -> None:
        self._account = account
        self.address = str(account.address)

    @classmethod
    def from_file(cls, path: Path, password: str = "") -> Guardian:
        """The key in a file: hexadecimal digits, or a V3 keystore with its password.

        Raises NotAGuardian, and OSError where the file cannot be read.
        """
        try:
            from eth_account import Account
        except ImportError:
            raise NotAGuardian(
                "signing needs eth-account: pip install 'tallymark[guardian]'"
            ) from None
        if path.stat().st_mode & 0o077:
            raise NotAGuardian(f"others may read {path}: chmod 600 {path}")
        text = path.read_text().strip()
        try:
            key = Account.decrypt(json.loads(text), password) if text.startswith("{") else text
            return cls(Account.from_key(key))
        except (ValueError, TypeError, KeyError) as error:
            # A message of the library's could show the key.
            kind = "keystore, or the password is wrong" if text.startswith("{") else "key"
            raise NotAGuardian(f"{path} holds no {kind} ({type(error).__name__})") from None

    def require_role(self, node: Node, contract: str) -> None:
        """Raise NotAGuardian unless the contract knows this key as a guardian with gas."""
        answer = node.call(contract, "hasRole(bytes32,address)", ROLE, word(self.address))
        if not int.from_bytes(answer, "big"):
            raise NotAGuardian(f"{self.address} is no guardian of {contract}")
        if not int(node.ask("eth_getBalance", self.address, "latest"), 16):
            raise NotAGuardian(f"{self.address} has nothing to pay gas with")

    def veto(self, node: Node, chain_id: int, contract: str, root: bytes) -> str:
        """Drop the pending root; returns the transaction's hash. Raises VetoFailed or NodeFailed.

        A root that was replaced or activated meanwhile is not hit: the contract refuses.
        """
        data = keccak(b"vetoRoot(bytes32)")[:4] + root
        nonce = int(node.ask("eth_getTransactionCount", self.address, "latest"), 16)
        fee = 2 * node.newest("baseFeePerGas") + 2 * GWEI
        sent: list[bytes] = []
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            signed = self._account.sign_transaction(
                {
                    "type": 2,
                    "chainId": chain_id,
                    "nonce": nonce,
                    "to": bytes.fromhex(contract[2:]),
                    "value": 0,
                    "data": data,
                    "gas": VETO_GAS,
                    "maxFeePerGas": fee,
                    "maxPriorityFeePerGas": 2 * GWEI,
                }
            )
            sent.append(bytes(signed.hash))
            _broadcast(node, bytes(signed.raw_transaction))
            found = _mined(node, sent)
            if found is not None:
                return found
            fee = fee * BUMP_EIGHTHS // 8
        raise VetoFailed("the veto was sent and no block took it: raise its fee by hand")


def _broadcast(node: Node, raw: bytes) -> None:
    """Hand the bytes over; what the node says of them is no verdict, a receipt is."""
    try:
        node.ask("eth_sendRawTransaction", "0x" + raw.hex())
    except NodeFailed as refusal:
        if "insufficient funds" in str(refusal).lower():
            raise VetoFailed(f"the guardian cannot pay the gas: {refusal}") from None


def _mined(node: Node, sent: list[bytes]) -> str | None:
    """The hash of whichever of the transactions a block took, after a while of looking."""
    for _ in range(15):
        for tx_hash in sent:
            receipt = node.receipt(tx_hash)
            if receipt is not None and not receipt.is_success:
                raise VetoFailed(
                    f"the contract refused the veto 0x{tx_hash.hex()}: the root was replaced or "
                    "activated meanwhile"
                )
            if receipt is not None:
                return "0x" + tx_hash.hex()
        time.sleep(PAUSE_SECONDS)
    return None
