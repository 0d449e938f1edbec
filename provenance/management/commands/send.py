"""Sends what waits in the outbox, in a loop, for a deployment that runs it apart from Celery."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections
from django.utils import timezone

from provenance import anchor, chains, evm, outbox
from provenance.models import OutboxTransaction
from provenance.refusals import Refused


class Command(BaseCommand):
    """`send`: passes of the one writer until it is stopped."""

    help = "Send what waits in the outbox, again and again, until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        """How long to wait between passes, and whether to end after one."""
        parser.add_argument("--pause-seconds", type=float, default=2.0)
        parser.add_argument("--once", action="store_true")
        parser.add_argument(
            "--again",
            type=int,
            metavar="ID",
            help="queue a reverted transaction anew, once its cause is removed; needs --reason",
        )
        parser.add_argument("--reason", default="", help="what the cause was, for the record")

    def handle(self, *_args: Any, **options: Any) -> None:
        """One pass for every account, then a pause; a node that is away is asked again."""
        if options["again"] is not None:
            self._send_again(options["again"], options["reason"])
            return
        while True:
            close_old_connections()
            for chain_id in chains.ids():
                self._send(chain_id)
            anchor.settle(at=timezone.now())
            if options["once"]:
                return
            time.sleep(options["pause_seconds"])

    def _send(self, chain_id: int) -> None:
        """One pass for every account on a chain."""
        try:
            done = outbox.send_all(chain_id=chain_id, at=timezone.now())
        except evm.ChainUnreachable as loss:
            self.stderr.write(str(loss))
        except evm.WrongChain as wrong:
            raise CommandError(str(wrong)) from wrong
        else:
            for account, sent in done.items():
                self.stdout.write(f"{evm.caip2(chain_id)}:{account}: {sent}")

    def _send_again(self, number: int, reason: str) -> None:
        """Release one transaction from review."""
        if not reason:
            raise CommandError("Say with --reason why it reverted and what was done about it.")
        reviewed = OutboxTransaction.objects.filter(pk=number).first()
        if reviewed is None:
            raise CommandError(f"There is no outbox transaction {number}.")
        try:
            outbox.send_again(reviewed=reviewed, reason=reason, at=timezone.now())
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"transaction {number} ({reviewed.purpose}) is queued again")
