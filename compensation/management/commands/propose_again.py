"""Proposes a payout root anew that a guardian vetoed, once a person knows why."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from compensation import payouts
from compensation.models import PayoutEpoch
from provenance import evm
from provenance.refusals import Refused


class Command(BaseCommand):
    """`propose_again`: the way out after a veto; the delay runs anew."""

    help = "Propose the epoch under way of a contract again, after its root was vetoed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which contract, and why."""
        parser.add_argument("--contract", required=True, metavar="CAIP10")
        parser.add_argument("--reason", required=True, help="what was found, for the ledger")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Queue the proposal, and say so."""
        under_way = PayoutEpoch.objects.exclude(state=PayoutEpoch.State.ACTIVE)
        named = options["contract"].lower()
        epoch = next(
            (
                one
                for one in under_way.select_related("contract")
                if one.contract.caip10.lower() == named
            ),
            None,
        )
        if epoch is None:
            raise CommandError(f"No epoch of {options['contract']} is under way.")
        try:
            payouts.propose_again(epoch=epoch, reason=options["reason"], at=timezone.now())
        except Refused as refusal:
            raise CommandError(f"{refusal.detail} {refusal.next_step}".strip()) from refusal
        except (evm.ChainUnreachable, evm.WrongChain) as loss:
            raise CommandError(str(loss)) from loss
        self.stdout.write(f"Epoch {epoch.number} is proposed again; its delay runs anew.")
