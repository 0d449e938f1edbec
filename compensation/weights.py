"""Weight versions: how a dataset version's revenue is divided, and divided anew after a conflict.

New knowledge of a conflict closes the weight version in force and opens the next. The closed ones
are restated: each account's target under the new division, minus what it was credited. So the end
does not depend on the way, and what was held moves to the unit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from compensation import journal, pricing
from compensation.division import PLATFORM, Part, Payee, Place, Standing, moved, parts, weights
from compensation.models import (
    Account,
    Asset,
    Balance,
    Cell,
    Entry,
    PlatformFee,
    Restatement,
    Take,
    Weight,
    WeightVersion,
)
from compensation.standings import standings_of
from provenance import ledger
from provenance.models import Conflict, DatasetVersion, Party, Rate, Record

Kind = Account.Kind
Counted = WeightVersion.Counted

# Counts only: cheap enough to ask before every batch, and changed by every step of a conflict.
_MARKERS = """
SELECT dataset_id, string_agg(
         concat_ws(',', conflict_id, records, held, released, resolved, held_since, released_at,
                   decided_at, opened), ';' ORDER BY conflict_id)
  FROM (SELECT r.dataset_id, c.conflict_id, count(*) AS records, count(c.held_since) AS held,
               count(c.released_at) AS released, count(c.resolution_id) AS resolved,
               max(c.held_since) AS held_since, max(c.released_at) AS released_at,
               max(s.decided_at) AS decided_at,
               (SELECT count(*) || '/' || count(o.opened_at) FROM provenance_opening o
                 WHERE o.conflict_id = c.conflict_id) AS opened
          FROM provenance_conflict d
          JOIN provenance_contestedrecord c ON c.conflict_id = d.id
          JOIN provenance_record r ON r.id = c.record_id AND r.dataset_id = ANY(%(datasets)s)
          LEFT JOIN provenance_resolution s ON s.id = c.resolution_id
         WHERE d.later_id = ANY(%(datasets)s) OR d.earlier_id = ANY(%(datasets)s)
         GROUP BY r.dataset_id, c.conflict_id) AS counted
 GROUP BY dataset_id
"""

# What a staged batch is divided by, with the weight version in force; only those that may need
# another one: none yet, another fee, or a dataset with something that can change.
_SUSPECTS = """
WITH rated AS (
  SELECT DISTINCT version_id, rate_id FROM compensation_stage
   WHERE batch = %(batch)s AND rate_id IS NOT NULL
), wanted AS (
  SELECT DISTINCT s.version_id, a.id AS asset_id,
         CASE WHEN r.basis = ANY(%(by_tokens)s) THEN 'tokens' ELSE 'records' END AS counted
    FROM rated s JOIN provenance_rate r ON r.id = s.rate_id
    JOIN compensation_asset a ON a.code = r.asset
), disputed AS (
  SELECT later_id AS dataset_id FROM provenance_conflict
   UNION SELECT earlier_id FROM provenance_conflict
)
SELECT w.version_id, w.asset_id, w.counted, v.dataset_id,
       CASE WHEN o.fee_basis_points = %(fee)s THEN o.marker END
  FROM wanted w
  JOIN provenance_datasetversion v ON v.id = w.version_id
  LEFT JOIN compensation_weightversion o ON o.version_id = w.version_id
   AND o.asset_id = w.asset_id AND o.counted = w.counted AND o.closed_at IS NULL
 WHERE o.id IS NULL OR o.fee_basis_points <> %(fee)s OR o.marker <> ''
    OR v.dataset_id IN (SELECT dataset_id FROM disputed)
 ORDER BY w.version_id, w.asset_id, w.counted
"""


@dataclass(frozen=True)
class Revenue:
    """Revenue that is divided alike: a dataset version's, in one asset, by one count."""

    version: DatasetVersion
    asset: Asset
    counted: str


@transaction.atomic
def ensure(revenues: Iterable[Revenue], *, at: datetime) -> int:
    """See to it that each revenue has a weight version that knows all; how many were opened.

    Locks the journal: what follows in this transaction is divided by these weights.
    """
    wanted = list(dict.fromkeys(revenues))
    journal.lock()
    markers = _markers({one.version.dataset_id for one in wanted})
    fee = PlatformFee.at(at)
    in_force = _in_force(wanted)
    opened = 0
    for one in wanted:
        current = in_force.get((one.version.pk, one.asset.pk, one.counted))
        marker = markers.get(one.version.dataset_id, "")
        if current is None or (current.marker, current.fee_basis_points) != (marker, fee):
            _renew(one, current, marker, fee, at)
            opened += 1
    return opened


