"""From a line to its grounds: which usage, at which rate, earned whom how much, and the proofs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from compensation import billing, pricing
from compensation.models import Account, Charge, Entry, PayoutLeaf, Weight
from provenance.models import Event, Party

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
    """One charge behind a line, with all that explains it."""

    charge: Charge
    lab: str
    run: str
    dataset: str
    purpose: str
    rate: str
    used_at: datetime
    charged_units: int
    share_units: int
    weight: int
    weight_sum: int
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


def shares_of(entry: Entry, party: Party, *, weight_version_id: int | None = None) -> list[Share]:
    """The charges behind a party's line in a usage entry, each with its grounds and proofs."""
    weights = {
        one.weight_version_id: one
        for one in Weight.objects.filter(
            account__party=party, account__kind=Account.Kind.OWNER_PENDING,
            account__asset=entry.asset_id, weight_version__charge_groups__entry=entry,
        ).select_related("weight_version")
    }  # fmt: skip
    charges = _with_grounds(Charge.objects.filter(entry=entry, weight_version__in=weights))
    if weight_version_id is not None:
        charges = charges.filter(weight_version=weight_version_id)
    rows = list(charges.order_by("pk"))
    usage_events = _usage_events([row.usage_id for row in rows])
    event = billing.event_of(entry)
    leaf = leaf_for(entry, party)
    return [
        _explain(
            row,
            weights[row.weight_version_id or 0],
            usage_events=usage_events.get(row.usage_id, []),
            charge_event=event.sequence if event else None,
            leaf=leaf,
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
    rate = charge.rate
    if rate is None:
        return charge.get_kind_display()
    return f"{rate.price_units} units {rate.get_basis_display()}"


def _with_grounds(charges: QuerySet[Charge]) -> QuerySet[Charge]:
    return charges.select_related(
        "usage__run__lab", "usage__version__dataset__owner", "rate", "weight_version"
    )


def _explain(
    charge: Charge,
    weight: Weight,
    *,
    usage_events: list[int | None],
    charge_event: int | None,
    leaf: PayoutLeaf | None,
) -> Share:
    assert charge.rate is not None, "a charge that earns has a rate"
    usage = charge.usage
    return Share(
        charge=charge,
        lab=usage.run.lab.name,
        run=usage.run.pseudonym,
        dataset=str(usage.version),
        purpose=usage.get_purpose_display(),
        rate=rate_words(charge),
        used_at=charge.used_at,
        charged_units=charge.amount_units,
        share_units=_share(charge, weight),
        weight=int(weight.weight),
        weight_sum=int(weight.weight_version.weight_sum),
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
