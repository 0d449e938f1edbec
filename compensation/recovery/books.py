"""What an export of the journal adds to a recovery: balances that no tree of the chain shows.

Each balance is posted as one adjustment. Where the chain knows more than an older export, the chain
counts: what matured or was sent since the export is not posted a second time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db.models import Sum

from compensation import journal, money
from compensation.models import Account, Asset, Balance, Entry, PayoutLeaf
from compensation.recovery.sources import Held, Sources
from provenance import parties
from provenance.models import Party

if TYPE_CHECKING:
    from compensation.recovery import Recovered

Kind = Account.Kind

REBUILT = frozenset(
    {Kind.LAB, Kind.LAB_DEBT, Kind.OWNER, Kind.OWNER_PENDING, Kind.PLATFORM_FEE,
     Kind.TREASURY}
)  # fmt: skip
# Follow from the others, or from the chain.
DERIVED = frozenset({Kind.EXTERNAL, Kind.PAYOUTS_IN_FLIGHT})


def rebuild(
    kept: Sources,
    known: dict[UUID, Party],
    on_chain: Sequence[Asset],
    outcome: Recovered,
    at: datetime,
) -> None:
    """Post what the export has of every account that the chain did not rebuild."""
    if not kept.accounts:
        outcome.lost.append(
            "Deposits of labs, what was earned and not payable yet, and what was owed to owners "
            "without an address: no export of the journal was given."
        )
        return
    credited = {
        (one.asset, one.party): one.posted + one.sent
        for one in kept.accounts
        if one.kind == Kind.OWNER
    }
    assets = {one.code: one for one in on_chain}
    count = 0
    for one in kept.accounts:
        if not one.posted or one.kind in DERIVED:
            continue
        asset = assets.get(one.asset) or Asset.objects.filter(code=one.asset).first()
        if asset is None or one.kind not in REBUILT:
            outcome.lost.append(_cannot(one, asset))
            continue
        units = _since_export(one, credited, asset)
        count += _post(one, asset, units, known, at)
    outcome.done.append(f"{count} balances were rebuilt from the journal's export.")


def _since_export(one: Held, credited: Mapping[tuple[str, UUID | None], int], asset: Asset) -> int:
    """What is left of an exported balance after what the chain shows to have happened since."""
    if (
        one.party is None
        or not PayoutLeaf.objects.filter(party=one.party, epoch__asset=asset).exists()
    ):
        return one.posted
    if one.kind == Kind.OWNER:
        # The totals of the tree said it, and later than the export.
        return 0
    if one.kind != Kind.OWNER_PENDING:
        return one.posted
    rows = Balance.objects.filter(
        account__asset=asset,
        account__party=one.party,
        account__kind__in=(Kind.OWNER, Kind.PAYOUTS_IN_FLIGHT),
    )
    # Nothing is booked as paid yet: together they are all that was ever credited.
    now = int(rows.aggregate(total=Sum("posted"))["total"] or 0)
    then = credited.get((one.asset, one.party), 0)
    return max(0, one.posted - max(0, now - then))


def _post(one: Held, asset: Asset, units: int, known: dict[UUID, Party], at: datetime) -> bool:
    """Post one balance; whether there was anything to post."""
    if not units:
        return False
    party = _party(one, known, at) if one.party is not None else None
    is_held_back = one.kind == Kind.OWNER_PENDING
    journal.post(
        kind=Entry.Kind.ADJUSTMENT,
        lines=[
            (journal.account(Kind.EXTERNAL, asset), -units),
            (journal.account(Account.Kind(one.kind), asset, party=party), units),
        ],
        effective_at=at,
        posted_at=at,
        idempotency_key=f"recovered:{asset.pk}:{one.kind}:{one.party or ''}",
        facts={"why": "recovered from an export of the journal"},
        matures_at=at + timedelta(days=settings.HOLD_BACK_DAYS) if is_held_back else None,
    )
    return True


def _party(one: Held, known: dict[UUID, Party], at: datetime) -> Party:
    """The party of an account; one without a name where the payees' file does not have it."""
    assert one.party is not None, "asked for accounts of parties only"
    if one.party not in known:
        is_lab = one.kind in (Kind.LAB, Kind.LAB_DEBT)
        known[one.party] = parties.restore_party(
            pk=one.party, name=f"Party {one.party}", namespace=f"party-{one.party}",
            is_owner=not is_lab, is_lab=is_lab, at=at,
        )  # fmt: skip
    return known[one.party]


def _cannot(one: Held, asset: Asset | None) -> str:
    amount = f"{one.posted} units" if asset is None else money.to_text(one.posted, asset.scale)
    whose = f" of party {one.party}" if one.party else ""
    return f"{Account.Kind(one.kind).label}{whose}: {amount} of {one.asset}."
