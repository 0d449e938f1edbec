"""Packages of npm that only tests and benchmarks use: fetched once, at an exact version.

They lie in the ignored folder `.node`, each in one of its own, because npm removes from a folder
what it is not asked for. A machine without npm has none.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

NODE = Path(__file__).resolve().parents[1] / ".node"
MERKLE_TREE = ("@openzeppelin/merkle-tree", "1.0.8")


class NpmMissing(Exception):
    """The package is not here and could not be fetched; the message says what to install."""


def folder_of(name: str, version: str) -> Path:
    """Where a package is, or would be."""
    return NODE / name.rpartition("/")[2] / version


def modules(name: str, version: str, *, alone: bool = False) -> Path:
    """The folder `node_modules` that holds a package, fetched if need be; raises NpmMissing.

    `alone` leaves out what the package depends on: enough to read a file of it.
    """
    folder = folder_of(name, version)
    found = folder / "node_modules"
    if (found / name / "package.json").exists():
        return found
    npm = shutil.which("npm")
    if npm is None:
        raise NpmMissing(f"{name} comes from npm: install Node 18 or later, with npm.")
    folder.mkdir(parents=True, exist_ok=True)
    # Whoever comes while another one fetches waits, and finds it there.
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (found / name / "package.json").exists():
            _fetch(npm, folder, name, version, alone=alone)
    return found


def _fetch(npm: str, folder: Path, name: str, version: str, *, alone: bool) -> None:
    if alone:
        _unpack(npm, folder, name, version)
        return
    command = [npm, "install", "--prefix", str(folder), "--no-save", "--no-audit", "--no-fund"]
    _call([*command, "--ignore-scripts", "--silent", f"{name}@{version}"], folder)


def _unpack(npm: str, folder: Path, name: str, version: str) -> None:
    archive = _call([npm, "pack", "--silent", f"{name}@{version}"], folder).split()[-1]
    target = folder / "node_modules" / name
    target.mkdir(parents=True)
    _call(["tar", "-xzf", archive, "--strip-components=1", "-C", str(target)], folder)
    (folder / archive).unlink()


def _call(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NpmMissing(f"{' '.join(command[:2])} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout
