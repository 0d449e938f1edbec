"""Weight versions: how a dataset version's revenue is divided, and divided anew when that changes.

New knowledge of a dispute, a split or a debt closes the weight version in force and opens the
next; the closed ones are restated. What nobody but its owner has a part in is opened in sets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import gcd
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max

from compensation import journal, portions
from compensation.models import Account, Asset, PlatformFee, Weight, WeightVersion
from compensation.portions import targets_of
from compensation.restatements import accounts_of, matures_at, restate
from compensation.standings import TOUCHED, Grounds
from provenance.debts import WHOLE_BASIS_POINTS
from provenance.models import FIRST, DatasetVersion

__all__ = ["Revenue", "apply_resolutions", "ensure", "matures_at", "ready", "stale", "targets_of"]

# What a staged batch is divided by, with the weight version in force; only those that may need
# another one: none yet, another fee, or a dataset with something that can change.
_SUSPECTS = f"""
SELECT DISTINCT k.version_id, k.asset_id, k.counted, k.owned_at, k.dataset_id,
       CASE WHEN k.fee_basis_points = %(fee)s THEN k.marker END
  FROM compensation_stagekind k
 WHERE k.batch = %(batch)s AND k.asset_id IS NOT NULL
   AND (k.weight_version_id IS NULL OR k.fee_basis_points <> %(fee)s OR k.marker <> ''
        OR k.dataset_id IN ({TOUCHED}))
 ORDER BY k.version_id, k.asset_id, k.counted, k.owned_at
"""  # noqa: S608  (constants only: everything from outside is a parameter)
# Each is closed that is in force still; the next is opened with its owner's and the fee's weight.
_OPEN_PLAIN = """
WITH wanted AS (
  SELECT * FROM unnest(%(versions)s::uuid[], %(counted)s::text[], %(numbers)s::integer[])
    AS u(version_id, counted, number)
), made AS (
  INSERT INTO compensation_weightversion (version_id, asset_id, counted, number,
    fee_basis_points, marker, weight_sum, total_units, opened_at)
  SELECT version_id, %(asset)s, counted, number, %(fee)s, '', %(own)s + %(platform)s, 0, %(at)s
    FROM wanted
  RETURNING id, version_id
)
INSERT INTO compensation_weight (weight_version_id, account_id, weight)
SELECT m.id, a.id, %(own)s FROM made m
  JOIN provenance_datasetversion v ON v.id = m.version_id
  JOIN provenance_dataset d ON d.id = v.dataset_id
  JOIN compensation_account a ON a.kind = 'owner_pending' AND a.asset_id = %(asset)s
   AND a.party_id = d.owner_id AND a.conflict_id IS NULL
 WHERE %(own)s > 0
 UNION ALL
SELECT m.id, %(fee_account)s, %(platform)s FROM made m WHERE %(platform)s > 0
"""
_PENDING_ACCOUNTS = """
INSERT INTO compensation_account (kind, asset_id, party_id)
SELECT DISTINCT 'owner_pending', %(asset)s, d.owner_id
  FROM provenance_datasetversion v JOIN provenance_dataset d ON d.id = v.dataset_id
 WHERE v.id = ANY(%(versions)s)
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class Revenue:
    """Revenue that is divided alike: a dataset version's, in one asset, by one count.

    Of what was used since `owned_at`, when the dataset, or one that has a part, last passed on.
    """

    version: DatasetVersion
    asset: Asset
    counted: str
    owned_at: datetime = FIRST

    @property
    def key(self) -> tuple[UUID, int, str, datetime]:
        """What no two weight versions in force share."""
        return (self.version.pk, self.asset.pk, self.counted, self.owned_at)


@dataclass(frozen=True)
class _Renewal:
    """A weight version to open, and the one in force that it replaces."""

    revenue: Revenue
    current: WeightVersion | None
    marker: str
    number: int

    @property
    def is_plain(self) -> bool:
        """Whether only the dataset's owner has, and had, a part."""
        return not self.marker and (self.current is None or not self.current.marker)


@transaction.atomic
def ensure(revenues: Iterable[Revenue], *, at: datetime) -> int:
    """See to it that each revenue has a weight version that knows all; how many were opened.

    Locks the journal: what follows in this transaction is divided by these weights.
    """
    wanted = list(dict.fromkeys(revenues))
    journal.lock()
    grounds = Grounds({one.version.dataset_id for one in wanted})
    markers = grounds.markers(at)
    fee = PlatformFee.at(at)
    in_force, numbers = _in_force(wanted), _numbers(wanted)
    renewals = []
    for one in wanted:
        current = in_force.get(one.key)
        marker = markers[one.version.dataset_id]
        if current is None or (current.marker, current.fee_basis_points) != (marker, fee):
            numbers[one.key[:3]] += 1
            renewals.append(_Renewal(one, current, marker, numbers[one.key[:3]]))
    _close([each.current for each in renewals if each.current], at)
    _open_plain([each for each in renewals if each.is_plain], fee, at)
    for renewal in renewals:
        if not renewal.is_plain:
            _open(renewal, grounds, fee, at)
    return len(renewals)


