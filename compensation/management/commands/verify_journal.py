"""Proves the journal: every sum, every balance, and the hash chain; or a chain from an export."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from compensation import audit, invariants


class Command(BaseCommand):
    """`verify_journal`: exits with 1 and says what is wrong where anything is."""

    help = (
        "Prove all invariants of the journal and its hash chain; or export it, or prove an export."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to write an export, or which one to prove."""
        parser.add_argument("--export", type=Path, help="write the journal as JSON lines")
        parser.add_argument(
            "--from", type=Path, dest="source", help="prove an export instead of the database"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Check, say what was found, and end with the verdict."""
        if options["export"]:
            with options["export"].open("w", encoding="utf-8") as file:
                count = sum(bool(file.write(_line(one))) for one in audit.documents())
            self.stdout.write(f"Wrote {count} entries.")
            return
        if options["source"]:
            wrong = list(audit.chain_breaks(_read(options["source"])))
        else:
            wrong = [*audit.chain_breaks(audit.documents()), *invariants.broken()]
            wrong += [found] if (found := audit.head_break()) else []
        for words in wrong:
            self.stderr.write(words)
        if wrong:
            self.stderr.write(f"The journal is broken: {len(wrong)} findings.")
            sys.exit(1)
        self.stdout.write("The journal is sound.")


def _line(document: dict[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n"


def _read(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
