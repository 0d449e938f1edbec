"""Billing: pulls the usages that have grown past their charges, and charges them batch by batch.

Nothing tells billing what to do: it asks. A run is charged at its end, when it lapses, and daily
while it lasts. One batch is one transaction: stage, weights, one database function, ledger. Killed
at any point it leaves nothing; repeated it charges nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog
from django.db import connection, transaction

from compensation import journal, pricing, weights
from compensation.models import (
    Account,
    Asset,
    ChargeGroup,
    Entry,
    JournalHead,
    Stage,
    WeightVersion,
)
from provenance import ledger
from provenance.models import DatasetVersion, Event, Party

log = structlog.get_logger(__name__)

BATCH_LIMIT = 20_000
# A run that lasts is charged this often.
CHARGE_EVERY = timedelta(days=1)
# What waits for something other than money is tried again this often.
TRY_AGAIN_AFTER = timedelta(minutes=10)
# Looking only at what was reported lately keeps a pass cheap; a full pass now and then misses
# nothing whatever the clocks said.
LOOK_BACK = timedelta(days=3)

# Counting tokens by the sealed count is pricing.tokens_used, in SQL.
_STAGE = """
INSERT INTO compensation_stage (batch, usage_id, revision, kind, lab_id, version_id, grant_id,
                                rate_id, record_count, token_count, used_at)
SELECT %(batch)s, due.id, due.revision,
       CASE WHEN due.version_id IS NULL THEN 'unknown'
            WHEN due.grant_id IS NULL AND due.is_ungranted THEN 'ungranted'
            WHEN g.rate_id IS NULL THEN 'free' ELSE 'priced' END,
       due.lab_id, due.version_id, due.grant_id,
       CASE WHEN due.version_id IS NULL THEN NULL ELSE g.rate_id END, due.record_count,
       CASE WHEN due.record_count > 0 AND v.record_count > 0
            THEN div(v.token_count::numeric * due.record_count, v.record_count)::bigint
            ELSE due.token_count END,
       due.used_at
  FROM (
    SELECT u.*, r.lab_id
      FROM provenance_usage u
      JOIN provenance_run r ON r.id = u.run_id
      LEFT JOIN LATERAL (SELECT c.revision, c.charged_at FROM compensation_charge c
        WHERE c.usage_id = u.id ORDER BY c.revision DESC LIMIT 1) l ON true
      LEFT JOIN compensation_waiting w ON w.usage_id = u.id AND w.revision >= u.revision
      LEFT JOIN compensation_balance b ON b.account_id = w.account_id
     WHERE (l.revision IS NULL OR l.revision < u.revision)
       AND (r.state <> 'running' OR coalesce(l.charged_at, r.started_at) <= %(daily)s)
       AND (w.usage_id IS NULL OR w.tried_at <= %(again)s
            OR (w.reason = 'no_funds'
                AND (b.floor IS NULL OR b.posted - b.held - b.floor >= w.needed_units)))
       AND (%(since)s::timestamptz IS NULL OR u.reported_at >= %(since)s OR w.usage_id IS NOT NULL)
     ORDER BY u.reported_at, u.id
     LIMIT %(limit)s
       FOR NO KEY UPDATE OF u SKIP LOCKED
  ) due
  LEFT JOIN provenance_grant g ON g.id = due.grant_id
  LEFT JOIN provenance_datasetversion v ON v.id = due.version_id
 ORDER BY due.reported_at, due.id
"""


@dataclass(frozen=True)
class Group:
    """What one lab was charged under one weight version in one entry."""

    entry_id: int
    account_id: int
    weight_version_id: int
    charge_count: int
    amount_units: int
    digest: bytes  # 32 bytes


@transaction.atomic
def bill_batch(limit: int = BATCH_LIMIT, *, at: datetime, since: datetime | None = None) -> int:
    """Charge up to `limit` usages that are due; how many were taken up, whether charged or waiting.

    `since` looks only at usages reported then or later, and at those that wait. Two workers at
    once never take the same usage.
    """
    batch = uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            _STAGE,
            {
                "batch": batch,
                "daily": at - CHARGE_EVERY,
                "again": at - TRY_AGAIN_AFTER,
                "since": since,
                "limit": limit,
            },
        )
        count = int(cursor.rowcount)
    if count:
        bill_stage(batch, at=at)
    return count


def bill_stage(batch: UUID, *, at: datetime) -> list[Group]:
    """Charge what stands in the stage under `batch`, inside the caller's transaction."""
    _prepare(batch, at)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM compensation_bill(%s, %s, %s)", [batch, at, weights.matures_at(at)]
        )
        groups = [Group(*row) for row in cursor.fetchall()]
    _record(groups, at)
    return groups