def stale(batch: UUID, *, at: datetime) -> list[Revenue]:
    """What of a staged batch lacks a weight version that knows all: what `ensure` has to see to."""
    named = {
        "batch": batch,
        "fee": PlatformFee.at(at),
        "by_tokens": [one for one in Rate.Basis.values if pricing.counted(one) == Counted.TOKENS],
    }
    with connection.cursor() as cursor:
        cursor.execute(_SUSPECTS, named)
        suspects = cursor.fetchall()
    markers = _markers({dataset for _, _, _, dataset, _ in suspects}) if suspects else {}
    wanting = [
        (version, asset, counted)
        for version, asset, counted, dataset, marker in suspects
        if marker != markers.get(dataset, "")
    ]
    versions = DatasetVersion.objects.select_related("dataset__owner").in_bulk(
        {version for version, _, _ in wanting}
    )
    assets = Asset.objects.in_bulk({asset for _, asset, _ in wanting})
    return [
        Revenue(versions[version], assets[asset], counted) for version, asset, counted in wanting
    ]


def apply_resolutions(*, at: datetime, limit: int = 200) -> int:
    """Divide anew whatever a conflict has changed since it was divided; how many were changed."""
    disputed = Conflict.objects.values("later", "earlier")
    datasets = {row[side] for row in disputed for side in ("later", "earlier")}
    markers = _markers(datasets)
    rows = WeightVersion.objects.filter(closed_at=None, version__dataset__in=datasets)
    stale = [
        Revenue(row.version, row.asset, row.counted)
        for row in rows.select_related("version__dataset__owner", "asset").order_by("pk")
        if row.marker != markers.get(row.version.dataset_id, "")
    ]
    for one in stale[:limit]:
        ensure([one], at=at)
    return len(stale[:limit])


def matures_at(at: datetime) -> datetime:
    """When what is credited to owners at `at` becomes payable."""
    return at + timedelta(days=settings.HOLD_BACK_DAYS)


def _markers(datasets: Iterable[UUID]) -> dict[UUID, str]:
    """For each dataset with a dispute, a digest of how it stands."""
    with connection.cursor() as cursor:
        cursor.execute(_MARKERS, {"datasets": list(datasets)})
        return {
            dataset: hashlib.sha256(words.encode()).hexdigest()
            for dataset, words in cursor.fetchall()
        }


def _in_force(wanted: list[Revenue]) -> dict[tuple[UUID, int, str], WeightVersion]:
    rows = WeightVersion.objects.filter(
        closed_at=None, version__in={one.version.pk for one in wanted}
    )
    return {(row.version_id, row.asset_id, row.counted): row for row in rows}


def _renew(
    revenue: Revenue, current: WeightVersion | None, marker: str, fee: int, at: datetime
) -> None:
    """Close the weight version in force, open the next, and restate what is closed."""
    standings = standings_of(revenue.version)
    if current is not None:
        current.closed_at = at
        current.save(update_fields=["closed_at"])
    made = WeightVersion(
        version=revenue.version,
        asset=revenue.asset,
        counted=revenue.counted,
        number=current.number + 1 if current else 1,
        fee_basis_points=fee,
        marker=marker,
        opened_at=at,
    )
    division = _Division(made, standings)
    cells = division.begin()
    shares = weights(cells, fee)
    made.weight_sum = sum(shares.values())
    made.save()
    accounts = _accounts(revenue.asset, shares)
    Weight.objects.bulk_create(
        Weight(weight_version=made, account=accounts[payee], weight=weight)
        for payee, weight in shares.items()
    )
    _save_cells(made, 0, cells)
    closed = WeightVersion.objects.filter(
        version=revenue.version,
        asset=revenue.asset,
        counted=revenue.counted,
        closed_at__isnull=False,
        total_units__gt=0,
    )
    for one in closed.select_related("version__dataset__owner", "asset").order_by("number"):
        _Division(one, standings).restate(at)


