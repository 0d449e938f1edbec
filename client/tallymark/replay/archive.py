"""Reads the files of an export line by line, and knows which of them were changed."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, NoReturn

from tallymark.canonical import NotCanonical, canonical

FORMAT: Final = "tallymark-export/1"
MANIFEST: Final = "manifest.json"
CHUNK_BYTES: Final = 1 << 18
LONGEST_LINE_BYTES: Final = 1 << 26
LONGEST_MANIFEST_BYTES: Final = 1 << 20

Row = dict[str, Any]


class NotAnExport(ValueError):
    """The file cannot be read as an export; the message says why."""


class Difference(Exception):
    """A place where the export is not what it should be: the file, its line, the field."""

    def __init__(self, file: str, line: int, field: str, expected: Any, found: Any) -> None:
        self.file, self.line, self.field = file, line, field
        self.expected, self.found = expected, found
        super().__init__(
            f"{file}, line {line}, {field}: expected {_brief(expected)}, found {_brief(found)}"
        )


def same(file: str, line: int, field: str, expected: Any, found: Any) -> None:
    """Raise a Difference unless what was found is what was expected."""
    if expected != found:
        raise Difference(file, line, field, expected, found)


class Archive:
    """An export that lies open: its manifest, and its files as rows."""

    def __init__(self, path: Path) -> None:
        """Open the zip at `path`. Raises NotAnExport, or OSError if it cannot be read."""
        try:
            self._zip = zipfile.ZipFile(path)
            with self._zip.open(MANIFEST) as file:
                raw = file.read(LONGEST_MANIFEST_BYTES)
            self.manifest: Row = json.loads(raw, parse_float=_no_float, parse_constant=_no_float)
            found = self.manifest["format"]
            files: dict[str, Row] = self.manifest["files"]
            self._stated = {name: (one["lines"], one["sha256"]) for name, one in files.items()}
        except (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError) as error:
            raise NotAnExport(f"it is no zip with a {MANIFEST} of ours: {error}") from error
        if found != FORMAT:
            raise NotAnExport(f"its format is {found!r}; this program replays {FORMAT}")
        self._read: dict[str, tuple[int, str]] = {}
        # A reader that stopped at a difference leaves its file open.
        self._members: list[IO[bytes]] = []
        # The row that was read last: where a replay stands.
        self.place = (MANIFEST, 1)

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        for member in self._members:
            member.close()
        self._zip.close()

    def rows(self, name: str) -> Iterator[tuple[int, Row]]:
        """The rows of a file with their line numbers, from 1. Raises Difference where one is none.

        Memory holds one chunk of the file. What was read to its end is known by its digest.
        """
        scan = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float).decode
        for line, raw in enumerate(self._lines(name), 1):
            try:
                row = scan(raw.decode("utf-8"))
            except ValueError:
                row = None
            if type(row) is not dict:
                raise Difference(
                    name, line, "line", "a JSON object", raw.decode("utf-8", "replace")
                )
            self.place = (name, line)
            yield line, row

    def wrong_files(self) -> list[Difference]:
        """Every file, the manifest included, whose bytes are not those that were exported."""
        found = [*self._wrong_manifest()]
        for name, (lines, sha256) in self._stated.items():
            if name not in self._read:
                try:
                    for _ in self._lines(name):
                        pass
                except Difference as difference:
                    found.append(difference)
                    continue
            read_lines, read_sha256 = self._read[name]
            if read_sha256 != sha256:
                found.append(Difference(name, read_lines, "sha256", sha256, read_sha256))
            elif read_lines != lines:
                found.append(Difference(MANIFEST, 1, f"files.{name}.lines", read_lines, lines))
        return found

    def _wrong_manifest(self) -> Iterator[Difference]:
        """The manifest carries the digest of everything else in it."""
        rest = {name: value for name, value in self.manifest.items() if name != "digest"}
        try:
            digest = hashlib.sha256(canonical(rest)).hexdigest()
        except NotCanonical as error:
            digest = f"none: {error}"
        if digest != self.manifest.get("digest"):
            yield Difference(MANIFEST, 1, "digest", digest, self.manifest.get("digest"))
        extra = sorted(set(self._zip.namelist()) - {MANIFEST, *self._stated})
        if extra:
            yield Difference(MANIFEST, 1, "files", "every file of the zip", f"none of {extra[0]}")

    def _lines(self, name: str) -> Iterator[bytes]:
        if name not in self._stated:
            raise Difference(MANIFEST, 1, "files", name, "nothing")
        digest, count, rest = hashlib.sha256(), 0, b""
        try:
            with self._zip.open(name) as file:
                self._members.append(file)
                while chunk := file.read(CHUNK_BYTES):
                    digest.update(chunk)
                    *lines, rest = (rest + chunk).split(b"\n")
                    if len(rest) > LONGEST_LINE_BYTES:
                        raise Difference(name, count, "line", "a line's end", "none in 64 MiB")
                    count += len(lines)
                    yield from lines
        except (zipfile.BadZipFile, zlib.error, KeyError) as error:
            raise Difference(name, count, "bytes", "a whole file", str(error)) from error
        if rest:
            raise Difference(name, count + 1, "line", "a line's end", "the end of the file")
        self._read[name] = (count, digest.hexdigest())


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"{text} is no whole number")


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 100 else f"{text[:100]}…"
