"""Keys in files: a V3 keystore (Web3 Secret Storage), which a passphrase in another file opens."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from provenance.signers.keys import KeyMissing, LocalKey

PASSPHRASE_SUFFIX = ".passphrase"  # noqa: S105  (of a file's name)
OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def from_keystore(where: str) -> LocalKey:
    """The key in the keystore at `where`; its passphrase stands in `where`.passphrase.

    `PATH?passphrase=PATH` names another file. Raises KeyMissing with what to do.
    """
    from eth_account import Account

    path, _, named = where.partition("?passphrase=")
    passphrase = _passphrase(Path(named or path + PASSPHRASE_SUFFIX))
    text = _read(Path(path))
    try:
        key = Account.decrypt(dict(json.loads(text)), passphrase)
    except (ValueError, KeyError, TypeError) as error:
        raise KeyMissing(
            f"The keystore {path} is none, or does not open with its passphrase ({error})."
        ) from error
    return LocalKey(bytes(key))


def write_keystore(path: Path, key: LocalKey, passphrase: str) -> None:
    """Put a key into a new file that only its owner reads; raises FileExistsError."""
    text = json.dumps(key.encrypted(passphrase))
    write_privately(path, text + "\n")


def write_privately(path: Path, text: str) -> None:
    """Make a file that only its owner reads; raises FileExistsError rather than replace one."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _passphrase(path: Path) -> str:
    text = _read(path)
    if path.stat().st_mode & OPEN_TO_OTHERS:
        raise KeyMissing(f"Others can read the passphrase in {path}: `chmod 600 {path}`.")
    return text.rstrip("\r\n")


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyMissing(f"The file {path} cannot be read: {error}.") from error