class _Division:
    """One weight version's records, where they stand, and where they should."""

    def __init__(self, weight_version: WeightVersion, standings: Mapping[int, Standing]) -> None:
        self.row = weight_version
        self.standings = standings
        version = weight_version.version
        self.base = Place(holders=((str(version.dataset.owner_id), 1),))
        # A version without tokens has its records counted, one without records counts as one.
        self.by_tokens = weight_version.counted == Counted.TOKENS and version.token_count > 0
        self.total = (version.token_count if self.by_tokens else version.record_count) or 1

    def begin(self) -> list[Part]:
        """The cells of a weight version that opens now."""
        places = {record_id: one.place for record_id, one in self.standings.items()}
        return parts(places, self._counts(places), self.base, self.total)

    def restate(self, at: datetime) -> None:
        """Move what the standings have changed, one conflict after the other."""
        number = self.row.restatements.count()
        cells = self.row.cells.filter(restatement=number)
        places = {record_id: place_of(cell) for cell in cells for record_id in cell.record_ids}
        after = {
            record_id: moved(
                places.get(record_id, self.base), self.standings.get(record_id), self.base
            )
            for record_id in {*places, *self.standings}
        }
        changed: dict[str, list[int]] = {}
        for record_id, place in after.items():
            before = places.get(record_id, self.base)
            if place != before:
                # What an older dispute held follows the one that decides.
                changed.setdefault(place.conflict_id or before.conflict_id, []).append(record_id)
        counts = self._counts(after)
        for conflict_id in sorted(changed):
            before_cells = parts(places, counts, self.base, self.total)
            places |= {record_id: after[record_id] for record_id in changed[conflict_id]}
            after_cells = parts(places, counts, self.base, self.total)
            number += 1
            _restate(self.row, number, conflict_id, before_cells, after_cells, at)

    def _counts(self, record_ids: Iterable[int]) -> dict[int, int]:
        if not self.by_tokens:
            return dict.fromkeys(record_ids, 1)
        known = {key: one.token_count for key, one in self.standings.items()}
        rest = [record_id for record_id in record_ids if record_id not in known]
        rows = Record.objects.filter(pk__in=rest).values_list("pk", "token_count")
        return known | dict(rows)


def place_of(cell: Cell) -> Place:
    """A stored cell's place."""
    return Place(
        holders=tuple((str(party), int(weight)) for party, weight in cell.holders),
        conflict_id=str(cell.conflict_id or ""),
        resolution_id=str(cell.resolution_id or ""),
        is_held=cell.is_held,
    )


def targets_of(row: WeightVersion) -> dict[Payee, int]:
    """What each payee should have been credited under a weight version, as it is divided now."""
    last = row.restatements.count()
    parts = [Part(place_of(cell), cell.count) for cell in row.cells.filter(restatement=last)]
    return pricing.targets(row.total_units, weights(parts, row.fee_basis_points))


def _save_cells(weight_version: WeightVersion, restatement: int, cells: list[Part]) -> None:
    Cell.objects.bulk_create(
        Cell(
            weight_version=weight_version,
            restatement=restatement,
            ordinal=ordinal,
            holders=[list(holder) for holder in part.place.holders],
            conflict_id=part.place.conflict_id or None,
            resolution_id=part.place.resolution_id or None,
            is_held=part.place.is_held,
            count=part.count,
            record_ids=list(part.record_ids),
        )
        for ordinal, part in enumerate(cells)
    )


def _restate(
    row: WeightVersion,
    number: int,
    conflict_id: str,
    before: list[Part],
    after: list[Part],
    at: datetime,
) -> None:
    """Post what each payee's target grew or shrank by, and keep the new cells."""
    old = pricing.targets(row.total_units, weights(before, row.fee_basis_points))
    new = pricing.targets(row.total_units, weights(after, row.fee_basis_points))
    deltas = {payee: new.get(payee, 0) - old.get(payee, 0) for payee in sorted({*old, *new})}
    deltas = {payee: delta for payee, delta in deltas.items() if delta}
    conflict = Conflict.objects.get(pk=conflict_id) if conflict_id else None
    entry = None
    if deltas:
        entry = _post_restatement(row, number, conflict, deltas, at)
        _record_restatement(row, number, conflict, entry, at)
    Restatement.objects.create(
        weight_version=row, number=number, conflict=conflict, entry=entry, made_at=at
    )
    _save_cells(row, number, after)


