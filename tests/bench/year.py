"""A made-up year of use, put into the database set by set and billed day by day.

The shipped billing function charges it; nothing else writes money. Most prices are linear, some
follow plans; a few uses grow later, so that there are corrections. In June one lab uses one owner's
data a hundred thousand times.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

DAY = timedelta(days=1)
FIRST = datetime(2025, 1, 1, 12, tzinfo=UTC)
DAYS = 365
BUSY_MONTH = "2025-06"
OWNERS, DATASETS, LABS = 10, 4, 6
RUN_VERSIONS = 20
DEPOSIT_UNITS = 10**16
# Of a thousand usages, these grow a day later.
LATE = 30

# Each run uses versions that a hash of both chooses; equal arguments give equal rows. A set's name
# ends in a space, so that no two sets have a run in common.
RUNS = """
INSERT INTO provenance_run (id, lab_id, name, pseudonym, purpose, state, started_at, last_heard_at,
                            ended_at)
SELECT md5(%(set)s || n)::uuid, (%(labs)s::uuid[])[1 + n %% cardinality(%(labs)s::uuid[])], '',
       'run-' || left(md5('p' || %(set)s || n), 12), 'pretrain', 'ended', %(at)s, %(at)s, %(at)s
  FROM generate_series(0, %(runs)s - 1) AS n
"""
USAGES = """
INSERT INTO provenance_usage (id, run_id, version_id, subject, purpose, grant_id, rate_id, meter,
  record_count, token_count, epoch_count, fetch_count, revision, is_unknown, is_ungranted,
  is_of_withdrawn, is_signed, used_at, reported_at)
SELECT md5(r.id::text || v.id)::uuid, r.id, v.id, v.id::text, 'pretrain', g.id, g.rate_id, 'native',
       1 + abs(hashtext(r.id::text || v.id)) %% 5000, 0, 1 + abs(hashtext(v.id || r.id::text)) %% 3,
       0, 1, false, false, false, false, %(at)s, %(at)s
  FROM provenance_run r
 CROSS JOIN LATERAL (
    SELECT c.id::text AS key, c.id FROM unnest(%(versions)s::uuid[]) AS c(id)
     ORDER BY md5(r.id::text || c.id) LIMIT %(each)s
 ) v
  JOIN provenance_datasetversion d ON d.id = v.id
  JOIN provenance_grant g ON g.lab_id = r.lab_id AND g.dataset_id = d.dataset_id
 WHERE r.id IN (SELECT md5(%(set)s || n)::uuid FROM generate_series(0, %(runs)s - 1) AS n)
"""
GROWN = """
UPDATE provenance_usage SET revision = 2, record_count = record_count + 1 + record_count / 2,
       used_at = %(at)s, reported_at = %(at)s
 WHERE reported_at = %(before)s AND revision = 1 AND abs(hashtext(id::text)) %% 1000 < %(late)s
"""
EVENTS = """
INSERT INTO provenance_event (kind, subject_kind, subject_id, party_id, other_party_id, body,
                              occurred_at, recorded_at)
SELECT 'dataset.used', 'usage', u.id, r.lab_id, s.owner_id, jsonb_build_object('run', r.pseudonym,
         'version', u.version_id, 'purpose', u.purpose, 'revision', u.revision, 'records',
         u.record_count, 'tokens', u.token_count, 'epochs', u.epoch_count, 'fetches',
         u.fetch_count), u.used_at, u.reported_at
  FROM provenance_usage u JOIN provenance_run r ON r.id = u.run_id
  JOIN provenance_datasetversion v ON v.id = u.version_id
  JOIN provenance_dataset s ON s.id = v.dataset_id
 WHERE u.reported_at = %(at)s
"""


@dataclass
class Year:
    """Who takes part, and what they use."""

    asset: Any
    owners: list[Any] = field(default_factory=list)
    labs: list[Any] = field(default_factory=list)
    versions: list[Any] = field(default_factory=list)


def prepare() -> Year:
    """Owners with priced datasets, and labs with money and grants."""
    from compensation import deposits
    from compensation.models import PlatformFee
    from tests import factories

    PlatformFee.objects.create(basis_points=500, valid_from=FIRST - DAY)
    asset = deposits.register_asset(code="iso4217:EUR", symbol="EUR", scale=6, name="euro")
    year = Year(asset)
    for number in range(LABS):
        lab = factories.party(f"Lab {number}", is_lab=True)
        deposits.deposit(
            lab=lab, asset=asset, amount_units=DEPOSIT_UNITS, reference=f"wire {number}", at=FIRST
        )
        year.labs.append(lab)
    for number in range(OWNERS):
        owner = factories.party(f"Owner {number}", is_owner=True)
        year.owners.append(owner)
        year.versions += [_version(year, owner, place) for place in range(DATASETS)]
    return year


def _version(year: Year, owner: Any, place: int) -> Any:
    from provenance import licensing
    from tests import factories

    texts = [f"text {place} {number} with a few more words" for number in range(7 + place)]
    version = factories.version(factories.dataset(owner, f"set{place}"), texts)
    licence = licensing.offer_licence(
        dataset=version.dataset, name="Training", text="You may train.", purposes=["pretrain"],
        is_automatic=True, at=FIRST,
    )  # fmt: skip
    rate: dict[str, Any] = [
        {"basis": "per_1k_records", "price_units": 1_234_567},
        {"basis": "per_1m_tokens", "price_units": 7_654_321},
        {"basis": "per_epoch", "price_units": 4_321},
        {"basis": "per_1k_records", "plan": licensing.PlanTerms(
            tiers=[(0, 2_000_000), (100_000, 1_500_000), (1_000_000, 900_001)],
            free_quantity=10_000)},
    ][place]  # fmt: skip
    licensing.set_rate(licence=licence, asset=year.asset.code, valid_from=FIRST, at=FIRST, **rate)
    for lab in year.labs:
        licensing.request_grant(lab=lab, licence=licence, purposes=["pretrain"], at=FIRST)
    return version


def fill(year: Year, usages: int, busy: int) -> int:
    """Use and bill, day by day: about `usages` in all, `busy` of them in June; how many it was."""
    made = 0
    every = [version.pk for version in year.versions]
    own = [version.pk for version in year.versions if version.dataset.owner == year.owners[0]]
    daily = max(1, round((usages - busy) / DAYS / RUN_VERSIONS))
    for day in range(DAYS):
        at = FIRST + day * DAY
        made += _use(f"day{day} ", at, year.labs, every, daily, RUN_VERSIONS)
        if f"{at:%Y-%m}" == BUSY_MONTH and busy:
            runs = -(-busy // 30 // len(own))
            made += _use(f"busy{day} ", at, year.labs[:1], own, runs, len(own))
        _report(at)
        _bill(at + DAY / 4)
    return made


def _use(
    name: str, at: datetime, labs: list[Any], versions: list[Any], runs: int, each: int
) -> int:
    from django.db import connection

    given = {"set": name, "at": at, "labs": [lab.pk for lab in labs], "versions": versions,
             "runs": runs, "each": each}  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(RUNS, given)
        cursor.execute(USAGES, given)
        return int(cursor.rowcount)


def _report(at: datetime) -> None:
    """What grew since yesterday; and the ledger's events of today's reports, not yet numbered."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(GROWN, {"at": at, "before": at - DAY, "late": LATE})
        cursor.execute(EVENTS, {"at": at})


def _bill(at: datetime) -> None:
    from compensation import billing

    while billing.bill_batch(at=at, since=at - DAY):
        pass
    billing.summarize()
