"""The log that is the chain's truth: checked lines, a torn tail cut, one fsync for many writers."""

import json
import os
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NotRequired, TypedDict


class Untrustworthy(SystemExit):
    """The folder cannot be trusted; nothing in it is changed."""


class LogRecord(TypedDict):
    """One line: an accepted transaction (`tx`) or a sealed block (`blk`)."""

    k: str
    n: int
    ts: int
    raw: NotRequired[str]
    h: NotRequired[str]
    tx: NotRequired[list[str]]


def pack(record: LogRecord) -> bytes:
    """A record as its line: CRC-32 in hex, a space, JSON."""
    body = json.dumps(record, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def unpack(line: bytes) -> LogRecord | None:
    """The record of a line, or nothing if the line is not whole."""
    if not line.endswith(b"\n") or line[8:9] != b" ":
        return None
    try:
        if int(line[:8], 16) != zlib.crc32(line[9:-1]):
            return None
    except ValueError:
        return None
    record: LogRecord = json.loads(line[9:-1])
    return record


def read(path: Path, offset: int) -> Iterator[tuple[int, LogRecord]]:
    """Yield each record from `offset` on, with the offset after it.

    A bad last line is a write that a crash tore, never acknowledged, and is cut off. A bad
    line elsewhere, or a log shorter than `offset`, raises `Untrustworthy`.
    """
    size = path.stat().st_size
    if offset > size:
        raise Untrustworthy(f"log shorter ({size}) than the state made from it ({offset})")
    with path.open("r+b") as file:
        file.seek(offset)
        position = offset
        for line in file:
            record = unpack(line)
            if record is None:
                _cut(file, position, is_last=position + len(line) >= size)
                return
            position += len(line)
            yield position, record


def _cut(file: BinaryIO, position: int, *, is_last: bool) -> None:
    if not is_last:
        raise Untrustworthy(f"log damaged at byte {position}")
    file.truncate(position)
    os.fsync(file.fileno())


class Log:
    """The open end of the log; many threads may append and share one fsync."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        self._end = self._synced = path.stat().st_size
        self._writing = threading.Lock()
        self._syncing = threading.Lock()
        self.fsync_count = 0
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Close the file; what was synced stays."""
        self._file.close()

    def append(self, record: LogRecord) -> int:
        """Write a record and return the offset after it; it is durable only after `sync`."""
        with self._writing:
            self._file.write(pack(record))
            self._file.flush()
            self._end = self._file.tell()
            return self._end

    def sync(self, offset: int) -> None:
        """Return when everything before `offset` is on disk."""
        with self._syncing:
            if self._synced >= offset:
                return
            end = self._end
            os.fsync(self._file.fileno())
            self._synced = end
            self.fsync_count += 1
