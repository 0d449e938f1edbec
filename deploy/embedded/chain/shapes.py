"""Ethereum's objects as the JSON that its RPC specification names (execution-apis)."""

import json
from collections.abc import Sequence
from typing import Any

import rlp
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from deploy.embedded.chain.store import BlockRows

Json = dict[str, Any]


class RpcError(Exception):
    """An answer that is an error, with the codes of JSON-RPC and EIP-1474."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


def data(value: bytes) -> str:
    """Bytes as `0x...`."""
    return "0x" + bytes(value).hex()


def octets(text: str) -> bytes:
    """The bytes of `0x...`."""
    return bytes.fromhex(text[2:])


def number(value: int | str) -> int:
    """A quantity, as clients send it."""
    return value if isinstance(value, int) else int(value, 16)


def transaction(tx: Any, block: Any = None, index: int = 0) -> Json:
    """A transaction, in `block` at `index` or still unsealed."""
    kind = getattr(tx, "type_id", 0) or 0
    parity = tx.v if kind == 0 else tx.y_parity
    shape: Json = {
        "hash": data(tx.hash),
        "type": hex(kind),
        "nonce": hex(tx.nonce),
        "from": to_checksum_address(tx.sender),
        "to": to_checksum_address(tx.to) if tx.to else None,
        "value": hex(tx.value),
        "gas": hex(tx.gas),
        "gasPrice": hex(_gas_price(tx, kind, block)),
        "input": data(tx.data),
        "v": hex(parity),
        "r": hex(tx.r),
        "s": hex(tx.s),
        "blockHash": data(block.hash) if block else None,
        "blockNumber": hex(block.number) if block else None,
        "transactionIndex": hex(index) if block else None,
    }
    if kind:
        shape |= {"chainId": hex(tx.chain_id), "yParity": hex(parity), "accessList": _access(tx)}
    if kind >= 2:
        shape["maxFeePerGas"] = hex(tx.max_fee_per_gas)
        shape["maxPriorityFeePerGas"] = hex(tx.max_priority_fee_per_gas)
    return shape


def _gas_price(tx: Any, kind: int, block: Any) -> int:
    if kind < 2:
        return int(tx.gas_price)
    if block is None:
        return int(tx.max_fee_per_gas)
    offered = block.header.base_fee_per_gas + tx.max_priority_fee_per_gas
    return min(int(tx.max_fee_per_gas), int(offered))


def _access(tx: Any) -> list[Json]:
    return [
        {
            "address": to_checksum_address(address),
            "storageKeys": [data(key.to_bytes(32, "big")) for key in keys],
        }
        for address, keys in (tx.access_list or ())
    ]


def block_rows(block: Any, transactions: Sequence[Any], receipts: Sequence[Any]) -> BlockRows:
    """What a sealed block adds to the store."""
    rows = BlockRows(offset=0)
    gas_before = log_count = 0
    for index, (tx, receipt) in enumerate(zip(transactions, receipts, strict=True)):
        shape = transaction(tx, block, index)
        place: Json = {
            "blockNumber": hex(block.number),
            "blockHash": data(block.hash),
            "transactionHash": data(tx.hash),
            "transactionIndex": hex(index),
        }
        logs = [
            _event(entry, place, block, log_count + step) for step, entry in enumerate(receipt.logs)
        ]
        for step, (entry, event) in enumerate(zip(receipt.logs, logs, strict=True)):
            topics = [topic.to_bytes(32, "big") for topic in entry.topics]
            padded = (*topics, None, None, None, None)[:4]
            row = (block.number, log_count + step, entry.address, *padded, json.dumps(event))
            rows.logs.append(row)
        log_count += len(logs)
        answer = place | _receipt(tx, receipt, shape, receipt.gas_used - gas_before)
        answer["logs"] = logs
        gas_before = receipt.gas_used
        entry_row = (tx.hash, block.number, index, json.dumps(shape), json.dumps(answer))
        rows.transactions.append(entry_row)
    return rows


def _event(entry: Any, place: Json, block: Any, index: int) -> Json:
    return {
        "address": to_checksum_address(entry.address),
        "topics": [data(topic.to_bytes(32, "big")) for topic in entry.topics],
        "data": data(entry.data),
        **place,
        "blockTimestamp": hex(block.header.timestamp),
        "logIndex": hex(index),
        "removed": False,
    }


def _receipt(tx: Any, receipt: Any, shape: Json, gas_used: int) -> Json:
    created = keccak(rlp.encode([tx.sender, tx.nonce]))[12:]
    return {
        "from": shape["from"],
        "to": shape["to"],
        "cumulativeGasUsed": hex(receipt.gas_used),
        "gasUsed": hex(gas_used),
        "effectiveGasPrice": shape["gasPrice"],
        "logsBloom": data(receipt.bloom.to_bytes(256, "big")),
        "type": shape["type"],
        "status": hex(1 if receipt.state_root == b"\1" else 0),
        "contractAddress": None if tx.to else to_checksum_address(created),
    }


def block(header: Any, transactions: list[Any]) -> Json:
    """A block: its header, and its transactions as hashes or objects."""
    return {
        "number": hex(header.block_number),
        "hash": data(header.hash),
        "parentHash": data(header.parent_hash),
        "nonce": data(header.nonce),
        "sha3Uncles": data(header.uncles_hash),
        "logsBloom": data(header.bloom.to_bytes(256, "big")),
        "transactionsRoot": data(header.transaction_root),
        "stateRoot": data(header.state_root),
        "receiptsRoot": data(header.receipt_root),
        "miner": to_checksum_address(header.coinbase),
        "difficulty": "0x0",
        "totalDifficulty": "0x0",
        "extraData": data(header.extra_data),
        "size": hex(len(rlp.encode(header))),
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "mixHash": data(header.mix_hash),
        "baseFeePerGas": hex(header.base_fee_per_gas),
        "withdrawals": [],
        "withdrawalsRoot": data(header.withdrawals_root),
        "blobGasUsed": hex(header.blob_gas_used),
        "excessBlobGas": hex(header.excess_blob_gas),
        "parentBeaconBlockRoot": data(header.parent_beacon_block_root),
        "requestsHash": data(header.requests_hash),
        "uncles": [],
        "transactions": transactions,
    }