def _post_restatement(
    row: WeightVersion,
    number: int,
    conflict: Conflict | None,
    deltas: dict[Payee, int],
    at: datetime,
) -> Entry:
    """Take from held-back money first; what is missing is recovered later, and awaited."""
    accounts = _accounts(row.asset, deltas)
    lines = [(accounts[payee], delta) for payee, delta in deltas.items()]
    lines.append((journal.account(Kind.ROUNDING, row.asset), -sum(deltas.values())))
    losses = [
        (accounts[payee], -delta)
        for payee, delta in deltas.items()
        if payee.kind == "owner" and delta < 0
    ]
    taken, owed = _held_back_or_owed(losses)
    for account, short in owed:
        debtor = journal.account(Kind.RECEIVABLE, row.asset, party=account.party, conflict=conflict)
        lines += [(account, short), (debtor, -short)]
    lines += _awaited(row.asset, conflict, lines, sum(short for _, short in owed))
    entry = journal.post(
        kind=Entry.Kind.RESTATEMENT,
        lines=lines,
        effective_at=at,
        posted_at=at,
        idempotency_key=f"restatement:{row.pk}:{number}",
        facts={
            "weight_version": row.pk,
            "number": number,
            "version": row.version_id,
            "conflict": conflict.pk if conflict else None,
        },
        matures_at=matures_at(at),
    )
    Take.objects.bulk_create(
        Take(account=account, entry=entry, amount_units=amount, remaining_units=amount)
        for account, amount in taken
    )
    return entry


def _held_back_or_owed(
    losses: Iterable[tuple[Account, int]],
) -> tuple[list[tuple[Account, int]], list[tuple[Account, int]]]:
    """Part what accounts lose into what is held back for them still, and what is missing."""
    taken, owed = [], []
    for account, loss in losses:
        part = min(loss, Balance.objects.get(account=account).available)
        if part:
            taken.append((account, part))
        if loss > part:
            owed.append((account, loss - part))
    return taken, owed


def _awaited(
    asset: Asset, conflict: Conflict | None, lines: list[tuple[Account, int]], missing: int
) -> list[tuple[Account, int]]:
    """Turn `missing` units of credits into claims on what is recovered later."""
    net: dict[int, int] = {}
    for account, amount in lines:
        net[account.pk] = net.get(account.pk, 0) + amount
    # Owners wait before the platform does.
    credited = sorted(
        {account.pk: account for account, _ in lines if net[account.pk] > 0}.values(),
        key=lambda account: (account.kind != Kind.OWNER_PENDING, account.pk),
    )
    moves: list[tuple[Account, int]] = []
    for account in credited:
        part = min(net[account.pk], missing)
        if part:
            waiting = journal.account(Kind.AWAITED, asset, party=account.party, conflict=conflict)
            moves += [(account, -part), (waiting, part)]
            missing -= part
    assert not missing, "what is recovered has somebody who waits for it"
    return moves


def _accounts(asset: Asset, payees: Iterable[Payee]) -> dict[Payee, Account]:
    """The account that each payee's share is credited to."""
    found = {}
    for payee in payees:
        if payee == PLATFORM:
            found[payee] = journal.account(Kind.PLATFORM_FEE, asset)
        elif payee.kind == "owner":
            party = Party.objects.get(pk=payee.id)
            found[payee] = journal.account(Kind.OWNER_PENDING, asset, party=party)
        else:
            conflict = Conflict.objects.get(pk=payee.id)
            found[payee] = journal.account(Kind.ESCROW, asset, conflict=conflict)
    return found


def _record_restatement(
    row: WeightVersion, number: int, conflict: Conflict | None, entry: Entry, at: datetime
) -> None:
    owner = row.version.dataset.owner
    other = None
    if conflict is not None:
        sides = (conflict.later.owner, conflict.earlier.owner)
        other = next((side for side in sides if side != owner), None)
    ledger.record(
        "revenue.restated",
        at=at,
        subject_kind="version",
        subject_id=row.version_id,
        party=owner,
        other_party=other,
        body={
            "weight_version": row.pk,
            "restatement": number,
            "conflict": conflict.pk if conflict else None,
            "entry": entry.pk,
            "entry_hash": bytes(entry.hash),
        },
    )
