"""Writes a month for accounting into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from compensation import month_end
from provenance.refusals import Refused


class Command(BaseCommand):
    """`export_month 2026-10 [--draft] [--out FOLDER]`."""

    help = "Write a closed month for accounting as one zip of sheets; an open one as a draft."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which month, where to, and whether a draft will do."""
        parser.add_argument("month", help="a month such as 2026-10")
        parser.add_argument("--draft", action="store_true", help="also while the month is open")
        parser.add_argument("--out", default=".", help="the folder to write into")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Write the file whole or not at all."""
        at = timezone.now()
        try:
            book = month_end.book_of(name=options["month"], draft=options["draft"], at=at)
        except Refused as refusal:
            raise CommandError(f"{refusal.detail} {refusal.next_step}".strip()) from refusal
        folder = Path(options["out"])
        if not folder.is_dir():
            raise CommandError(f"{folder} is no folder: make it first, or name another by --out.")
        target = folder / month_end.file_name(book)
        part = target.with_suffix(".part")
        with part.open("wb") as file:
            for piece in month_end.month_end(book):
                file.write(piece)
        part.replace(target)
        self.stdout.write(f"{target}")
