"""From the journal to the lines of a document: what a party's money of a period is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext_noop as _noop

from compensation import wording
from compensation.models import Account, Asset, Charge, Entry, Period, Side
from provenance.models import DatasetVersion, Party, Rate

Kind = Account.Kind
# Money that a lab is charged, and that an owner earns; what goes in and out is no turnover.
ACCOUNTS: Final[dict[str, tuple[str, ...]]] = {
    Side.LAB: (Kind.LAB,),
    # What an owner has to give back is taken from the account of its debt as it is recovered.
    Side.OWNER: (Kind.OWNER_PENDING, Kind.OWNER, Kind.RECEIVABLE),
}
TURNOVER: Final = (
    Entry.Kind.USAGE,
    Entry.Kind.RESTATEMENT,
    Entry.Kind.RECOVERY,
    Entry.Kind.ADJUSTMENT,
)
_WORDS: Final = {
    Entry.Kind.RESTATEMENT: _noop("Divided anew after a conflict"),
    Entry.Kind.RECOVERY: _noop("Recovered after a conflict"),
    Entry.Kind.ADJUSTMENT: _noop("Adjusted by the operator"),
    Entry.Kind.REVERSAL: _noop("Taken back by the operator"),
}

# What the journal holds of a period, by side, party and asset.
_NETS: Final = """
SELECT s.side, a.party_id, a.asset_id,
       sum(CASE s.side WHEN 'lab' THEN -l.amount_units ELSE l.amount_units END)::bigint
  FROM compensation_entry e
  LEFT JOIN compensation_entry r ON r.id = e.reverses_id
  JOIN compensation_line l ON l.entry_id = e.id
  JOIN compensation_account a ON a.id = l.account_id AND a.party_id IS NOT NULL
  JOIN (VALUES ('lab', %(lab)s::text[]), ('owner', %(owner)s::text[])) s(side, kinds)
    ON a.kind = ANY(s.kinds)
 WHERE e.period_id = %(period)s AND coalesce(r.kind, e.kind) = ANY(%(turnover)s)
 GROUP BY 1, 2, 3 HAVING sum(l.amount_units) <> 0
 ORDER BY 1, 2, 3
"""

# What a lab was charged with usage entries, by rate and dataset version; quantities are what each
# charge adds to the one before it.
_CHARGED: Final = """
SELECT c.kind, c.rate_id, w.version_id, count(*) FILTER (WHERE p.revision IS NULL),
       sum(c.record_count - coalesce(p.record_count, 0)),
       sum(c.token_count - coalesce(p.token_count, 0)),
       sum(c.epoch_count - coalesce(p.epoch_count, 0)),
       sum(c.fetch_count - coalesce(p.fetch_count, 0)), sum(c.amount_units)
  FROM compensation_line l
  JOIN compensation_entry e ON e.id = l.entry_id AND e.period_id = %(period)s
   AND e.kind = 'usage'
  JOIN compensation_charge c ON c.entry_id = l.entry_id AND c.account_id = l.account_id
  JOIN compensation_weightversion w ON w.id = c.weight_version_id
  LEFT JOIN LATERAL (
    SELECT q.* FROM compensation_charge q
     WHERE q.usage_id = c.usage_id AND q.revision < c.revision
     ORDER BY q.revision DESC LIMIT 1) p ON true
 WHERE l.account_id = %(account)s
 GROUP BY c.kind, c.rate_id, w.version_id HAVING sum(c.amount_units) <> 0
 ORDER BY w.version_id, c.kind, c.rate_id
"""

# What usage entries earned an owner, by dataset version: the growth of its lifetime credit.
_EARNED: Final = """
SELECT w.version_id, sum(g.charge_count), sum(g.amount_units),
       sum(div(g.total_after_units * h.weight, w.weight_sum)
           - div((g.total_after_units - g.amount_units) * h.weight, w.weight_sum))
  FROM compensation_line l
  JOIN compensation_entry e ON e.id = l.entry_id AND e.period_id = %(period)s
   AND e.kind = 'usage'
  JOIN compensation_chargegroup g ON g.entry_id = l.entry_id
  JOIN compensation_weight h ON h.weight_version_id = g.weight_version_id
   AND h.account_id = l.account_id
  JOIN compensation_weightversion w ON w.id = g.weight_version_id
 WHERE l.account_id = %(account)s
 GROUP BY w.version_id ORDER BY w.version_id
