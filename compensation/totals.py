"""What the journal sent and credited to each payee, so that no tree has to be taken on trust.

The file: `tallymark-totals/1` and a newline, then of each payee, in the order of the tree's leaves,
32 bytes payee, 16 bytes sent, 16 bytes credited: what the journal ever sent to the contract, and
what it ever made payable, big-endian, in the token's own decimals. They come from the journal's
balances and from what the chain paid, never from the tree. Their digest is an event of the ledger,
anchored by another key than the one that proposes roots; `tallymark watch` compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db.models import Sum

from compensation import money
from compensation.models import (
    Account,
    Balance,
    JournalHead,
    Payout,
    PayoutEpoch,
    PayoutLeaf,
    PayoutTotals,
)
from provenance import anchor, evm, ledger
from provenance.models import ChainContract
from provenance.refusals import Refused

Kind = Account.Kind

FORMAT = "tallymark-payouts/1"
HEAD = b"tallymark-totals/1\n"
EVENT = "payout.totals"


@dataclass(frozen=True)
class Total:
    """What the journal holds of one payee, in the token's own decimals."""

    payee_id: bytes
    sent: int
    credited: int

    @property
    def packed(self) -> bytes:
        """Its 64 bytes in the file."""
        return self.payee_id + self.sent.to_bytes(16, "big") + self.credited.to_bytes(16, "big")


def commit(
    *, epoch: PayoutEpoch, leaves: Sequence[PayoutLeaf], decimals: int, at: datetime
) -> PayoutTotals:
    """Write an epoch's totals from the journal, and their digest into the ledger.

    The caller holds the journal's lock and has posted what the epoch sends.
    """
    totals = _totals(epoch, leaves, decimals)
    for leaf, total in zip(leaves, totals, strict=True):
        assert int(leaf.cumulative) == total.sent <= total.credited, (
            f"the tree owes {leaf.party} {leaf.cumulative}, the journal sent {total.sent} of "
            f"{total.credited}"
        )
    file = HEAD + b"".join(one.packed for one in totals)
    digest = sha256(file).digest()
    head = JournalHead.objects.get()
    event = ledger.record(
        EVENT,
        at=at,
        subject_kind="payout_epoch",
        body={
            "contract": epoch.contract.caip10,
            "epoch": epoch.number,
            "totals": digest,
            "payees": len(totals),
            "sent": str(sum(one.sent for one in totals)),
            "credited": str(sum(one.credited for one in totals)),
            "entry": head.number,
            "entry_hash": bytes(head.hash),
        },
    )
    return PayoutTotals.objects.create(epoch=epoch, file=file, digest=digest, event=event)


def index() -> dict[str, Any]:
    """Which contracts pay owners, in what, and where the ledger is anchored."""
    known = ChainContract.objects.order_by("pk")
    payouts = known.filter(kind=ChainContract.Kind.OWNER_PAYOUTS)
    return {
        "format": FORMAT,
        "anchors": [one.caip10 for one in known.filter(kind=ChainContract.Kind.LINEAGE_ANCHOR)],
        "contracts": [
            {
                "contract": one.caip10,
                "asset": f"{evm.caip2(one.chain_id)}/erc20:{one.token_address}",
            }
            for one in payouts
        ],
    }


def manifest(epoch: PayoutEpoch) -> dict[str, Any]:
    """What is to be known of one epoch's tree; `committed` proves the totals' digest.

    Before its event is anchored, `committed` is null and `waits_for` says so.
    """
    found = PayoutTotals.objects.filter(epoch=epoch).select_related("event").first()
    committed, waits_for = _proof(found)
    return {
        "format": FORMAT,
        "contract": epoch.contract.caip10,
        "asset": epoch.asset.code,
        "epoch": epoch.number,
        "root": "0x" + bytes(epoch.root).hex(),
        "total": str(int(epoch.total)),
        "totals_sha256": bytes(found.digest).hex() if found else None,
        "committed": committed,
        "waits_for": waits_for,
    }


def _proof(found: PayoutTotals | None) -> tuple[dict[str, Any] | None, str]:
    if found is None:
        return None, "This tree is older than the totals of the journal."
    try:
        return anchor.proof_for(found.event), ""
    except Refused as reason:
        return None, f"{reason.detail} {reason.next_step}".strip()


def _totals(epoch: PayoutEpoch, leaves: Sequence[PayoutLeaf], decimals: int) -> list[Total]:
    """What the journal sent and credited to each leaf's payee; from its balances alone."""
    held: dict[str, dict[UUID | None, int]] = {}
    for kind in (Kind.PAYOUTS_IN_FLIGHT, Kind.OWNER):
        rows = Balance.objects.filter(account__asset=epoch.asset, account__kind=kind)
        held[kind] = dict(rows.values_list("account__party", "posted"))
    paid = dict(
        Payout.objects.filter(contract=epoch.contract)
        .values_list("party")
        .annotate(total=Sum("amount_units"))
    )
    scale = epoch.asset.scale
    found = []
    for leaf in leaves:
        party = leaf.party_id
        sent = held[Kind.PAYOUTS_IN_FLIGHT].get(party, 0) + int(paid.get(party, 0))
        credited = sent + held[Kind.OWNER].get(party, 0)
        tokens = [money.to_tokens(units, scale, decimals)[0] for units in (sent, credited)]
        found.append(Total(bytes(leaf.payee_id), *tokens))
    return found
