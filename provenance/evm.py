"""The one door to the EVM: reads, calldata and raw broadcasts. Sending goes through the outbox.

web3 takes two seconds to import, so only functions that need it do. Amounts are whole units;
addresses carry their checksum; hashes are 0x and 64 hexadecimal digits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from provenance import chains
from provenance.contracts import ARTEFACTS

if TYPE_CHECKING:
    from web3 import Web3
    from web3.contract import Contract

TIMEOUT_SECONDS = 10
LOG_SPAN_BLOCKS = 2_000
GWEI = 10**9

Result = TypeVar("Result")


class ChainUnreachable(Exception):
    """The RPC did not answer; whether a broadcast landed is then unknown."""


class WrongChain(Exception):
    """The RPC serves another chain than the settings name."""


class CallReverted(Exception):
    """A read-only call was refused by the contract."""


@dataclass(frozen=True)
class Artefact:
    """A compiled contract as checked in; see contracts/build.mjs."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str
    runtime_bytecode: str


@dataclass(frozen=True)
class Receipt:
    """What the chain says of a mined transaction. Before finality it may change."""

    tx_hash: str
    block_number: int
    block_hash: str
    transaction_index: int
    is_success: bool
    gas_used: int
    contract_address: str


@dataclass(frozen=True)
class Log:
    """One decoded event of a contract."""

    event: str
    args: dict[str, Any]
    address: str
    tx_hash: str
    block_number: int
    block_hash: str
    log_index: int


@dataclass(frozen=True)
class Fees:
    """What a transaction may cost per gas, in wei, and the current base fee."""

    max_fee: int
    tip: int
    base_fee: int


class Broadcast(Enum):
    """What the node said to signed bytes; only a receipt says whether they landed."""

    ACCEPTED = "accepted"
    ALREADY_KNOWN = "already known"
    NONCE_USED = "nonce too low"
    UNDERPRICED = "underpriced"
    NO_FUNDS = "insufficient funds"
    REFUSED = "refused"


@lru_cache
def load_artefact(path: Path) -> Artefact:
    """The contract artefact in a file made by contracts/build.mjs."""
    found = json.loads(path.read_text())
    return Artefact(
        name=found["contractName"],
        abi=found["abi"],
        bytecode=found["bytecode"],
        runtime_bytecode=found["runtimeBytecode"],
    )


def lineage_anchor() -> Artefact:
    """The artefact of LineageAnchor."""
    return load_artefact(ARTEFACTS / "LineageAnchor.json")


def development_token() -> Artefact:
    """The artefact of TestToken."""
    return load_artefact(ARTEFACTS / "TestToken.json")


def caip2(chain_id: int) -> str:
    """A chain as CAIP-2 names it."""
    return f"eip155:{chain_id}"


def checksum(address: str) -> str:
    """An address with its EIP-55 checksum; raises ValueError if it is none."""
    from eth_utils.address import to_checksum_address

    return str(to_checksum_address(address))


def encode_call(artefact: Artefact, function: str, *args: Any) -> bytes:
    """The calldata of a function call; needs no connection."""
    return bytes.fromhex(_unbound(artefact).encode_abi(function, args=list(args))[2:])


def encode_constructor(artefact: Artefact, *args: Any) -> bytes:
    """The data of a transaction that creates the contract; needs no connection."""
    creation = _unbound(artefact).constructor(*args).data_in_transaction
    return bytes.fromhex(str(creation)[2:])


@lru_cache
def _unbound_for(name: str, abi: str, bytecode: str) -> Any:
    from web3 import Web3

    return Web3().eth.contract(abi=json.loads(abi), bytecode=bytecode)


def _unbound(artefact: Artefact) -> Any:
    return _unbound_for(artefact.name, json.dumps(artefact.abi), artefact.bytecode)


