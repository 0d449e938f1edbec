"""Exports for tests and benches: replayed, and changed by a digit."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from tallymark.canonical import canonical
from tallymark.replay.archive import MANIFEST

DIGIT = re.compile(rb"[0-9]")


def save(parts, path: Path) -> Path:
    """Write an export's parts to a file."""
    with path.open("wb") as file:
        for part in parts:
            file.write(part)
    return path


def files_of(path: Path) -> dict[str, bytes]:
    """Every file of an export."""
    with zipfile.ZipFile(path) as held:
        return {name: held.read(name) for name in held.namelist()}


def rewritten(
    source: Path, target: Path, change: Callable[[str, bytes], bytes], *, cunning: bool = False
) -> Path:
    """A copy of an export with each file changed by `change`.

    A cunning forger also puts the new digests into the manifest.
    """
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        manifest = json.loads(old.read(MANIFEST))
        for name in old.namelist():
            if name == MANIFEST:
                continue
            data = change(name, old.read(name))
            manifest["files"][name]["sha256"] = hashlib.sha256(data).hexdigest()
            new.writestr(name, data)
        if cunning:
            del manifest["digest"]
            manifest["digest"] = hashlib.sha256(canonical(manifest)).hexdigest()
            new.writestr(MANIFEST, json.dumps(manifest))
        else:
            new.writestr(MANIFEST, change(MANIFEST, old.read(MANIFEST)))
    return target


def with_digit_changed(data: bytes, place: int, step: int = 1) -> bytes:
    """`data` with its `place`-th digit changed into another one."""
    at = [found.start() for found in DIGIT.finditer(data)][place]
    digit = (data[at] - 48 + step) % 10
    return data[:at] + bytes([48 + digit]) + data[at + 1 :]


def digit_count(data: bytes) -> int:
    return sum(1 for _ in DIGIT.finditer(data))
