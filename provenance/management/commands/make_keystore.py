"""Puts a key of the chain into a file that a passphrase opens, new or one that is in use."""

from __future__ import annotations

import getpass
import secrets
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provenance.signers import LocalKey
from provenance.signers.keystore import PASSPHRASE_SUFFIX, write_keystore, write_privately

KEY_BYTES = 32


class Command(BaseCommand):
    """`make_keystore FILE`: the keystore, and its passphrase in FILE.passphrase."""

    help = "Make a keystore with a new key, or with one that is read from the standard input."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to, and where the key comes from."""
        parser.add_argument("file", type=Path, help="the keystore to make; it must not exist")
        parser.add_argument(
            "--import",
            dest="is_import",
            action="store_true",
            help="read the key in hexadecimal from the standard input instead of making one",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Write both files, and say the address and what to set."""
        path: Path = options["file"].absolute()
        key = _told() if options["is_import"] else LocalKey(secrets.token_bytes(KEY_BYTES))
        passphrase = secrets.token_urlsafe(KEY_BYTES)
        try:
            write_privately(Path(f"{path}{PASSPHRASE_SUFFIX}"), passphrase + "\n")
            write_keystore(path, key, passphrase)
        except FileExistsError as error:
            raise CommandError(f"{error.filename} is there already: name another file.") from error
        except OSError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{key.address} is in {path}")
        self.stdout.write(f"its passphrase is in {path}{PASSPHRASE_SUFFIX}; keep a copy elsewhere")
        self.stdout.write(f'in TALLYMARK_CHAIN_KEYS: "ROLE": "keystore:{path}"')


def _told() -> LocalKey:
    """The key on the standard input; nothing shows it while it is typed."""
    text = getpass.getpass("key: ") if sys.stdin.isatty() else sys.stdin.readline()
    try:
        return LocalKey(text.strip())
    except (ValueError, TypeError) as error:
        # The key itself must not appear in a message.
        raise CommandError("This is no key: 64 hexadecimal digits.") from error
