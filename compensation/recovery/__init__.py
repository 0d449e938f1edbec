"""Rebuilds payouts and what is owed after the database was lost: from the chain, and from copies.

The chain says which trees were followed and what was paid; copies of the published trees say to
whom each leaf belongs; the payees' file says who they are; an export of the journal says what else
was owed. Each epoch is posted again as it once was, and payments are then booked by the same code
as ever. What cannot be rebuilt is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from compensation import deployment, journal, money, payees, payouts, settlement
from compensation.models import (
    Account,
    Asset,
    Entry,
    JournalHead,
    PayoutEpoch,
    PayoutLeaf,
)
from compensation.recovery import books
from compensation.recovery.facts import ContractFacts, contract_facts
from compensation.recovery.sources import Sources
from provenance import evm, parties
from provenance.models import ChainContract, Party
from provenance.refusals import Refused

Kind = Account.Kind

LOST = (
    "The ledger's events: the chain holds their hashes only. The old LineageAnchor stays as it is "
    "for proof files that people have; `./run manage deploy_contracts` makes a new one.",
    "Datasets, licences, grants, usages, conflicts and charges, and the journal's single entries.",
    "People, their memberships and keys, bank accounts, terms and schedules of payouts.",
)


class NotEmpty(Refused):
    """This database has books already."""

    code = "database_not_empty"
    hint = "Recover into a new database: `./run manage migrate` and nothing else."


@dataclass
class Recovered:
    """What was rebuilt, and what could not be, in words."""

    done: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=lambda: list(LOST))


def recover(*, contracts: Sequence[str], kept: Sources, from_block: int, at: datetime) -> Recovered:
    """Rebuild the books of these contracts (CAIP-10) in one transaction; then book what was paid.

    Raises NotEmpty, sources.BadSource, and what `facts.contract_facts` raises; nothing is changed
    then.
    """
    facts = [contract_facts(name, from_block=from_block) for name in contracts]
    assets = [deployment.payable_asset(token_address=one.token_address) for one in facts]
    outcome = Recovered()
    with transaction.atomic():
        journal.lock()
        if JournalHead.objects.get().number or PayoutEpoch.objects.exists():
            raise NotEmpty
        known = _Parties(kept, at)
        for one, asset in zip(facts, assets, strict=True):
            _Contract(one, asset, kept, known, at).rebuild(outcome)
        books.rebuild(kept, known.by_id, assets, outcome, at)
        outcome.lost += known.unknown()
    booked = settlement.settle(at=at)
    outcome.done.append(f"{booked} payments were booked from the chain's own logs.")
    return outcome


class _Parties:
    """The parties that payees are, known or not."""

    def __init__(self, kept: Sources, at: datetime) -> None:
        self._kept, self._at = kept, at
        self.by_id: dict[Any, Party] = {}
        self._by_payee: dict[bytes, Party] = {}
        self._unknown: list[str] = []
        for one in kept.payees.values():
            made = parties.restore_party(
                pk=one.party, name=one.name, namespace=one.namespace, salt=one.salt,
                contact_email=one.contact_email, is_owner=one.is_owner, is_lab=one.is_lab,
                is_operator=one.is_operator, at=at,
            )  # fmt: skip
            self.by_id[made.pk] = self._by_payee[one.payee_id] = made

    def of(self, payee: bytes) -> Party:
        """The party of a payee; a new one without a name where nobody knows it."""
        found = self._by_payee.get(payee)
        if found is None:
            name = f"Payee 0x{payee.hex()[:16]}"
            found = parties.create_party(name=name, is_owner=True, is_lab=False, at=self._at)
            self._by_payee[payee] = self.by_id[found.pk] = found
            self._unknown.append(name)
        return found

    def unknown(self) -> list[str]:
        """Who could not be named."""
        return [
            f"Who {name} is: the payees' file does not have it. It is owed and paid at its address "
            "as before; whoever proves to hold that address may be given the account."
            for name in self._unknown
        ]


class _Contract:
    """The rebuilding of one contract's epochs."""

    def __init__(
        self, facts: ContractFacts, asset: Asset, kept: Sources, known: _Parties, at: datetime
    ) -> None:
        self.facts, self.asset, self.kept, self.known, self.at = facts, asset, kept, known, at
        self.row = ChainContract.objects.create(
            chain_id=facts.chain_id,
            kind=ChainContract.Kind.OWNER_PAYOUTS,
            token_address=facts.token_address,
            address=facts.address,
            tx_hash="",
            block_number=facts.first_block,
            deployed_at=at,
        )
        self.last: dict[bytes, PayoutLeaf] = {}

    def rebuild(self, outcome: Recovered) -> None:
        """Every epoch in its order, then what was payable beyond the last."""
        for number in range(1, len(self.facts.roots) + 1):
            self._epoch(number)
        for leaf in self.last.values():
            payees.restore_method(
                party=leaf.party, address=leaf.address, chain_id=self.row.chain_id, at=self.at
            )
        total = self.facts.roots[-1].total if self.facts.roots else 0
        outcome.done.append(
            f"{self.facts.caip10}: {len(self.facts.roots)} trees, {len(self.last)} payees, who are "
            f"owed {money.to_text(self._units(total), self.asset.scale)} {self.asset.symbol} in "
            "all, what was paid included."
        )
        if self.facts.funded > total:
            extra = money.to_text(self._units(self.facts.funded - total), self.asset.scale)
            outcome.lost.append(
                f"For what {self.facts.caip10} was given {extra} {self.asset.symbol} more than its "
                "tree owes: a later tree was lost. Fund that much less, and explain the difference."
            )
        self._payable(outcome)

    def _epoch(self, number: int) -> None:
        followed = self.facts.roots[number - 1]
        leaves = [
            PayoutLeaf(
                party=self.known.of(one.payee),
                payee_id=one.payee,
                address=evm.checksum(one.address),
                cumulative=one.cumulative,
                added_units=self._units(one.cumulative - self._before(one.payee)),
            )
            for one in self.kept.leaves(self.facts.caip10, number, followed.root)
        ]
        facts = {"contract": self.facts.caip10, "epoch": number, "tx_hash": followed.tx_hash}
        epoch = PayoutEpoch(
            contract=self.row,
            asset=self.asset,
            number=number,
            state=PayoutEpoch.State.ACTIVE,
            root=followed.root,
            total=followed.total,
            entry=self._send(number, leaves, facts),
            built_at=self.at,
            active_at=self.at,
        )
        payouts.store(epoch, leaves)
        self.last = {bytes(leaf.payee_id): leaf for leaf in leaves}

    def _send(self, number: int, leaves: list[PayoutLeaf], facts: dict[str, Any]) -> Entry | None:
        """Credit what the epoch added, and put it in flight, as it was once done."""
        added = [(leaf.party, leaf.added_units) for leaf in leaves if leaf.added_units]
        if not added:
            return None
        self._credit(f"recovered:{self.facts.caip10}:{number}", added, facts)
        lines = []
        for party, units in added:
            lines += [
                (journal.account(Kind.OWNER, self.asset, party=party), -units),
                (journal.account(Kind.PAYOUTS_IN_FLIGHT, self.asset, party=party), units),
            ]
        return journal.post(
            kind=Entry.Kind.PAYOUT,
            lines=lines,
            effective_at=self.at,
            posted_at=self.at,
            idempotency_key=f"payout:{self.row.pk}:{number}",
            facts=facts,
        )

    def _credit(self, key: str, owed: list[tuple[Party, int]], facts: dict[str, Any]) -> None:
        journal.post(
            kind=Entry.Kind.ADJUSTMENT,
            lines=[
                (journal.account(Kind.EXTERNAL, self.asset), -sum(units for _, units in owed)),
                *(
                    (journal.account(Kind.OWNER, self.asset, party=one), units)
                    for one, units in owed
                ),
            ],
            effective_at=self.at,
            posted_at=self.at,
            idempotency_key=key,
            facts={**facts, "why": "recovered from the chain and its published trees"},
        )

    def _payable(self, outcome: Recovered) -> None:
        """What the journal had made payable beyond the last tree, as its totals say."""
        if not self.facts.roots:
            return
        number = len(self.facts.roots)
        totals = self.kept.totals(self.facts.caip10, number)
        if not totals:
            outcome.lost.append(
                f"What was payable beyond the tree of {self.facts.caip10}: nobody kept the totals "
                f"of epoch {number}."
            )
        owed = [
            (leaf.party, units)
            for payee, leaf in self.last.items()
            if payee in totals
            and (units := self._units(totals[payee].credited - totals[payee].sent)) > 0
        ]
        if owed:
            facts = {"contract": self.facts.caip10, "epoch": number}
            self._credit(f"recovered:{self.facts.caip10}:payable", owed, facts)

    def _before(self, payee: bytes) -> int:
        return int(self.last[payee].cumulative) if payee in self.last else 0

    def _units(self, tokens: int) -> int:
        return money.floor_from_tokens(tokens, self.asset.scale, payouts.decimals(self.asset))