"""

# What other entries moved on all accounts of a side, taken together.
_OTHERS: Final = """
SELECT e.id, e.kind, sum(l.amount_units)::bigint
  FROM compensation_line l
  JOIN compensation_entry e ON e.id = l.entry_id AND e.period_id = %(period)s
   AND e.kind <> 'usage'
  LEFT JOIN compensation_entry r ON r.id = e.reverses_id
 WHERE l.account_id = ANY(%(accounts)s) AND coalesce(r.kind, e.kind) = ANY(%(turnover)s)
 GROUP BY e.id, e.kind HAVING sum(l.amount_units) <> 0 ORDER BY e.id
"""


@dataclass(frozen=True)
class Net:
    """What one party's documents of a period come to: positive where the buyer owes it."""

    side: str
    party_id: UUID
    asset_id: int
    units: int


@dataclass(frozen=True)
class Part:
    """One line of a document, before it has one."""

    name: str
    detail: str
    quantity: int
    counted: str
    amount_units: int
    version_id: UUID | None = None
    rate_id: int | None = None
    price_units: int | None = None
    price_step: int | None = None


def nets_of(period: Period) -> list[Net]:
    """Who has turnover in a period, and how much."""
    given = {
        "lab": list(ACCOUNTS[Side.LAB]),
        "owner": list(ACCOUNTS[Side.OWNER]),
        "turnover": list(TURNOVER),
        "period": period.pk,
    }
    return [Net(*row) for row in _rows(_NETS, given)]


def parts_of(side: str, party: Party, asset: Asset, period: Period) -> list[Part]:
    """The lines of a party's document; they add up to what the journal holds."""
    accounts = {
        one.kind: one.pk
        for one in Account.objects.filter(party=party, asset=asset, kind__in=ACCOUNTS[side])
    }
    if side == Side.LAB:
        return [
            *_charged(accounts[Kind.LAB], asset, period),
            *_others(accounts.values(), period, sign=-1),
        ]
    pending = accounts.get(Kind.OWNER_PENDING)
    earned = _earned(pending, period) if pending is not None else []
    return [*earned, *_others(accounts.values(), period, sign=1)]


def _charged(account: int, asset: Asset, period: Period) -> list[Part]:
    rows = _rows(_CHARGED, {"account": account, "period": period.pk})
    versions = _versions(row[2] for row in rows)
    rates = Rate.objects.select_related("plan").in_bulk({row[1] for row in rows if row[1]})
    assets = {asset.code: asset}
    parts = []
    for kind, rate_id, version_id, uses, records, tokens, epochs, fetches, amount in rows:
        rate = rates.get(rate_id)
        counts = {
            "records": records, "tokens": tokens, "runs": uses, "epochs": epochs,
            "fetches": fetches,
        }  # fmt: skip
        counted = str(wording.NOUNS[Rate.Basis(rate.basis)]) if rate is not None else "parts"
        is_linear = rate is not None and rate.plan is None and kind == Charge.Kind.PRICED
        detail = wording.price_in_words(rate, assets) if rate else Charge.Kind(kind).label
        parts.append(
            Part(
                name=str(versions[version_id]),
                detail=detail[:500],
                quantity=int(counts.get(counted, uses)),
                counted=counted,
                amount_units=int(amount),
                version_id=version_id,
                rate_id=rate_id,
                price_units=rate.price_units if rate and is_linear else None,
                price_step=rate.step if rate and is_linear else None,
            )
        )
    return sorted(parts, key=lambda part: (part.name, part.counted, part.rate_id or 0))


def _earned(account: int, period: Period) -> list[Part]:
    rows = _rows(_EARNED, {"account": account, "period": period.pk})
    versions = _versions(row[0] for row in rows)
    parts = [
        Part(
            name=str(versions[version_id]),
            detail=_noop("Your share of what its use was charged"),
            quantity=int(charges),
            counted="charges",
            amount_units=int(share),
            version_id=version_id,
        )
        for version_id, charges, _, share in rows
        if share
    ]
    return sorted(parts, key=lambda part: part.name)


def _others(accounts: Iterable[int], period: Period, *, sign: int) -> list[Part]:
    given = {"accounts": list(accounts), "period": period.pk, "turnover": list(TURNOVER)}
    return [
        Part(
            name=_WORDS[Entry.Kind(kind)],
            detail=_noop("Entry %(number)s of the journal") % {"number": number},
            quantity=1,
            counted="entries",
            amount_units=sign * units,
        )
        for number, kind, units in _rows(_OTHERS, given)
    ]


def _versions(ids: Iterable[UUID]) -> dict[UUID, DatasetVersion]:
    rows = DatasetVersion.objects.select_related("dataset__owner")
    return dict(rows.in_bulk(set(ids)))


def _rows(query: str, given: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, given)
        return list(cursor.fetchall())
