"""What is derived from the log: py-evm's key-value store, receipts, event logs and the pool.

Writes wait in memory and become one SQLite transaction a block, together with the offset of
the log they come from; so the file is always the state after some block, and can be rebuilt.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from eth.db.backends.base import BaseDB

CACHED_ENTRIES: Final = 50_000
LARGEST_LOG_ANSWER: Final = 10_000
SCHEMA: Final = """
pragma journal_mode=wal; pragma synchronous=normal; pragma cache_size=-16000;
create table if not exists kv(k blob primary key, v blob) without rowid;
create table if not exists meta(k text primary key, v) without rowid;
create table if not exists txs(h blob primary key, n integer, i integer, tx text, rc text)
  without rowid;
create index if not exists txs_by_block on txs(n, i);
create table if not exists logs(n integer, i integer, a blob, t0 blob, t1 blob, t2 blob, t3 blob,
  j text, primary key(n, i)) without rowid;
create table if not exists pool(h blob primary key, seq integer, raw blob) without rowid;
"""

TransactionRow = tuple[bytes, int, int, str, str]
LogRow = tuple[Any, ...]


class TooManyLogs(Exception):
    """A question for more event logs than one answer may hold."""


@dataclass
class BlockRows:
    """What one block adds: transactions with receipts, event logs; and the pool left after it."""

    offset: int
    transactions: list[TransactionRow] = field(default_factory=list)
    logs: list[LogRow] = field(default_factory=list)
    pool: list[tuple[bytes, int, bytes]] = field(default_factory=list)


class Store(BaseDB):
    """py-evm's database over SQLite, and the tables the RPC reads."""

    def __init__(self, path: Path | None) -> None:
        """Open `path`, or keep everything in memory."""
        self._dirty: dict[bytes, bytes] = {}
        self._dead: set[bytes] = set()
        self._cache: dict[bytes, bytes] = {}
        self._sql = sqlite3.connect(
            str(path) if path else ":memory:", check_same_thread=False, isolation_level=None
        )
        try:
            self._sql.executescript(SCHEMA)
        except BaseException:
            self._sql.close()
            raise

    def __getitem__(self, key: bytes) -> bytes:
        value = self._dirty.get(key)
        if value is not None:
            return value
        if key in self._dead:
            raise KeyError(key)
        value = self._cache.get(key)
        if value is None:
            row = self._sql.execute("select v from kv where k=?", (key,)).fetchone()
            if row is None:
                raise KeyError(key)
            value = bytes(row[0])
            if len(self._cache) > CACHED_ENTRIES:
                self._cache.clear()
            self._cache[key] = value
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._dirty[key] = value
        self._dead.discard(key)

    def __delitem__(self, key: bytes) -> None:
        self[key]
        self._dirty.pop(key, None)
        self._dead.add(key)

    def _exists(self, key: bytes) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    def close(self) -> None:
        """Close the file."""
        self._sql.close()

    def meta(self, name: str) -> Any:
        """A named value, or None."""
        row = self._sql.execute("select v from meta where k=?", (name,)).fetchone()
        return row[0] if row else None

    def save_genesis(self, block_hash: bytes) -> None:
        """Write the first state; the log counts from its beginning."""
        self._flush([("insert into meta values(?,?)", [("genesis", block_hash), ("offset", 0)])])

    def save_block(self, rows: BlockRows) -> None:
        """Write one block, whole or not at all."""
        self._flush(
            [
                ("insert into txs values(?,?,?,?,?)", rows.transactions),
                ("insert into logs values(?,?,?,?,?,?,?,?)", rows.logs),
                ("delete from pool where ?", [(1,)]),
                ("insert into pool values(?,?,?)", rows.pool),
                ("update meta set v=? where k='offset'", [(rows.offset,)]),
            ]
        )

    def _flush(self, statements: Sequence[tuple[str, Iterable[Sequence[Any]]]]) -> None:
        self._sql.execute("begin immediate")
        try:
            self._sql.executemany(
                "insert into kv values(?,?) on conflict(k) do update set v=excluded.v",
                self._dirty.items(),
            )
            self._sql.executemany("delete from kv where k=?", [(key,) for key in self._dead])
            for statement, rows in statements:
                self._sql.executemany(statement, rows)
            self._sql.execute("commit")
        except BaseException:
            self._sql.execute("rollback")
            raise
        for key in (*self._dirty, *self._dead):
            self._cache.pop(key, None)
        if len(self._cache) < CACHED_ENTRIES:
            self._cache.update(self._dirty)
        self._dirty, self._dead = {}, set()

    def pool(self) -> list[tuple[bytes, bytes]]:
        """Hash and bytes of each accepted, unsealed transaction, in the order of acceptance."""
        rows = self._sql.execute("select h, raw from pool order by seq")
        return [(bytes(tx_hash), bytes(raw)) for tx_hash, raw in rows]

    def has_transaction(self, tx_hash: bytes) -> bool:
        """Whether it stands in a block."""
        return self._sql.execute("select 1 from txs where h=?", (tx_hash,)).fetchone() is not None

    def transaction(self, tx_hash: bytes) -> str | None:
        """The JSON of a transaction in a block."""
        row = self._sql.execute("select tx from txs where h=?", (tx_hash,)).fetchone()
        return row[0] if row else None

    def receipt(self, tx_hash: bytes) -> str | None:
        """The JSON of a receipt."""
        row = self._sql.execute("select rc from txs where h=?", (tx_hash,)).fetchone()
        return row[0] if row else None

    def receipts(self, number: int) -> list[str]:
        """The receipts of block `number`, in order."""
        rows = self._sql.execute("select rc from txs where n=? order by i", (number,))
        return [row[0] for row in rows]

    def transactions(self, number: int) -> list[tuple[bytes, str]]:
        """Hash and JSON of each transaction of block `number`, in order."""
        rows = self._sql.execute("select h, tx from txs where n=? order by i", (number,))
        return [(bytes(tx_hash), text) for tx_hash, text in rows]

    def last_block_with_transactions(self) -> int:
        """Its number; 0 if there is none."""
        return int(self._sql.execute("select coalesce(max(n), 0) from txs").fetchone()[0])

    def find_logs(
        self, first: int, last: int, addresses: list[bytes], topics: list[list[bytes] | None]
    ) -> list[str]:
        """The JSON of event logs of blocks `first` to `last`; no address or topic means any."""
        where, values = "n between ? and ?", [first, last]
        conditions: list[tuple[str, list[bytes]]] = [("a", addresses)] if addresses else []
        conditions += [(f"t{place}", any_of) for place, any_of in enumerate(topics) if any_of]
        arguments: list[Any] = list(values)
        for column, any_of in conditions:
            where += f" and {column} in ({','.join('?' * len(any_of))})"
            arguments += any_of
        # Only column names and question marks are put into the text.
        query = f"select j from logs where {where} order by n, i limit ?"  # noqa: S608
        rows = self._sql.execute(query, [*arguments, LARGEST_LOG_ANSWER + 1]).fetchall()
        if len(rows) > LARGEST_LOG_ANSWER:
            raise TooManyLogs
        return [row[0] for row in rows]
