"""Writes an export: a zip of JSON lines that is sent while it is made, and its manifest last."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tallymark.canonical import canonical
from tallymark.replay.archive import FORMAT, MANIFEST

# The charges are many and alike: a light press is nearly as small as a hard one, and far quicker.
COMPRESSION_LEVEL: Final = 3
BATCH_LINES: Final = 2_000


class ExportWriter:
    """One export under way; what a method yields is the next part of the zip."""

    def __init__(self, made_at: datetime) -> None:
        self._out = _Drained()
        self._zip = zipfile.ZipFile(
            self._out, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL
        )
        self._made_at = made_at.astimezone(UTC)
        self._files: dict[str, dict[str, Any]] = {}

    def file(self, name: str, rows: Iterable[str], *, end: str = "\n") -> Iterator[bytes]:
        """Write a file of rows, each the text of a JSON object or of a line of CSV."""
        digest, count = hashlib.sha256(), 0
        with self._zip.open(self._member(name), "w", force_zip64=True) as member:
            for batch in _batches(rows):
                data = "".join(f"{row}{end}" for row in batch).encode()
                digest.update(data)
                member.write(data)
                count += len(batch)
                yield self._out.drain()
        self._files[name] = {"lines": count, "sha256": digest.hexdigest()}
        yield self._out.drain()

    def end(self, facts: Mapping[str, Any]) -> Iterator[bytes]:
        """Write the manifest, with `facts` and the digest of every file, and close the zip.

        `facts` may name another format than the one that `tallymark replay` reads.
        """
        manifest = {"format": FORMAT, **facts, "files": self._files}
        manifest["digest"] = hashlib.sha256(canonical(manifest)).hexdigest()
        self._zip.writestr(self._member(MANIFEST), json.dumps(manifest, indent=1) + "\n")
        self._zip.close()
        yield self._out.drain()

    def _member(self, name: str) -> zipfile.ZipInfo:
        member = zipfile.ZipInfo(name, self._made_at.timetuple()[:6])
        member.compress_type = zipfile.ZIP_DEFLATED
        member._compresslevel = COMPRESSION_LEVEL  # type: ignore[attr-defined]
        return member


class _Drained(io.RawIOBase):
    """Where the zip is written to, and taken from at once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def drain(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def _batches(rows: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH_LINES:
            yield batch
            batch = []
    if batch:
        yield batch
