"""Brings the books in step with the chain after a restored backup; see `provenance.restore`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from provenance import chains, evm, restore
from provenance.refusals import Refused


class Command(BaseCommand):
    """`reconcile_restore`: the way out of the read-only state."""

    help = "Bring the books back in step with the chain after a restored backup."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Look, put right, and say what was done."""
        try:
            for chain_id in chains.ids():
                self._reconcile(chain_id)
        except Refused as refusal:
            raise CommandError(f"{refusal.detail} {refusal.next_step}") from refusal
        except (evm.ChainUnreachable, evm.WrongChain) as loss:
            raise CommandError(str(loss)) from loss
        self.stdout.write("The books are in step with the chain; the service may write.")

    def _reconcile(self, chain_id: int) -> None:
        for found in restore.look(chain_id=chain_id, at=timezone.now()):
            self.stdout.write(f"found: {found}")
        for step in restore.reconcile(chain_id=chain_id, at=timezone.now()).steps:
            self.stdout.write(f"done: {step}")
