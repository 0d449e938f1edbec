"""From a line to its grounds: which usage, at which rate, earned whom how much, and the proofs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Q

from compensation import billing, pricing
from compensation.models import Account, Charge, Entry, PayoutLeaf, Weight
from compensation.wording import price_in_words
from provenance.models import Event, Party, Run, Usage

# Charges on one page behind a line.
PAGE = 200

# What entries added to each weight version that an account has a part in, and its total after them.
_GROWN = """
SELECT g.entry_id, g.weight_version_id, g.amount_units, g.charge_count, g.total_after_units,
       w.weight, v.weight_sum, v.version_id
  FROM compensation_weight w
  JOIN compensation_weightversion v ON v.id = w.weight_version_id
  JOIN compensation_chargegroup g ON g.weight_version_id = w.weight_version_id
 WHERE w.account_id = %(account)s AND g.entry_id = ANY(%(entries)s)
 ORDER BY g.entry_id, g.weight_version_id
"""


@dataclass(frozen=True)
class Grown:
    """What one entry earned an account under one weight version."""

    entry_id: int
    weight_version_id: int
    version_id: UUID
    gross_units: int
    charge_count: int
    share_units: int


@dataclass(frozen=True)
class Share:
    """One charge behind a line, with what it takes to open it further."""

    charge: Charge
    lab: str
    # The run, what was used and for what; empty where it was shared out of a sum.
    run: str
    # For its own lab, which knows it by name.
    own_run: Run | None
    dataset: str
    purpose: str
    rate: str
    used_at: datetime
    charged_units: int
    # What it moved for the party: its part, or, negative, what it paid.
    share_units: int
    # Null for whoever paid.
    weight: int | None
    weight_sum: int | None
    # Ledger sequences: of the usage's reports, and of the charge; null until sealed.
    usage_events: list[int | None]
    charge_event: int | None
    entry_id: int | None
    leaf: PayoutLeaf | None


def grown(account: Account, entries: list[int]) -> list[Grown]:
    """What usage entries earned an account, by weight version; adds up to the entries' lines."""
    with connection.cursor() as cursor:
        cursor.execute(_GROWN, {"account": account.pk, "entries": entries})
        rows = cursor.fetchall()
    found = []
    for entry_id, weight_version_id, amount, charges, after, weight, whole, version_id in rows:
        share = growth(after - amount, after, int(weight), int(whole))
        found.append(
            Grown(entry_id, weight_version_id, version_id, int(amount), int(charges), share)
        )
    return found


def share_of(charge: Charge, account: Account) -> int:
    """An account's share of one charge: what its lifetime credit grew by; they add up to lines."""
    weight = (
        Weight.objects.filter(account=account, weight_version=charge.weight_version_id)
        .select_related("weight_version")
        .first()
    )
    if weight is None or charge.running_units is None:
        return 0
    return _share(charge, weight)


def shares_of(
    entry: Entry,
    party: Party,
    *,
    weight_version_id: int | None = None,
    after: int = 0,
    limit: int = PAGE,
) -> list[Share]:
    """The charges behind a party's line in a usage entry, in charge order, `after` one of them.

    Those that it earns by, and those that it pays: the number of queries is the same for any page.
    """
    weights = {
        one.weight_version_id: one
        for one in Weight.objects.filter(
            account__party=party, account__kind=Account.Kind.OWNER_PENDING,
            account__asset=entry.asset_id, weight_version__charge_groups__entry=entry,
        ).select_related("weight_version")
    }  # fmt: skip
    labs = Account.objects.filter(party=party, kind=Account.Kind.LAB, asset=entry.asset_id)
    mine = Q(weight_version__in=weights) | Q(account__in=labs.values("pk"))
    charges = Charge.objects.filter(mine, entry=entry, pk__gt=after)
    if weight_version_id is not None:
        charges = charges.filter(weight_version=weight_version_id)
    charges = charges.select_related(
        "account__party", "account__asset", "rate__plan", "weight_version__version__dataset__owner"
    )
    rows = list(charges.order_by("pk")[:limit])
    usage_ids = [row.usage_id for row in rows]
    usages = Usage.objects.select_related("run").in_bulk(usage_ids)
    events = _usage_events(usage_ids)
    charged, leaf = billing.event_of(entry), leaf_for(entry, party)
    return [
        _explain(
            row,
            usages.get(row.usage_id),
            weights.get(row.weight_version_id or 0),
            usage_events=events.get(row.usage_id, []),
            charge_event=charged.sequence if charged else None,
            leaf=leaf,
            party=party,
        )
        for row in rows
    ]


def leaf_for(entry: Entry, party: Party) -> PayoutLeaf | None:
    """The leaf that first paid out what an entry credited: the next one after it matured."""
    maturity = getattr(entry, "maturity", None)
    if maturity is None or maturity.matured_at is None:
        return None
    leaves = PayoutLeaf.objects.filter(
        party=party,
        epoch__asset=entry.asset_id,
        epoch__built_at__gte=maturity.matured_at,
        added_units__gt=0,
    )
    return leaves.select_related("epoch").order_by("epoch__number").first()


def rate_words(charge: Charge) -> str:
    """The rate of a charge, as people say it."""
    if charge.rate is None:
        return charge.get_kind_display()
    asset = charge.account.asset if charge.account else None
    return price_in_words(charge.rate, {charge.rate.asset: asset} if asset else None)


def _explain(
    charge: Charge,
    usage: Usage | None,
    weight: Weight | None,
    *,
    usage_events: list[int | None],
    charge_event: int | None,
    leaf: PayoutLeaf | None,
    party: Party,
) -> Share:
    assert charge.account is not None, "a charge of an entry has an account"
    assert charge.weight_version is not None, "a charge of an entry has weights"
    return Share(
        charge=charge,
        lab=str(charge.account.party),
        run=usage.run.pseudonym if usage else "",
        own_run=usage.run if usage and usage.run.lab_id == party.pk else None,
        dataset=str(charge.weight_version.version),
        purpose=usage.get_purpose_display() if usage else "",
        rate=rate_words(charge),
        used_at=charge.used_at,
        charged_units=charge.amount_units,
        share_units=_share(charge, weight) if weight else -charge.amount_units,
        weight=int(weight.weight) if weight else None,
        weight_sum=int(weight.weight_version.weight_sum) if weight else None,
        usage_events=usage_events,
        charge_event=charge_event,
        entry_id=charge.entry_id,
        leaf=leaf,
    )


def growth(before: int, after: int, weight: int, weight_sum: int) -> int:
    """What an account's lifetime credit grew by while its division's total did."""
    return pricing.credit(after - before, before, weight, weight_sum)


def _share(charge: Charge, weight: Weight) -> int:
    assert charge.running_units is not None, "what is charged has its running total"
    return growth(
        charge.running_units - charge.amount_units, charge.running_units, int(weight.weight),
        int(weight.weight_version.weight_sum),
    )  # fmt: skip


def _usage_events(usage_ids: list[UUID]) -> dict[UUID, list[int | None]]:
    events = Event.objects.filter(
        kind="dataset.used", subject_kind="usage", subject_id__in=usage_ids
    ).order_by("id")
    found: dict[UUID, list[int | None]] = {}
    for event in events:
        found.setdefault(event.subject_id, []).append(event.sequence)
    return found
