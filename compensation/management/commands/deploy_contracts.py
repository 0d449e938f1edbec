"""Puts our contracts on the chain of the settings; safe to repeat at every start."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from compensation import deployment as compensation_deployment
from provenance import chains, deployment, evm, signers
from provenance.refusals import Refused

REASONS = (
    deployment.ContractMissing,
    deployment.NotDeployed,
    evm.ChainUnreachable,
    evm.WrongChain,
    signers.KeyMissing,
)


class Command(BaseCommand):
    """`deploy_contracts`: LineageAnchor, OwnerPayouts and, in development, TestToken."""

    help = "Deploy the contracts that the chain lacks; those that stand are left alone."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which token owners are paid in, and who administers; fixed on the development chain."""
        parser.add_argument(
            "--chain", type=int, help="its EIP-155 id, where it is not the ledger's own chain"
        )
        parser.add_argument("--token", default="", help="the ERC-20 that owners are paid in")
        parser.add_argument(
            "--admin", default="", help="who administers the contracts: a multisig's address"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Deploy what is missing and name what stands."""
        chain_id = options["chain"] or chains.home()
        is_development = chain_id == chains.DEVELOPMENT_CHAIN
        if not is_development and not (options["token"] and options["admin"]):
            raise CommandError(
                f"On chain {chain_id} name the token and the administrator: "
                "--token 0x... --admin 0x..."
            )
        try:
            standing = compensation_deployment.deploy_all(
                token=options["token"],
                admin=options["admin"] or signers.address("deployer"),
                chain_id=chain_id,
                clock=timezone.now,
                say=self.stdout.write,
            )
        except Refused as refusal:
            raise CommandError(f"{refusal.detail} {refusal.next_step}") from refusal
        except REASONS as reason:
            raise CommandError(str(reason)) from reason
        for one in standing:
            self.stdout.write(f"{one.kind} stands at {one.caip10}")
