"""`./run manage replay_payments`: work in every kept payment event anew."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from compensation import payments


class Command(BaseCommand):
    """Repeats what follows from kept events; what was posted is not posted again."""

    help = "Work in the kept events of payment providers anew; money moves only where it is due."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The provider, if not all."""
        parser.add_argument("--provider", default="", help="only this one")

    def handle(self, *args: Any, **options: Any) -> None:
        """Replay, and say what changed."""
        changed = payments.replay(provider=options["provider"], at=timezone.now())
        print(f"Payments that changed: {changed}")