class Chain:
    """A connected chain; reads only, and the broadcast of bytes that the outbox signed."""

    def __init__(self, w3: Web3, told: chains.ChainSettings) -> None:
        self.w3 = w3
        self.told = told

    @property
    def chain_id(self) -> int:
        """Its EIP-155 id."""
        return self.told.chain_id

    @property
    def fee_ceiling(self) -> int:
        """The most that a transaction may offer per gas, in wei."""
        return self.told.fee_ceiling_gwei * GWEI

    def head(self) -> int:
        """The number of the newest block."""
        return self._ask(lambda: int(self.w3.eth.block_number))

    def final_block(self, *, head: int | None = None) -> int:
        """The newest block that can no longer change, as its settings say; may be below 0.

        `head` is the newest block, where the caller has asked for it.
        """
        if self.told.finality == "finalized":
            return self._ask(lambda: int(self.w3.eth.get_block("finalized")["number"]))
        return (self.head() if head is None else head) - self.told.confirmations

    def block_time(self, block_number: int) -> int:
        """A block's time, in seconds since 1970."""
        return self._ask(lambda: int(self.w3.eth.get_block(block_number)["timestamp"]))

    def block_hash(self, block_number: int) -> str:
        """A block's hash; raises ChainUnreachable where the node does not have the block."""
        from web3.exceptions import BlockNotFound

        try:
            block = self._ask(lambda: self.w3.eth.get_block(block_number))
        except BlockNotFound as missing:
            raise ChainUnreachable(
                f"The node does not have block {block_number}: wait until it is in step."
            ) from missing
        return "0x" + bytes(block["hash"]).hex()

    def transaction_count(
        self, address: str, *, block: int | Literal["latest", "pending"] = "latest"
    ) -> int:
        """How many transactions of `address` are in blocks, up to the one named or the newest;
        with "pending" those are counted, too, that the node knows of and no block holds yet.
        """
        tag: Any = block
        return self._ask(lambda: int(self.w3.eth.get_transaction_count(_hex(address), tag)))

    def balance(self, address: str) -> int:
        """The balance that pays for gas, in wei."""
        return self._ask(lambda: int(self.w3.eth.get_balance(_hex(address))))

    def has_code(self, address: str) -> bool:
        """Whether a contract stands at `address`."""
        return self._ask(lambda: bool(self.w3.eth.get_code(_hex(address))))

    def call(
        self,
        artefact: Artefact,
        address: str,
        function: str,
        *args: Any,
        block: int | None = None,
        sender: str | None = None,
    ) -> Any:
        """The answer of a contract's function, at a block if one is named.

        Raises CallReverted with the contract's reason, and ChainUnreachable where the node does not
        know of the contract: one that lags behind may not have its block yet.
        """
        from web3.exceptions import BadFunctionCallOutput, ContractLogicError

        contract = self._contract(artefact, address)
        options: Any = {"from": sender} if sender else {}
        try:
            return self._ask(
                lambda: contract.functions[function](*args).call(
                    options, block_identifier="latest" if block is None else block
                )
            )
        except ContractLogicError as refusal:
            raise CallReverted(_reason(artefact, refusal)) from refusal
        except BadFunctionCallOutput as silence:
            raise ChainUnreachable(
                f"The node at {self.told.rpc_url} knows no {artefact.name} at {address}: wait "
                "until it is in step, or correct the address."
            ) from silence

    def ask(self, address: str, data: bytes) -> bytes:
        """What a contract answers to bare calldata; raises CallReverted."""
        from web3.exceptions import ContractLogicError

        asked: Any = {"to": _hex(address), "data": "0x" + data.hex()}
        try:
            return self._ask(lambda: bytes(self.w3.eth.call(asked)))
        except ContractLogicError as refusal:
            raise CallReverted(str(refusal)) from refusal

    def receipt(self, tx_hash: str) -> Receipt | None:
        """What the chain says of a transaction; None when no block holds it."""
        from web3.exceptions import TransactionNotFound

        try:
            found = self._ask(lambda: self.w3.eth.get_transaction_receipt(_hex(tx_hash)))
        except TransactionNotFound:
            return None
        return Receipt(
            tx_hash=tx_hash,
            block_number=int(found["blockNumber"]),
            block_hash="0x" + bytes(found["blockHash"]).hex(),
            transaction_index=int(found["transactionIndex"]),
            is_success=int(found["status"]) == 1,
            gas_used=int(found["gasUsed"]),
            contract_address=str(found.get("contractAddress") or ""),
        )

    def logs(
        self,
        artefact: Artefact,
        address: str,
        event: str,
        *,
        from_block: int,
        to_block: int,
        filters: dict[str, Any] | None = None,
    ) -> list[Log]:
        """The decoded events of one kind in a range of blocks (both ends included), in order.

        `filters` names indexed arguments and the values wanted. Long ranges are cut in pieces,
        because public nodes refuse them.
        """
        contract = self._contract(artefact, address)
        found: list[Log] = []
        for start in range(from_block, to_block + 1, LOG_SPAN_BLOCKS):
            end = min(start + LOG_SPAN_BLOCKS - 1, to_block)
            found += self._logs_between(contract, event, start, end, filters)
        return found

    def _logs_between(
        self, contract: Contract, event: str, start: int, end: int, filters: dict[str, Any] | None
    ) -> list[Log]:
        entries = self._ask(
            lambda: contract.events[event].get_logs(
                from_block=start, to_block=end, argument_filters=filters
            )
        )
        return [_log(entry) for entry in entries]

    def fees(self) -> Fees:
        """What to offer now: twice the base fee and one gwei, under the ceiling."""
        block = self._ask(lambda: self.w3.eth.get_block("latest"))
        base_fee = int(block["baseFeePerGas"])
        max_fee = min(2 * base_fee + GWEI, self.fee_ceiling)
        return Fees(max_fee=max_fee, tip=min(GWEI, max_fee), base_fee=base_fee)

    def broadcast(self, raw: bytes) -> Broadcast:
        """Hand signed bytes to the node. Raises ChainUnreachable when no answer came."""
        from web3.exceptions import Web3RPCError

        try:
            self._ask(lambda: self.w3.eth.send_raw_transaction(raw))
        except Web3RPCError as refusal:
            return _broadcast_answer(str(refusal).lower())
        return Broadcast.ACCEPTED

    def _contract(self, artefact: Artefact, address: str) -> Contract:
        contract: Contract = self.w3.eth.contract(address=_hex(address), abi=artefact.abi)
        return contract

    def _ask(self, question: Callable[[], Result]) -> Result:
        with _reachable(self.told.rpc_url):
            return question()


