"""A proving ground for contracts: a node of its own, whose clock may be moved, and some people."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account
from web3 import Web3

from provenance import chains, evm
from tests.chain import Node, node

# Funded accounts of the public development phrase that no role of ours uses.
KEYS = [
    "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
]


@dataclass(frozen=True)
class Done:
    """A mined transaction."""

    is_success: bool
    gas_used: int
    logs: list[Any]
    contract_address: str


class Ground:
    """A chain with an administrator and three more people, addressed by name."""

    def __init__(self, at: Node) -> None:
        self.node = at
        self.w3 = Web3(Web3.HTTPProvider(at.url))
        self.chain = evm.Chain(self.w3, chains.settings_of(31337))
        self.accounts = {one.address: one for one in map(Account.from_key, KEYS)}
        self.admin, self.anna, self.ben, self.cleo = self.accounts

    @classmethod
    @contextmanager
    def start(cls, folder: Path) -> Iterator[Ground]:
        with node(folder) as started:
            yield cls(started)

    def pass_time(self, seconds: int) -> None:
        self.node.rpc("evm_increaseTime", seconds)
        self.node.mine()

    def stranger(self) -> str:
        """An address that nothing was ever sent to."""
        return evm.checksum("0x" + os.urandom(20).hex())

    def send(self, to: str | None, data: bytes, by: str, gas: int = 20_000_000) -> Done:
        fields = {"type": 2, "chainId": 31337, "value": 0, "data": data, "gas": gas}
        fields |= {"maxFeePerGas": 100 * evm.GWEI, "maxPriorityFeePerGas": 1}
        fields["nonce"] = self.w3.eth.get_transaction_count(by)
        if to:
            fields["to"] = to
        signed = self.accounts[by].sign_transaction(fields)
        tx_hash = self.w3.eth.send_raw_transaction(signed.raw_transaction)
        # anvil answers before it has mined.
        found = self.w3.eth.wait_for_transaction_receipt(tx_hash, poll_latency=0.01)
        address = str(found.get("contractAddress") or "")
        return Done(found["status"] == 1, found["gasUsed"], list(found["logs"]), address)

    def deploy(self, artefact: evm.Artefact, *arguments: Any, by: str = "") -> Contract:
        data = evm.encode_constructor(artefact, *arguments)
        done = self.send(None, data, by or self.admin)
        assert done.is_success, f"{artefact.name} was not created"
        return Contract(self, artefact, done.contract_address)


@dataclass(frozen=True)
class Contract:
    """A contract on the ground; functions are named by text."""

    ground: Ground
    artefact: evm.Artefact
    address: str

    def ask(self, function: str, *arguments: Any) -> Any:
        return self.ground.chain.call(self.artefact, self.address, function, *arguments)

    def data(self, function: str, *arguments: Any) -> bytes:
        return evm.encode_call(self.artefact, function, *arguments)

    def send(self, function: str, *arguments: Any, by: str = "", gas: int = 20_000_000) -> Done:
        done = self.ground.send(
            self.address, self.data(function, *arguments), by or self.ground.admin, gas
        )
        assert done.is_success, f"{function} reverted"
        return done

    def refusal(self, function: str, *arguments: Any, by: str = "") -> str:
        """The name of the error with which a call is refused; empty if it is not."""
        sender = by or self.ground.admin
        try:
            self.ground.chain.call(self.artefact, self.address, function, *arguments, sender=sender)
        except evm.CallReverted as refused:
            return str(refused)
        return ""
