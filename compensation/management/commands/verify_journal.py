"""Proves the journal: every sum, every balance, and the hash chain; from the database or a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tallymark.audit import Proof, prove
from tallymark.commands.verify_journal import rows_of

from compensation import invariants, journal_export


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
            number = _write(options["export"])
            self.stdout.write(f"Wrote {number} entries to {options['export']}.")
            return
        proof = _of_file(options["source"]) if options["source"] else _of_database()
        for words in proof.wrong:
            self.stderr.write(words)
        if not proof.is_sound:
            raise CommandError(f"The journal is broken: {len(proof.wrong)} findings.")
        self.stdout.write(f"{proof.number} entries, the last with the hash {proof.head.hex()}.")
        self.stdout.write("The journal is sound.")


def _write(path: Path) -> int:
    """Write the export beside its place, then put it there: half of one is never found."""
    number, part = 0, path.with_name(f"{path.name}.part")
    try:
        with journal_export.snapshot(), part.open("w", encoding="utf-8") as file:
            for row in journal_export.rows():
                number = row["number"] if row["type"] == "entry" else number
                file.write(json.dumps(row, sort_keys=True, separators=(",", ":")) + "\n")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error}") from error
    part.replace(path)
    return number


def _of_file(path: Path) -> Proof:
    try:
        return prove(rows_of(path))
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error


def _of_database() -> Proof:
    """What the rows say of themselves, and what only the database can compare."""
    with journal_export.snapshot():
        proof = prove(journal_export.rows())
        proof.wrong += invariants.broken()
    return proof
