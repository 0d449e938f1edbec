"""Asks an Ethereum node, with the standard library alone: what a proof says must stand there."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tallymark.keccak import keccak

TIMEOUT_SECONDS = 15


class NodeFailed(Exception):
    """The node could not be asked, or gave no usable answer; says nothing about the proof."""


@dataclass(frozen=True)
class Log:
    """One log of a transaction: the contract, its topics and the data's 32-byte words."""

    address: str
    topics: list[bytes]
    words: list[bytes]


@dataclass(frozen=True)
class Receipt:
    """A mined transaction."""

    is_success: bool
    block_number: int
    logs: list[Log]


class Node:
    """A JSON-RPC endpoint."""

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise NodeFailed(f"{url!r} is not an http(s) address of an Ethereum node")
        self.url = url

    def ask(self, method: str, *params: Any) -> Any:
        """The result of one JSON-RPC call; raises NodeFailed."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
        headers = {"Content-Type": "application/json", "User-Agent": "tallymark-verify"}
        request = urllib.request.Request(self.url, body.encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as reply:
                answer = json.loads(reply.read())
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise NodeFailed(f"the node at {self.url} does not answer: {error}") from None
        if not isinstance(answer, dict) or "result" not in answer:
            refusal = answer.get("error") if isinstance(answer, dict) else answer
            raise NodeFailed(f"the node at {self.url} refused {method}: {refusal}")
        return answer["result"]

    def chain_id(self) -> int:
        """The EIP-155 id of the chain that the node serves."""
        return self._number(self.ask("eth_chainId"))

    def has_code(self, address: str) -> bool:
        """Whether a contract stands at `address`."""
        return len(str(self.ask("eth_getCode", address, "latest"))) > 2

    def call(self, address: str, signature: str, *words: bytes) -> bytes:
        """The answer of a contract's function, as bytes; the arguments are 32-byte words."""
        data = keccak(signature.encode())[:4] + b"".join(words)
        request = {"to": address, "data": "0x" + data.hex()}
        return self._bytes(self.ask("eth_call", request, "latest"))

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        """What the chain says of a transaction; None if no block holds it."""
        found = self.ask("eth_getTransactionReceipt", "0x" + tx_hash.hex())
        if found is None:
            return None
        try:
            logs = [self._log(entry) for entry in found["logs"]]
            block_number = self._number(found["blockNumber"])
            return Receipt(self._number(found["status"]) == 1, block_number, logs)
        except (KeyError, TypeError) as error:
            raise NodeFailed(f"the node at {self.url} gave a strange receipt: {error}") from None

    def block_time(self, block_number: int) -> int:
        """A block's time, in seconds since 1970."""
        with_transactions = False
        block = self.ask("eth_getBlockByNumber", hex(block_number), with_transactions)
        if not isinstance(block, dict) or "timestamp" not in block:
            raise NodeFailed(f"the node at {self.url} does not have block {block_number}")
        return self._number(block["timestamp"])

    def newest(self, field: str) -> int:
        """A number that stands in the newest block, such as `timestamp` or `baseFeePerGas`."""
        with_transactions = False
        block = self.ask("eth_getBlockByNumber", "latest", with_transactions)
        return self._number(block.get(field) if isinstance(block, dict) else None)

    def _log(self, entry: dict[str, Any]) -> Log:
        data = self._bytes(entry["data"])
        words = [data[at : at + 32] for at in range(0, len(data), 32)]
        topics = [self._bytes(topic) for topic in entry["topics"]]
        return Log(str(entry["address"]).lower(), topics, words)

    def _number(self, value: Any) -> int:
        try:
            return int(value, 16)
        except (TypeError, ValueError):
            raise NodeFailed(f"the node at {self.url} answered {value!r}, not a number") from None

    def _bytes(self, value: Any) -> bytes:
        try:
            return bytes.fromhex(value.removeprefix("0x"))
        except (AttributeError, ValueError):
            raise NodeFailed(f"the node at {self.url} answered {value!r}, not bytes") from None


def topic(signature: str) -> bytes:
    """The first topic of an event's logs."""
    return keccak(signature.encode())


def find_log(receipt: Receipt | None, address: str, signature: str, *indexed: bytes) -> Log | None:
    """The first log of one event at a contract whose first indexed arguments are as given.

    None without a receipt, or if the transaction failed.
    """
    if receipt is None or not receipt.is_success:
        return None
    wanted = [topic(signature), *indexed]
    for log in receipt.logs:
        if log.address == address.lower() and log.topics[: len(wanted)] == wanted:
            return log
    return None


# One node, or one of each chain that a proof names.
Nodes = Node | Sequence[Node]


def serving(node: Nodes, chain_id: int) -> Node:
    """Of nodes of several chains the first that serves this one, or else the first.

    Raises NodeFailed.
    """
    if isinstance(node, Node):
        return node
    return next((one for one in node if one.chain_id() == chain_id), node[0])