def connect(chain_id: int | None = None) -> Chain:
    """A chain of the settings, home unless named; raises ChainUnreachable or WrongChain with what
    to do, and chains.UnknownChain.
    """
    told = chains.settings_of(chains.home() if chain_id is None else chain_id)
    chain = _connect(told)
    served = chain._ask(lambda: int(chain.w3.eth.chain_id))
    if served != told.chain_id:
        raise WrongChain(
            f"{told.rpc_url} serves chain {served}, not {told.chain_id}: correct CHAIN_RPC_URL, "
            "TALLYMARK_CHAIN_ID or TALLYMARK_MORE_CHAINS."
        )
    return chain


@lru_cache(maxsize=16)
def _connect(told: chains.ChainSettings) -> Chain:
    from web3 import HTTPProvider, Web3

    # No retries by the library: it cannot know which requests are safe to repeat.
    provider = HTTPProvider(
        told.rpc_url,
        request_kwargs={"timeout": TIMEOUT_SECONDS},
        exception_retry_configuration=None,
    )
    return Chain(Web3(provider), told)


@contextmanager
def _reachable(rpc_url: str) -> Iterator[None]:
    """Turn what a lost connection raises into ChainUnreachable."""
    import requests

    try:
        yield
    except (requests.RequestException, OSError) as loss:
        raise ChainUnreachable(
            f"The chain at {rpc_url} does not answer: start it with `./run up`, "
            "or set CHAIN_RPC_URL."
        ) from loss


def _broadcast_answer(message: str) -> Broadcast:
    """Which answer a node's error message is; nodes differ in their words."""
    known = {
        "already known": Broadcast.ALREADY_KNOWN,
        "already imported": Broadcast.ALREADY_KNOWN,
        "known transaction": Broadcast.ALREADY_KNOWN,
        "nonce too low": Broadcast.NONCE_USED,
        "underpriced": Broadcast.UNDERPRICED,
        "less than block base fee": Broadcast.UNDERPRICED,
        "insufficient funds": Broadcast.NO_FUNDS,
    }
    return next((answer for words, answer in known.items() if words in message), Broadcast.REFUSED)


def _log(entry: Any) -> Log:
    return Log(
        event=str(entry["event"]),
        args=dict(entry["args"]),
        address=str(entry["address"]),
        tx_hash="0x" + bytes(entry["transactionHash"]).hex(),
        block_number=int(entry["blockNumber"]),
        block_hash="0x" + bytes(entry["blockHash"]).hex(),
        log_index=int(entry["logIndex"]),
    )


def _reason(artefact: Artefact, refusal: Any) -> str:
    """The name of the contract's error, where the node passed its data on."""
    from eth_utils.abi import abi_to_signature
    from eth_utils.crypto import keccak

    data = str(getattr(refusal, "data", "") or "")
    errors: list[Any] = [item for item in artefact.abi if item["type"] == "error"]
    for item in errors:
        selector = "0x" + keccak(text=abi_to_signature(item))[:4].hex()
        if data.startswith(selector):
            return str(item["name"])
    return str(refusal)


def _hex(value: str) -> Any:
    """A hexadecimal text as web3's own types want it."""
    return value
