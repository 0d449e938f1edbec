# ruff: noqa: N802 (the methods have the names of the specification)
"""The JSON-RPC methods of the node; what it does not offer, it refuses by name."""

import json
import time
from collections.abc import Callable
from typing import Any, Final

from deploy.embedded.chain import shapes, view
from deploy.embedded.chain.genesis import CHAIN_ID
from deploy.embedded.chain.node import Node
from deploy.embedded.chain.shapes import Json, RpcError, data, number, octets
from deploy.embedded.chain.store import LARGEST_LOG_ANSWER, TooManyLogs

VERSION: Final = "tallymark-embedded/1"
TIP: Final = 10**9
LONGEST_FEE_HISTORY: Final = 1_024
# These wait for the disk, and take the node's lock only for a part of it.
UNLOCKED: Final = frozenset({"eth_sendRawTransaction"})


class Rpc:
    """The methods over one node; each is called with the parameters of its request."""

    def __init__(self, node: Node, *, may_move_time: bool = False) -> None:
        self.node = node
        self.may_move_time = may_move_time

    def answer(self, request: Any) -> Json:
        """The response to one request object, whatever it holds."""
        reply: Json = {"jsonrpc": "2.0", "id": None}
        try:
            reply["id"] = request.get("id")
            method = self._method(request["method"])
            parameters = request.get("params") or []
            if request["method"] in UNLOCKED:
                reply["result"] = method(*parameters)
            else:
                with self.node.lock:
                    reply["result"] = method(*parameters)
        except RpcError as error:
            reply["error"] = {"code": error.code, "message": error.message}
            if error.data is not None:
                reply["error"]["data"] = error.data
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            reply["error"] = {"code": -32602, "message": f"{type(error).__name__}: {error}"}
        except Exception as error:
            reply["error"] = {"code": -32603, "message": f"{type(error).__name__}: {error}"}
        return reply

    def _method(self, name: str) -> Callable[..., Any]:
        method = getattr(self, name, None) if name.split("_")[0] in PREFIXES else None
        if method is None:
            raise RpcError(-32601, f"the method {name} does not exist on this development node")
        found: Callable[..., Any] = method
        return found

    # What the node is.

    def web3_clientVersion(self) -> str:
        return VERSION

    def net_version(self) -> str:
        return str(CHAIN_ID)

    def net_listening(self) -> bool:
        return True

    def eth_chainId(self) -> str:
        return hex(CHAIN_ID)

    def eth_syncing(self) -> bool:
        return False

    def eth_accounts(self) -> list[str]:
        return []

    def node_info(self) -> Json:
        """What only this node tells: where it stands and how it came back."""
        return {
            "version": VERSION,
            "genesis": data(self.node.store.meta("genesis")),
            "head": hex(self.node.head.block_number),
            "boot_s": round(self.node.boot_seconds, 3),
            "blocks_replayed": self.node.replayed_count,
            "unsealed": len(self.node.pool),
            "fsyncs": self.node.log.fsync_count,
        }

    # State.

    def eth_blockNumber(self) -> str:
        return hex(self.node.head.block_number)

    def eth_getBalance(self, address: str, tag: Any = "latest") -> str:
        return hex(view.state(self.node, tag).get_balance(octets(address)))

    def eth_getCode(self, address: str, tag: Any = "latest") -> str:
        return data(view.state(self.node, tag).get_code(octets(address)))

    def eth_getStorageAt(self, address: str, slot: str, tag: Any = "latest") -> str:
        value: int = view.state(self.node, tag).get_storage(octets(address), number(slot))
        return data(value.to_bytes(32, "big"))

    def eth_getTransactionCount(self, address: str, tag: Any = "latest") -> str:
        return hex(view.state(self.node, tag).get_nonce(octets(address)))

    # Fees: there is no market here, so the tip is fixed.

    def eth_maxPriorityFeePerGas(self) -> str:
        return hex(TIP)

    def eth_gasPrice(self) -> str:
        return hex(self.node.pending.base_fee_per_gas + TIP)

    def eth_feeHistory(
        self, count: int | str, newest: Any, percentiles: list[float] | None = None
    ) -> Json:
        last = (view.header(self.node, newest) or self.node.head).block_number
        wanted = max(1, min(number(count), LONGEST_FEE_HISTORY))
        first = max(0, last - wanted + 1)
        by_number = self.node.headers.get_canonical_block_header_by_number
        found: list[Any] = [by_number(at) for at in range(first, last + 1)]
        following: Any = (
            self.node.pending if last == self.node.head.block_number else by_number(last + 1)
        )
        history: Json = {
            "oldestBlock": hex(first),
            "baseFeePerGas": [hex(each.base_fee_per_gas) for each in (*found, following)],
            "gasUsedRatio": [each.gas_used / each.gas_limit for each in found],
        }
        if percentiles:
            history["reward"] = [
                [hex(TIP if each.gas_used else 0)] * len(percentiles) for each in found
            ]
        return history

    # Transactions.

    def eth_sendRawTransaction(self, raw: str) -> str:
        return data(self.node.send(octets(raw)))

    def eth_call(self, request: Json, tag: Any = "latest", *_: Any) -> str:
        return data(view.call(self.node, request, tag))

    def eth_estimateGas(self, request: Json, tag: Any = "latest", *_: Any) -> str:
        return hex(view.estimate_gas(self.node, request, tag))

    def eth_getTransactionReceipt(self, tx_hash: str) -> Json | None:
        found = self.node.store.receipt(octets(tx_hash))
        return json.loads(found) if found else None

    def eth_getTransactionByHash(self, tx_hash: str) -> Json | None:
        found = self.node.store.transaction(octets(tx_hash))
        if found:
            shape: Json = json.loads(found)
            return shape
        raw = self.node.pool.get(octets(tx_hash))
        return shapes.transaction(self.node.decode(raw)) if raw else None

    # Blocks and event logs.

    def eth_getBlockByNumber(self, tag: Any, is_full: bool = False) -> Json | None:  # noqa: FBT001, FBT002
        if tag == "pending":
            raise RpcError(-32000, "pending block is not served")
        return self._block(tag, is_full=is_full)

    def eth_getBlockByHash(self, block_hash: str, is_full: bool = False) -> Json | None:  # noqa: FBT001, FBT002
        return self._block(block_hash, is_full=is_full)

    def _block(self, tag: Any, *, is_full: bool) -> Json | None:
        try:
            found = view.header(self.node, tag)
        except RpcError:
            return None
        rows = self.node.store.transactions(found.block_number)
        inside = [json.loads(text) if is_full else data(tx_hash) for tx_hash, text in rows]
        return shapes.block(found, inside)

    def eth_getBlockReceipts(self, tag: Any) -> list[Json]:
        found = view.header(self.node, tag)
        return [json.loads(text) for text in self.node.store.receipts(found.block_number)]

    def eth_getLogs(self, wanted: Json) -> list[Json]:
        if wanted.get("blockHash"):
            first = last = view.header(self.node, wanted["blockHash"]).block_number
        else:
            first = self._log_bound(wanted.get("fromBlock", "latest"))
            last = self._log_bound(wanted.get("toBlock", "latest"))
        addresses = wanted.get("address") or []
        topics = [_any_of(topic) for topic in (wanted.get("topics") or [])[:4]]
        try:
            rows = self.node.store.find_logs(first, last, _any_of(addresses) or [], topics)
        except TooManyLogs as error:
            raise RpcError(
                -32005, f"query returned more than {LARGEST_LOG_ANSWER} results"
            ) from error
        return [json.loads(row) for row in rows]

    def _log_bound(self, tag: Any) -> int:
        """The number of a block at an end of a range; one after the head is the head."""
        head: int = self.node.head.block_number
        if tag == "pending" or (str(tag).startswith("0x") and number(tag) > head):
            return head
        return int(view.header(self.node, tag).block_number)

    # Time, for tests.

    def evm_mine(self, *_: Any) -> str:
        return hex(self.node.seal().number)

    def evm_increaseTime(self, seconds: int | str) -> int:
        if not self.may_move_time:
            raise RpcError(-32601, "evm_increaseTime needs --test")
        clock = time.time() + self.node.skew_seconds
        ahead = max(float(self.node.head.timestamp), clock) + number(seconds)
        self.node.skew_seconds = ahead - time.time()
        return number(seconds)


PREFIXES: Final = ("eth", "net", "web3", "evm", "node")


def _any_of(value: str | list[str] | None) -> list[bytes] | None:
    """A filter's address or topic: one, several, or any."""
    if value is None:
        return None
    return [octets(one) for one in ([value] if isinstance(value, str) else value)]
