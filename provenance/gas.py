"""How long the sending accounts can still pay for gas, so that somebody fills them up in time.

An account that runs out is not stopped: what it sent waits in the outbox, and lands once it is
filled up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog
from django.conf import settings
from django.db.models import Avg

from provenance import chains, evm, outbox, signers
from provenance.models import ChainAccount, OutboxTransaction

# The roles that send by themselves, day by day.
HOT_ROLES = frozenset({"anchorer", "proposer", "treasury"})
# What a transaction takes, where none of the account has landed yet; and how many are averaged.
USUAL_GAS = 200_000
AVERAGED = 20
LARGEST = 2**63 - 1
ETHER = 10**18

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Standing:
    """One account that we send from: what it has, and for how long."""

    account: ChainAccount

    @property
    def ether(self) -> Decimal:
        """What pays for gas, in the chain's whole coin."""
        return Decimal(self.account.balance_wei or 0) / ETHER

    @property
    def is_running_out(self) -> bool:
        """Whether a hot account pays for fewer transactions than the reserve."""
        left = self.account.transactions_left
        is_hot = not HOT_ROLES.isdisjoint(self.account.roles)
        return is_hot and left is not None and left < settings.CHAIN_GAS_RESERVE

    @property
    def warning(self) -> str:
        """What an operator should do about it; empty if nothing."""
        if not self.is_running_out:
            return ""
        return (
            f"{self.account} ({', '.join(self.account.roles)}) has gas for "
            f"{self.account.transactions_left} more transactions: send it some"
        )


def look(*, at: datetime, chain_id: int | None = None) -> list[Standing]:
    """Ask a chain, home unless named, what every account that we send from has, and note it.

    A role that signs elsewhere too, such as the guardian, is none of ours before it has sent from
    here. Raises evm.ChainUnreachable or evm.WrongChain.
    """
    chain = evm.connect(chain_id)
    price = chain.fees().max_fee
    known = set(
        ChainAccount.objects.filter(chain_id=chain.chain_id).values_list("address", flat=True)
    )
    for address, roles in signers.accounts().items():
        if address not in known and HOT_ROLES.isdisjoint(roles):
            continue
        account = outbox.account_row(chain, address)
        balance = chain.balance(address)
        account.roles, account.balance_wei = roles, Decimal(balance)
        account.transactions_left = min(balance // (price * _usual_gas(account)), LARGEST)
        account.save(update_fields=["roles", "balance_wei", "transactions_left"])
    found = standings(chain_id=chain.chain_id)
    for one in found:
        if one.is_running_out:
            log.error("chain_gas_runs_out", account=str(one.account), at=at.isoformat())
    return found


def standings(*, chain_id: int | None = None) -> list[Standing]:
    """The accounts that we send from, on one chain or all, as they were last looked at.

    Needs no key and no chain.
    """
    on = [chain_id] if chain_id is not None else chains.ids()
    rows = ChainAccount.objects.filter(chain_id__in=on, balance_wei__isnull=False)
    return [Standing(row) for row in rows.order_by("pk")]


def warnings() -> list[str]:
    """Which accounts run out of gas, in words."""
    return [one.warning for one in standings() if one.warning]


def _usual_gas(account: ChainAccount) -> int:
    """What this account's last transactions took."""
    last = OutboxTransaction.objects.filter(
        chain_id=account.chain_id, account=account.address, gas_used__isnull=False
    ).order_by("-pk")[:AVERAGED]
    used = last.aggregate(mean=Avg("gas_used"))["mean"]
    return max(1, int(used)) if used else USUAL_GAS
