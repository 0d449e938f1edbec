"""Shows who signs for what on the chain, what it has for gas, and what is wrong with it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from provenance import chains, evm, gas, signers
from provenance.models import OutboxTransaction

State = OutboxTransaction.State


class Command(BaseCommand):
    """`chain_accounts`: roles, addresses, balances and alarms."""

    help = "Show the roles on the chain with their addresses, balances and alarms."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Look, then one line for each account."""
        try:
            found = [
                one
                for chain_id in chains.ids()
                for one in gas.look(chain_id=chain_id, at=timezone.now())
            ]
        except (evm.ChainUnreachable, evm.WrongChain) as loss:
            raise CommandError(str(loss)) from loss
        for one in found:
            self.stdout.write(_line(one))
        shown = {role for one in found for role in one.account.roles}
        for role in signers.ROLES:
            if role in shown:
                continue
            try:
                self.stdout.write(f"{role}: {signers.address(role)}; has not sent from here")
            except signers.KeyMissing as missing:
                self.stdout.write(f"{role}: {missing}")


def _line(one: gas.Standing) -> str:
    account = one.account
    rows = OutboxTransaction.objects.filter(chain_id=account.chain_id, account=account.address)
    waiting = rows.exclude(state__in=[*OutboxTransaction.OVER, State.REVIEW]).count()
    parts = [
        f"{', '.join(account.roles) or 'no role'}: {account}",
        f"{one.ether:.6f} for gas, about {account.transactions_left:,} transactions",
        f"next nonce {account.next_nonce}, {waiting} on their way",
    ]
    if reviews := rows.filter(state=State.REVIEW).count():
        parts.append(f"{reviews} reverted and wait for you")
    if one.is_running_out:
        parts.append("RUNS OUT OF GAS")
    if account.alarm:
        parts.append(f"STOPPED: {account.alarm_detail}")
    return "; ".join(parts)
