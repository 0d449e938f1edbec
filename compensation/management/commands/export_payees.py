"""Writes who is behind each pseudonym, for `recover_from_chain`; keep it off this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from compensation.recovery.sources import payee_rows


class Command(BaseCommand):
    """`export_payees`: a private file, readable by its owner alone."""

    help = "Write parties with their pseudonyms and salts, so that lost books can be recovered."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to."""
        parser.add_argument("file", type=Path)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Write it beside its place, then put it there: half of one is never found."""
        path: Path = options["file"]
        part = path.with_name(f"{path.name}.part")
        lines = [json.dumps(row, sort_keys=True) + "\n" for row in payee_rows()]
        try:
            private = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(private, "w") as file:
                file.writelines(lines)
            part.replace(path)
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error}") from error
        self.stdout.write(
            f"Wrote {len(lines)} parties to {path}. It ties pseudonyms to names: hide it."
        )