def _prepare(batch: UUID, at: datetime) -> None:
    """Make the accounts and weight versions that the billing function will look for."""
    # Before any account is made: whoever waits for our turn must not hold what we need.
    journal.lock()
    staged = Stage.objects.filter(batch=batch, rate__isnull=False)
    found = staged.values_list("lab", "version", "rate__asset", "rate__basis").distinct()
    rows = list(found)
    assets = {one.code: one for one in Asset.objects.filter(code__in={row[2] for row in rows})}
    rows = [row for row in rows if row[2] in assets]
    labs = Party.objects.in_bulk({row[0] for row in rows})
    versions = {
        one.pk: one
        for one in DatasetVersion.objects.filter(pk__in={row[1] for row in rows}).select_related(
            "dataset__owner"
        )
    }
    for asset in assets.values():
        journal.account(Account.Kind.ROUNDING, asset)
    for lab, code in sorted({(row[0], row[2]) for row in rows}):
        journal.account(Account.Kind.LAB, assets[code], party=labs[lab])
    weights.ensure(
        (
            weights.Revenue(versions[version], assets[code], pricing.counted(basis))
            for _, version, code, basis in sorted(rows, key=str)
        ),
        at=at,
    )


def _record(groups: list[Group], at: datetime) -> None:
    """Write each group into the ledger, with the hash of its entry."""
    entries = Entry.objects.select_related("asset").in_bulk({one.entry_id for one in groups})
    accounts = Account.objects.select_related("party").in_bulk({one.account_id for one in groups})
    versions = WeightVersion.objects.select_related("version__dataset__owner").in_bulk(
        {one.weight_version_id for one in groups}
    )
    made = []
    for group in groups:
        weight_version = versions[group.weight_version_id]
        event = _event(group, entries[group.entry_id], accounts, weight_version, at)
        made.append(
            ChargeGroup(
                entry_id=group.entry_id,
                account_id=group.account_id,
                weight_version=weight_version,
                charge_count=group.charge_count,
                amount_units=group.amount_units,
                digest=group.digest,
                event=event,
            )
        )
    ChargeGroup.objects.bulk_create(made)


def _event(
    group: Group,
    entry: Entry,
    accounts: dict[int, Account],
    weight_version: WeightVersion,
    at: datetime,
) -> Event:
    body = {
        "entry": entry.pk,
        "entry_hash": bytes(entry.hash),
        "asset": entry.asset.code,
        "account": group.account_id,
        "weight_version": group.weight_version_id,
        "charges": group.charge_count,
        "amount_units": str(group.amount_units),
        "digest": group.digest,
    }
    if group.charge_count == 1:
        charge = entry.charges.get(account=group.account_id, weight_version=group.weight_version_id)
        body |= {"usage": charge.usage_id, "revision": charge.revision}
    return ledger.record(
        "usage.charged",
        at=at,
        subject_kind="version",
        subject_id=weight_version.version_id,
        party=accounts[group.account_id].party,
        other_party=weight_version.version.dataset.owner,
        body=body,
    )


@transaction.atomic
def seal_journal(*, at: datetime) -> int:
    """Tell the ledger how far the journal has come, so that its hash is anchored; 0 if it knows.

    One event covers every entry up to the number it names.
    """
    journal.lock()
    head = JournalHead.objects.get()
    last = Event.objects.filter(kind="journal.sealed").order_by("id").last()
    if not head.number or (last is not None and last.body["number"] == head.number):
        return 0
    ledger.record(
        "journal.sealed",
        at=at,
        subject_kind="journal",
        body={"number": head.number, "hash": bytes(head.hash)},
    )
    return head.number
