"""A worker's copies of segments: files that are mapped into memory and probed in bulk.

A segment never changes, so a file is right as long as its segment is listed. A file is written
aside and renamed when it is whole; its header names the segment, its sizes and its checksum, which
are held against its content when it is opened. Workers of one machine share the folder.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import tempfile
import time
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import UUID

import numpy as np
import structlog
from django.conf import settings
from numpy.typing import NDArray

from ingest.index import packing, segments
from ingest.index.packing import Keys, Locals
from ingest.index.segments import Segment

log = structlog.get_logger(__name__)

FOLDER = "index-cache"
BULK_KEYS = 1_000
"""Fewer keys at once are looked up in the database: no copy pays off for them."""
PAIRS_PER_LOOKUP = 32
"""Copying so many pairs costs what one lookup in the database costs: who has asked often enough
to have paid for a copy gets one, and so never pays more than twice what was necessary."""
PAIRS_AT_ONCE = 2**21
PER_PREFIX = 8
"""Keys that share a place in a copy's directory: half a cache line to look through."""
ABANDONED_SECONDS = 3_600.0
LEAST_BITS = 16
"""So that what is left of a key fits in 32 bits."""

# Magic, token, pairs, bits, checksum of all that follows; a page long, so that arrays are aligned.
HEAD = struct.Struct("<8s16sQQQ")
MAGIC, HEAD_BYTES = b"tmindex1", 4096


