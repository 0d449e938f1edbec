"""Rebuilds payouts and balances owed in an empty database; see `compensation.recovery`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from compensation import recovery
from compensation.recovery.sources import sources
from provenance import evm
from provenance.refusals import Refused


class Command(BaseCommand):
    """`recover_from_chain`: says what was rebuilt, and what could not be."""

    help = "Rebuild payouts and what is owed after a lost database, from the chain and from copies."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which contracts, and where the copies are."""
        parser.add_argument(
            "--contract",
            action="append",
            required=True,
            metavar="CAIP10",
            help="a payouts' contract, eip155:CHAIN:0x…; once for each",
        )
        parser.add_argument(
            "--trees", type=Path, required=True, help="folder with the published leaves and totals"
        )
        parser.add_argument("--payees", type=Path, help="made by `./run manage export_payees`")
        parser.add_argument(
            "--journal", type=Path, help="made by `./run manage verify_journal --export`"
        )
        parser.add_argument(
            "--from-block", type=int, default=0, help="the contracts were deployed in it or later"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Recover, and say both lists."""
        try:
            kept = sources(
                trees=options["trees"],
                payees_file=options["payees"],
                journal=options["journal"],
            )
            outcome = recovery.recover(
                contracts=options["contract"],
                kept=kept,
                from_block=options["from_block"],
                at=timezone.now(),
            )
        except Refused as refusal:
            raise CommandError(f"{refusal.detail} {refusal.next_step}".strip()) from refusal
        except (evm.ChainUnreachable, evm.WrongChain) as loss:
            raise CommandError(str(loss)) from loss
        for words in outcome.done:
            self.stdout.write(f"rebuilt: {words}")
        for words in outcome.lost:
            self.stdout.write(f"not rebuilt: {words}")
