"""Bytes in bounded pieces: progress, decompression that checks its end, and lines with a limit."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import zstandard
from django.utils.translation import gettext_noop as _noop

from .refusals import CutShort, Damaged, UnpacksTooLarge
from .rows import Limits

CHUNK_BYTES = 64 * 1024
# A zstd decompressor cannot be told to stop; 128 KiB may come out of every 4 bytes going in.
ZSTD_CHUNK_BYTES = 512
ZSTD_WINDOW_BYTES = 2**27


def _gzip() -> Any:
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


def _zstd() -> Any:
    return zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES).decompressobj()


COMPRESSIONS: dict[str, tuple[bytes, Callable[[], Any]]] = {
    "gzip": (b"\x1f\x8b", _gzip),
    "zstd": (b"\x28\xb5\x2f\xfd", _zstd),
    "bzip2": (b"BZh", bz2.BZ2Decompressor),
    "xz": (b"\xfd7zXZ\x00", lzma.LZMADecompressor),
}
"""Magic bytes and maker of each."""


def compression_of(head: bytes) -> str | None:
    """The compression that `head`, the first 8 bytes or more, begins with."""
    for name, (magic, _) in COMPRESSIONS.items():
        if head.startswith(magic):
            return name if name != "bzip2" or head[4:8] == b"1AY&" else None
    return None


class Counted(io.RawIOBase):
    """A binary stream that knows how many bytes were taken from it."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self.bytes_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self.bytes_read += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


class Decompressed(io.RawIOBase):
    """The unpacked bytes of a compressed stream, never more than asked for at a time.

    Raises CutShort where the stream ends before its end mark, Damaged where a checksum fails,
    and UnpacksTooLarge for a bomb.
    """

    def __init__(self, stream: BinaryIO, compression: str, limits: Limits) -> None:
        super().__init__()
        self._stream, self._name, self._limits = stream, compression, limits
        self._make = COMPRESSIONS[compression][1]
        self._open: Any = self._make()
        self._pending, self._ready = b"", memoryview(b"")
        self._packed = self._unpacked = 0
        self._ended = False
        self._chunk = ZSTD_CHUNK_BYTES if compression == "zstd" else CHUNK_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            piece = self._next()
            if piece is None:
                return 0
            self._ready = memoryview(piece)
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _next(self) -> bytes | None:
        """The next piece, empty if more must be read first, or None at a proper end."""
        if not self._pending and not self._holds_output():
            self._pending = self._stream.read(self._chunk)
            self._packed += len(self._pending)
            if not self._pending and self._open.eof:
                return None
            self._ended = not self._pending
        try:
            piece = self._decompress()
        except (zlib.error, OSError, lzma.LZMAError, zstandard.ZstdError) as error:
            raise Damaged(
                _noop("The %(_name)s data is damaged: %(error)s.")
                % {"_name": self._name, "error": error}
            ) from error
        if self._ended and not piece and not self._open.eof:
            raise CutShort(_noop("The %(_name)s data ends in the middle.") % {"_name": self._name})
        self._count(len(piece))
        return piece

    def _holds_output(self) -> bool:
        """Whether more comes out without more going in."""
        return self._name in ("bzip2", "xz") and not self._open.eof and not self._open.needs_input

    def _decompress(self) -> bytes:
        if self._open.eof:  # another member follows; gzip allows zeros in between
            rest = self._pending.lstrip(b"\0") if self._name == "gzip" else self._pending
            self._pending = rest
            if not rest:
                return b""
            self._open = self._make()
        data, self._pending = self._pending, b""
        if self._name == "zstd":
            piece = self._open.decompress(data)
        else:
            piece = self._open.decompress(data, CHUNK_BYTES)
            if self._name == "gzip":
                self._pending = self._open.unconsumed_tail
        if self._open.eof:
            self._pending = self._open.unused_data
        return cast(bytes, piece)

    def _count(self, size: int) -> None:
        self._unpacked += size
        check_unpacked(self._unpacked, self._packed, self._limits)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def check_unpacked(unpacked: int, packed: int, limits: Limits) -> None:
    """Raise UnpacksTooLarge where `unpacked` bytes are too many for `packed` ones."""
    if unpacked > limits.unpacked_bytes:
        raise UnpacksTooLarge(
            _noop("It unpacks to more than %(unpacked_bytes)s bytes, the most read here.")
            % {"unpacked_bytes": f"{limits.unpacked_bytes:,}"}
        )
    if unpacked > limits.ratio_free_bytes and unpacked > packed * limits.unpacked_ratio:
        raise UnpacksTooLarge(
            _noop("It unpacks to more than %(unpacked_ratio)s times its size: a zip bomb?")
            % {"unpacked_ratio": limits.unpacked_ratio}
        )


class Opened(NamedTuple):
    """A file opened for reading, unpacked if it was compressed."""

    stream: io.BufferedReader
    counted: Counted
    compression: str | None

    @property
    def bytes_read(self) -> int:
        """How many bytes of the file itself were taken so far."""
        return self.counted.bytes_read


def opened(stream: BinaryIO, limits: Limits) -> Opened:
    """`stream` unpacked if its first bytes say that it is compressed."""
    counted = Counted(stream)
    raw = cast(io.BufferedReader, io.BufferedReader(counted, CHUNK_BYTES))
    compression = compression_of(raw.peek(8)[:8])
    if compression is None:
        return Opened(raw, counted, None)
    unpacked = Decompressed(cast(BinaryIO, raw), compression, limits)
    return Opened(io.BufferedReader(unpacked, CHUNK_BYTES), counted, compression)


def open_file(path: Path, limits: Limits) -> Opened:
    """The file at `path`, unpacked if it is compressed."""
    return opened(path.open("rb"), limits)


class Line(NamedTuple):
    """One line of bytes without its end; `data` is None where it was too long to hold."""

    number: int
    data: bytes | None


def lines(stream: io.BufferedReader, limits: Limits) -> Iterator[Line]:
    """The lines of `stream` from 1; of a too long one only that it was there."""
    number = 0
    while data := stream.readline(limits.line_bytes + 1):
        number += 1
        if len(data) > limits.line_bytes and not data.endswith(b"\n"):
            while (rest := stream.readline(CHUNK_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield Line(number, None)
            continue
        yield Line(number, data.rstrip(b"\r\n"))