@dataclass(frozen=True)
class Copy:
    """A mapped segment: where each prefix begins [2**bits + 1], then suffixes and records [n]."""

    base: int
    bits: int
    starts: NDArray[np.uint32]
    suffixes: Locals
    records: Locals

    def holders(self, keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Who holds the mixed `keys`: their places among these, and record ids."""
        from ingest.index import kernels

        places, found = kernels.looked_up(keys, self.starts, self.suffixes, self.records, self.bits)
        return places, found.astype(np.int64) + self.base


class Cache:
    """The copies of one kind that this process has mapped, and how often it has asked for each."""

    def __init__(self) -> None:
        self._copies: dict[UUID, Copy] = {}
        self._asked: dict[UUID, int] = {}

    def of(self, listed: Sequence[Segment], key_count: int) -> dict[int, Copy]:
        """The copies of the `listed` segments, by id; those that pay off by now are made.

        A segment may be gone while it is copied: then there is no copy of it.
        """
        known = {segment.token for segment in listed}
        for token in self._copies.keys() - known:
            del self._copies[token]
        self._asked = {
            segment.token: self._asked.get(segment.token, 0) + key_count for segment in listed
        }
        for segment in sorted(listed, key=lambda one: one.pair_count):
            if segment.token not in self._copies:
                self._map(segment)
        return {one.id: self._copies[one.token] for one in listed if one.token in self._copies}

    def _map(self, segment: Segment) -> None:
        paid = self._asked[segment.token] * PAIRS_PER_LOOKUP >= segment.pair_count
        copy = _opened(segment) or (_made(segment) if paid else None)
        if copy is not None:
            self._copies[segment.token] = copy


def folder() -> Path:
    """Where the copies lie."""
    return Path(settings.DATA_FOLDER) / FOLDER


def evict(tokens: Iterable[UUID]) -> None:
    """Delete the files of all segments but these; who has one mapped keeps what it sees."""
    kept = {token.hex for token in tokens}
    for path in folder().glob("*"):
        if path.name not in kept and (not path.name.startswith(".") or _is_abandoned(path)):
            path.unlink(missing_ok=True)


def _is_abandoned(path: Path) -> bool:
    """Whether nobody writes any more at a file that is not whole yet."""
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime > ABANDONED_SECONDS
    return False


def _path(segment: Segment) -> Path:
    return folder() / segment.token.hex


def _copy_bits(pair_count: int) -> int:
    return max(LEAST_BITS, (pair_count // PER_PREFIX).bit_length())


def _size(segment: Segment) -> int:
    return HEAD_BYTES + 4 * ((1 << _copy_bits(segment.pair_count)) + 1) + 8 * segment.pair_count


def _opened(segment: Segment) -> Copy | None:
    """The file of a segment, if it is there and whole; a damaged one is deleted."""
    try:
        with _path(segment).open("rb") as file:
            return _mapped(segment, file)
    except FileNotFoundError:
        return None
    except ValueError:
        _path(segment).unlink(missing_ok=True)
        return None


def _mapped(segment: Segment, file: IO[bytes]) -> Copy:
    """Map `file`; raises ValueError unless it holds this segment, whole."""
    if os.fstat(file.fileno()).st_size != _size(segment):
        raise ValueError("the file has another size than its segment needs")
    view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    bits = _copy_bits(segment.pair_count)
    head = MAGIC, segment.token.bytes, segment.pair_count, bits, zlib.crc32(view[HEAD_BYTES:])
    if HEAD.unpack_from(view) != head:
        raise ValueError("the file's content is not what its header says")
    numbers = np.frombuffer(view, "<u4", offset=HEAD_BYTES)
    starts, pairs = numbers[: 2**bits + 1], numbers[2**bits + 1 :]
    suffixes, records = pairs[: segment.pair_count], pairs[segment.pair_count :]
    return Copy(segment.base, bits, starts, suffixes, records)


def _made(segment: Segment) -> Copy | None:
    """Copy a segment from the database, if there is room; None where it is gone."""
    folder().mkdir(parents=True, exist_ok=True)
    if _used() + _size(segment) > settings.INDEX_CACHE_BYTES:
        return None
    with tempfile.NamedTemporaryFile(dir=folder(), prefix=".", delete=False) as file:
        whole = False
        try:
            whole = _fill(segment, file)
            if not whole:
                return None
            copy = _mapped(segment, file)
            Path(file.name).rename(_path(segment))
            return copy
        except OSError as error:  # a full disk is no reason not to answer
            log.warning("segment not copied", segment=segment.id, error=str(error))
            return None
        finally:
            if not whole:
                Path(file.name).unlink()


def _used() -> int:
    used = 0
    for path in folder().iterdir():
        with contextlib.suppress(FileNotFoundError):  # another worker has just evicted it
            used += path.stat().st_size
    return used


def _reserve(file: IO[bytes], size: int) -> None:
    """Take the space now: where the disk is full, writing to mapped memory would kill us."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:  # macOS
        file.truncate(size)


def _fill(segment: Segment, file: IO[bytes]) -> bool:
    """Write the file of a segment, some ranges of keys at a time; whether all of it was there."""
    from ingest.index import kernels

    bits = _copy_bits(segment.pair_count)
    counts = np.zeros(2**bits + 1, np.uint32)
    _reserve(file, _size(segment))
    view = np.memmap(file, np.uint8, "r+", shape=(_size(segment),))
    pairs = view[HEAD_BYTES:].view("<u4")[2**bits + 1 :]
    at = 0
    for low, high in packing.ranges(segment.pair_count, PAIRS_AT_ONCE, segment.bits):
        keys, records = segments.run(segment, low, high)
        end = at + len(keys)
        if end > segment.pair_count:
            return False
        pairs[at:end] = keys.astype(np.uint32)
        pairs[segment.pair_count + at : segment.pair_count + end] = records
        kernels.tally(keys, bits, counts)
        at = end
    view[HEAD_BYTES:].view("<u4")[: 2**bits + 1] = np.cumsum(counts, dtype=np.uint32)
    checksum = zlib.crc32(view[HEAD_BYTES:].data)
    head = HEAD.pack(MAGIC, segment.token.bytes, segment.pair_count, bits, checksum)
    view[: HEAD.size] = np.frombuffer(head, np.uint8)
    return at == segment.pair_count
