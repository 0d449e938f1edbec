"""Sends what waits in the outbox, in a loop, for a deployment that runs it apart from Celery."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from provenance import anchor, evm, outbox


class Command(BaseCommand):
    """`send`: passes of the one writer until it is stopped."""

    help = "Send what waits in the outbox, again and again, until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        """How long to wait between passes, and whether to end after one."""
        parser.add_argument("--pause-seconds", type=float, default=2.0)
        parser.add_argument("--once", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        """One pass for every account, then a pause; a node that is away is asked again."""
        while True:
            try:
                for account, sent in outbox.send_all(
                    chain_id=settings.CHAIN_ID, at=timezone.now()
                ).items():
                    self.stdout.write(f"{account}: {sent}")
                anchor.settle(at=timezone.now())
            except evm.ChainUnreachable as loss:
                self.stderr.write(str(loss))
            if options["once"]:
                return
            time.sleep(options["pause_seconds"])