def ready(batch: UUID, *, at: datetime) -> None:
    """Sort a staged batch by what is priced and divided alike, by weights that know all.

    Locks the journal: what follows in this transaction is priced and divided so.
    """
    if wanting := stale(batch, at=at):
        ensure(wanting, at=at)
        _sort(batch)


def stale(batch: UUID, *, at: datetime) -> list[Revenue]:
    """Sort a staged batch; what of it lacks a weight version that knows all, for `ensure`."""
    _sort(batch)
    with connection.cursor() as cursor:
        cursor.execute(_SUSPECTS, {"batch": batch, "fee": PlatformFee.at(at)})
        suspects = cursor.fetchall()
    if not suspects:
        return []
    markers = Grounds({row[4] for row in suspects}).markers(at)
    wanting = [tuple(key) for *key, dataset, marker in suspects if marker != markers[dataset]]
    versions = DatasetVersion.objects.select_related("dataset__owner").in_bulk(
        {version for version, *_ in wanting}
    )
    assets = Asset.objects.in_bulk({asset for _, asset, *_ in wanting})
    return [
        Revenue(versions[version], assets[asset], counted, owned_at)
        for version, asset, counted, owned_at in wanting
    ]


def apply_resolutions(*, at: datetime, limit: int = 200) -> int:
    """Divide anew whatever has changed since it was divided; how many were changed."""
    with connection.cursor() as cursor:
        cursor.execute(TOUCHED)
        datasets = {row[0] for row in cursor.fetchall()}
    markers = Grounds(datasets).markers(at)
    rows = WeightVersion.objects.filter(closed_at=None, version__dataset__in=datasets)
    overtaken = [
        Revenue(row.version, row.asset, row.counted, row.owned_at)
        for row in rows.select_related("version__dataset__owner", "asset").order_by("pk")
        if row.marker != markers[row.version.dataset_id]
    ]
    for one in overtaken[:limit]:
        ensure([one], at=at)
    return len(overtaken[:limit])


def _sort(batch: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT compensation_bill_kinds(%s)", [batch])


def _in_force(wanted: list[Revenue]) -> dict[tuple[UUID, int, str, datetime], WeightVersion]:
    rows = WeightVersion.objects.filter(
        closed_at=None, version__in={one.version.pk for one in wanted}
    )
    return {(row.version_id, row.asset_id, row.counted, row.owned_at): row for row in rows}


def _numbers(wanted: list[Revenue]) -> dict[tuple[UUID, int, str], int]:
    """The last number of each version, asset and count, whoever owned it when."""
    rows = WeightVersion.objects.filter(version__in={one.version.pk for one in wanted})
    last = rows.values_list("version", "asset", "counted").annotate(last=Max("number"))
    return defaultdict(int, {(version, asset, by): n for version, asset, by, n in last.order_by()})


def _close(rows: Sequence[WeightVersion], at: datetime) -> None:
    WeightVersion.objects.filter(pk__in=[row.pk for row in rows]).update(closed_at=at)


def _open_plain(renewals: Sequence[_Renewal], fee: int, at: datetime) -> None:
    """Open, in sets, the weight versions of which all is the owner's and the platform's."""
    divisor = gcd(WHOLE_BASIS_POINTS - fee, fee)
    by_asset: dict[Asset, list[_Renewal]] = defaultdict(list)
    for one in renewals:
        by_asset[one.revenue.asset].append(one)
    for asset, found in by_asset.items():
        fee_account = journal.account(Account.Kind.PLATFORM_FEE, asset) if fee else None
        named: dict[str, Any] = {
            "asset": asset.pk,
            "versions": [one.revenue.version.pk for one in found],
            "counted": [one.revenue.counted for one in found],
            "numbers": [one.number for one in found],
            "fee": fee,
            "own": (WHOLE_BASIS_POINTS - fee) // divisor,
            "platform": fee // divisor,
            "fee_account": fee_account.pk if fee_account else None,
            "at": at,
        }
        with connection.cursor() as cursor:
            cursor.execute(_PENDING_ACCOUNTS, named)
            cursor.execute(_OPEN_PLAIN, named)


def _open(renewal: _Renewal, grounds: Grounds, fee: int, at: datetime) -> None:
    """Open a weight version in which others have a part, and restate what is closed."""
    revenue = renewal.revenue
    made = WeightVersion(
        version=revenue.version,
        asset=revenue.asset,
        counted=revenue.counted,
        number=renewal.number,
        owned_at=revenue.owned_at,
        fee_basis_points=fee,
        marker=renewal.marker,
        opened_at=at,
    )
    division = portions.begin(made, grounds)
    shares = division.weights(fee)
    made.weight_sum = sum(shares.values())
    made.save()
    accounts = accounts_of(revenue.asset, shares)
    Weight.objects.bulk_create(
        Weight(weight_version=made, account=accounts[payee], weight=weight)
        for payee, weight in shares.items()
    )
    portions.save(made, 0, division, portions=True)
    closed = WeightVersion.objects.filter(
        version=revenue.version,
        asset=revenue.asset,
        counted=revenue.counted,
        closed_at__isnull=False,
        total_units__gt=0,
    )
    for one in closed.select_related("version__dataset__owner", "asset").order_by("number"):
        restate(one, grounds, at)
