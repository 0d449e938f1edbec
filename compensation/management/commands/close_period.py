"""Closes a month of the journal; see `compensation.periods`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from compensation import periods
from provenance.refusals import Refused


class Command(BaseCommand):
    """`close_period 2026-10`: what comes late goes to the open month, its date kept."""

    help = "Close a month of the journal: nothing enters it any more."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which month."""
        parser.add_argument("period", metavar="YYYY-MM")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Close it, or say why not and what to do."""
        try:
            closed = periods.close_period(name=options["period"], at=timezone.now())
        except Refused as refused:
            raise CommandError(f"{refused} {refused.next_step}") from refused
        self.stdout.write(f"{closed.name} is closed, up to entry {closed.last_number}.")
