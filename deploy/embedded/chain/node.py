"""The node: what it accepts, when it seals, and how it finds back to where it was."""

import fcntl
import sqlite3
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eth.constants import ZERO_ADDRESS
from eth_utils.exceptions import ValidationError

from deploy.embedded.chain import log as chain_log
from deploy.embedded.chain import shapes
from deploy.embedded.chain.genesis import CHAIN_ID, GAS_LIMIT, open_chain
from deploy.embedded.chain.log import Log, Untrustworthy
from deploy.embedded.chain.shapes import RpcError

LARGEST_POOL: Final = 10_000


@dataclass(frozen=True)
class Cadence:
    """When blocks come: every `block_seconds` while there is work, then `idle_blocks` more.

    With `block_seconds` 0 every transaction makes its block. The idle blocks bring
    confirmations; `finality_blocks` is how far behind the head `finalized` stands.
    """

    block_seconds: float = 2.0
    idle_blocks: int = 8
    finality_blocks: int = 2


class Node:
    """One chain in one folder; every public method may be called from any thread."""

    def __init__(self, folder: Path, cadence: Cadence, *, in_memory: bool = False) -> None:
        """Open `folder`, replaying what its state lacks; raises `Untrustworthy`."""
        began = time.monotonic()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.cadence = cadence
        self.lock = threading.RLock()
        self.skew_seconds = 0.0
        self.replayed_count = 0
        self.pool: dict[bytes, bytes] = {}
        self._queued: dict[bytes, dict[int, Any]] = {}
        self._fault: str | None = None
        with ExitStack() as opened:
            self._hold(folder, opened)
            self._open(None if in_memory else folder / "state.db")
            opened.callback(lambda: self.store.close())
            self._recover(folder / "txlog")
            opened.callback(self.log.close)
            self._opened = opened.pop_all()
        self.boot_seconds = time.monotonic() - began

    @staticmethod
    def _hold(folder: Path, opened: ExitStack) -> None:
        """Keep other nodes out of `folder` for as long as this one has it."""
        lock_file = opened.enter_context((folder / "lock").open("w"))
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Untrustworthy("another node uses this folder") from error
        (folder / "txlog").touch(mode=0o600)

    def _open(self, path: Path | None) -> None:
        try:
            self.store, self.chain = open_chain(path)
        except sqlite3.DatabaseError:
            assert path is not None, "a database in memory is new"
            # Derived data: put aside, and rebuilt from the log.
            for suffix in ("", "-wal", "-shm"):
                damaged = path.with_name(path.name + suffix)
                if damaged.exists():
                    damaged.replace(damaged.with_name(damaged.name + ".bad"))
            self.store, self.chain = open_chain(path)
        self.headers: Any = self.chain.chaindb
        self.head: Any = self.headers.get_canonical_head()
        self.last_busy_block = self.store.last_block_with_transactions()

    def _recover(self, log_path: Path) -> None:
        """Replay the log from where the state ends, comparing every block hash."""
        self.pool.update(self.store.pool())
        self._begin()
        pending_number, pending_time = -1, 0
        for offset, record in chain_log.read(log_path, self.store.meta("offset")):
            if record["k"] == "tx":
                raw = bytes.fromhex(record["raw"])
                self.pool[self.decode(raw).hash] = raw
                pending_number, pending_time = record["n"], record["ts"]
            else:
                self._replay(record, offset)
        self.log = Log(log_path)
        if self.pool and pending_number == self.head.block_number + 1:
            # The same pending block again, with its timestamp.
            self._begin(pending_time)
        for raw in list(self.pool.values()):
            tx = self.decode(raw)
            try:
                self._take(tx, raw)
            except RpcError:
                # It was accepted once: never dropped, tried again after each block.
                self._queued.setdefault(tx.sender, {})[tx.nonce] = tx
            self._promote(tx.sender)

    def _replay(self, record: chain_log.LogRecord, offset: int) -> None:
        number = self.head.block_number + 1
        if record["n"] != number:
            raise Untrustworthy(f"log has block {record['n']} where {number} was expected")
        self._begin(record["ts"])
        for tx_hash in record["tx"]:
            self._execute(self.decode(self.pool[bytes.fromhex(tx_hash)]))
        block = self._build()
        if block.hash.hex() != record["h"]:
            raise Untrustworthy(
                f"block {number}: replay gives {block.hash.hex()}, the log says {record['h']}"
            )
        self._keep(block, offset)
        self.replayed_count += 1
        self._begin()

    def close(self) -> None:
        """Let go of the folder; the node is of no use afterwards."""
        with self.lock:
            self._fault = "node closed"
            self._opened.close()

    # The pending block.

    def _begin(self, timestamp: int | None = None) -> None:
        """Begin a pending block; its time is fixed by its first transaction, or by the seal."""
        self._pending_time = timestamp
        self._transactions: list[Any] = []
        self._receipts: list[Any] = []
        self.pending: Any = self.next_header(timestamp or self.now())
        self.vm: Any = self.chain.get_vm(self.pending)

    def next_header(self, timestamp: int) -> Any:
        """A header on top of the head."""
        vm_class = self.chain.get_vm_class_for_block_number(self.head.block_number + 1)
        return vm_class.create_header_from_parent(
            self.head, coinbase=ZERO_ADDRESS, gas_limit=GAS_LIMIT, timestamp=timestamp
        )

    def now(self) -> int:
        """The time of a block made now: the clock's, but always after the head's."""
        return max(int(self.head.timestamp) + 1, int(time.time() + self.skew_seconds))

    def _execute(self, tx: Any) -> None:
        self.vm.validate_transaction_against_header(self.pending, tx)
        receipt, _ = self.vm.apply_transaction(self.pending, tx)
        header = self.vm.add_receipt_to_header(self.pending, receipt)
        self.pending = self.vm.increment_blob_gas_used(header, tx)
        self._transactions.append(tx)
        self._receipts.append(receipt)

    def _build(self) -> Any:
        block = self.vm.set_block_transactions_and_withdrawals(
            self.vm.get_block(), self.pending, tuple(self._transactions), tuple(self._receipts)
        )
        return self.vm.mine_block(block).block

    def seal(self) -> Any:
        """Seal the pending block; it is in the log, on disk, before anybody can see it."""
        with self.lock:
            self._check()
            if self._pending_time is None:
                self._begin(self.now())
            block = self._build()
            try:
                end = self.log.append(
                    {
                        "k": "blk",
                        "n": block.number,
                        "ts": block.header.timestamp,
                        "h": block.hash.hex(),
                        "tx": [tx.hash.hex() for tx in self._transactions],
                    }
                )
                self.log.sync(end)
                self._keep(block, end)
            except BaseException as error:
                self._fault = f"node stopped: {error}"
                raise
            self._begin()
            self._promote()
            return block

    def _keep(self, block: Any, offset: int) -> None:
        self.headers.persist_block(block)
        rows = shapes.block_rows(block, self._transactions, self._receipts)
        rows.offset = offset
        for tx in self._transactions:
            self.pool.pop(tx.hash, None)
        rows.pool = [
            (tx_hash, place, raw) for place, (tx_hash, raw) in enumerate(self.pool.items())
        ]
        self.store.save_block(rows)
        self.head = block.header
        if self._transactions:
            self.last_busy_block = block.number

    # Accepting.

    def decode(self, raw: bytes) -> Any:
        """The transaction in `raw`."""
        if raw[:1] == b"\x03":
            raise RpcError(-32000, "blob transactions are not supported")
        try:
            return self.vm.get_transaction_builder().decode(raw)
        except Exception as error:
            # py-evm and rlp raise whatever the bytes lead them to.
            raise RpcError(-32602, f"cannot decode transaction: {error}") from error

    def send(self, raw: bytes) -> bytes:
        """Accept a transaction and return its hash, once it is on disk."""
        with self.lock:
            self._check()
            tx = self.decode(raw)
            self._check_new(tx)
            self._take(tx, raw)
            number, timestamp = self.head.block_number + 1, self.pending.timestamp
            try:
                end = self.log.append({"k": "tx", "n": number, "ts": timestamp, "raw": raw.hex()})
            except BaseException as error:
                self._fault = f"node stopped: log: {error}"
                raise
            self._promote(tx.sender)
        try:
            # Outside the lock: other senders' transactions run meanwhile and share the fsync.
            self.log.sync(end)
        except BaseException as error:
            self._fault = f"node stopped: fsync: {error}"
            raise
        if not self.cadence.block_seconds:
            self.seal()
        return bytes(tx.hash)

    def _check(self) -> None:
        if self._fault:
            raise RpcError(-32000, self._fault)

    def _check_new(self, tx: Any) -> None:
        try:
            tx.validate()
            tx.sender  # noqa: B018 (recovering it is the check)
        except Exception as error:
            raise RpcError(-32000, f"invalid transaction: {error}") from error
        chain_id = getattr(tx, "chain_id", CHAIN_ID)
        if chain_id not in (CHAIN_ID, None):
            raise RpcError(-32000, f"invalid chain id for signer: have {chain_id} want {CHAIN_ID}")
        if tx.hash in self.pool or self.store.has_transaction(tx.hash):
            raise RpcError(-32000, "already known")

    def _take(self, tx: Any, raw: bytes) -> None:
        """Put `tx` into the pending block or, when its turn has not come, into the queue.

        Whatever is raised, is raised before anything is kept.
        """
        expected = self.vm.state.get_nonce(tx.sender)
        if tx.nonce < expected:
            raise RpcError(-32000, f"nonce too low: next {expected}, got {tx.nonce}")
        if tx.nonce > expected:
            self._queue(tx, raw)
            return
        is_full = self.pending.gas_used + tx.gas > self.pending.gas_limit
        if is_full and self._transactions and tx.gas <= GAS_LIMIT:
            self.seal()
        if self._pending_time is None:
            self._begin(self.now())
        try:
            self._execute(tx)
        except ValidationError as error:
            raise RpcError(-32000, str(error)) from error
        except Exception as error:
            # The pending state may be half changed: make it again without this one.
            self._repeat()
            raise RpcError(-32000, f"{type(error).__name__}: {error}") from error
        self.pool[tx.hash] = raw

    def _queue(self, tx: Any, raw: bytes) -> None:
        waiting = self._queued.setdefault(tx.sender, {})
        if tx.nonce in waiting:
            raise RpcError(
                -32000, "replacement transaction underpriced (this node keeps the first)"
            )
        if len(self.pool) >= LARGEST_POOL:
            raise RpcError(-32000, "txpool is full")
        waiting[tx.nonce] = tx
        self.pool[tx.hash] = raw

    def _repeat(self) -> None:
        transactions, timestamp = self._transactions, self._pending_time
        self._begin(timestamp)
        for tx in transactions:
            self._execute(tx)

    def _promote(self, sender: bytes | None = None) -> None:
        """Move queued transactions whose turn has come into the pending block."""
        for address in [sender] if sender else list(self._queued):
            waiting = self._queued.get(address, {})
            while (nonce := self.vm.state.get_nonce(address)) in waiting:
                tx = waiting.pop(nonce)
                try:
                    # It stays in the pool while a full block may be sealed in here.
                    self._take(tx, self.pool[tx.hash])
                except RpcError:
                    waiting[nonce] = tx
                    break
            if not waiting:
                self._queued.pop(address, None)

    def run_blocks(self, stop: threading.Event) -> None:
        """Seal blocks by the cadence until `stop` is set."""
        seconds = self.cadence.block_seconds
        following = time.monotonic() + seconds
        while seconds and not stop.wait(max(0.0, following - time.monotonic())):
            following = max(following + seconds, time.monotonic())
            with self.lock:
                if self._transactions or self._owes_confirmations():
                    self.seal()

    def _owes_confirmations(self) -> bool:
        last = self.last_busy_block
        return bool(last) and self.head.block_number < last + self.cadence.idle_blocks
