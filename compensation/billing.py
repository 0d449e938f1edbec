"""Billing: pulls the usages that have grown past their charges, and charges them batch by batch.

Nothing tells billing what to do: it asks. A run is charged at its end, when it lapses, and daily
while it lasts. One batch is one transaction: stage, weights, one database function, ledger. Killed
at any point it leaves nothing; repeated it charges nothing twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import connection, transaction

from compensation import commitments, cuts, journal, periods, weights
from compensation.models import Account, Asset, Entry, JournalHead
from provenance import ledger
from provenance.models import Event, Party
from provenance.models.ids import new_id

log = structlog.get_logger(__name__)

BATCH_LIMIT = 20_000
CHARGED = "usage.charged"
WEIGHED = "weights.committed"
# An entry is the subject of its event, under its number.
ENTRY = "entry"
# A run that lasts is charged this often.
CHARGE_EVERY = timedelta(days=1)
# What waits for something other than money is tried again this often.
TRY_AGAIN_AFTER = timedelta(minutes=10)
# Looking only at what was reported lately keeps a pass cheap; a full pass now and then misses
# nothing whatever the clocks said.
LOOK_BACK = timedelta(days=3)

# Counting tokens by the sealed count is plans.tokens_used, in SQL.
_STAGE = """
INSERT INTO compensation_stage (batch, usage_id, revision, kind, lab_id, version_id, grant_id,
                                rate_id, record_count, token_count, epoch_count, fetch_count,
                                used_at, run_id)
SELECT %(batch)s, due.id, due.revision,
       CASE WHEN due.version_id IS NULL THEN 'unknown'
            WHEN due.grant_id IS NULL AND due.is_ungranted THEN 'ungranted'
            WHEN due.rate_id IS NULL THEN 'free' ELSE 'priced' END,
       due.lab_id, due.version_id, due.grant_id,
       CASE WHEN due.version_id IS NULL THEN NULL ELSE due.rate_id END,
       due.record_count,
       CASE WHEN due.record_count > 0 AND v.record_count > 0
            THEN div(v.token_count::numeric * due.record_count, v.record_count)::bigint
            ELSE due.token_count END,
       due.epoch_count, due.fetch_count, due.used_at,
       CASE WHEN due.cap_units IS NOT NULL THEN due.run_id END
  FROM (
    SELECT u.*, r.lab_id, r.cap_units
      FROM provenance_usage u
      JOIN provenance_run r ON r.id = u.run_id
      LEFT JOIN LATERAL (SELECT c.revision, c.charged_at FROM compensation_charge c
        WHERE c.usage_id = u.id ORDER BY c.revision DESC LIMIT 1) l ON true
      LEFT JOIN compensation_waiting w ON w.usage_id = u.id AND w.revision >= u.revision
      LEFT JOIN compensation_balance b ON b.account_id = w.account_id
     WHERE (l.revision IS NULL OR l.revision < u.revision)
       -- What was used before its dataset passed on is charged first, by itself (cuts).
       AND NOT EXISTS (SELECT FROM provenance_usagecut k
         WHERE k.usage_id = u.id AND k.revision > coalesce(l.revision, 0))
       -- A little longer: a grant that is given in the last moment may be on its way.
       AND (u.awaits_grant_until IS NULL OR u.awaits_grant_until <= %(again)s)
       AND (r.state <> 'running' OR coalesce(l.charged_at, r.started_at) <= %(daily)s)
       AND (w.usage_id IS NULL OR w.tried_at <= %(again)s
            OR (w.reason = 'no_funds'
                AND (b.floor IS NULL OR b.posted::numeric - b.held - b.floor >= w.needed_units))
            OR (w.reason = 'over_cap'
                AND (r.cap_units IS NULL OR r.cap_units >= w.needed_units)))
       AND (%(since)s::timestamptz IS NULL OR u.reported_at >= %(since)s OR w.usage_id IS NOT NULL)
     ORDER BY u.reported_at, u.id
     LIMIT %(limit)s
       FOR NO KEY UPDATE OF u SKIP LOCKED
  ) due
  LEFT JOIN provenance_datasetversion v ON v.id = due.version_id
 ORDER BY due.reported_at, due.id
"""


@transaction.atomic
def bill_batch(limit: int = BATCH_LIMIT, *, at: datetime, since: datetime | None = None) -> int:
    """Charge up to `limit` usages that are due; how many were taken up, whether charged or waiting.

    `since` looks only at usages reported then or later, and at those that wait. Two workers at
    once never take the same usage.
    """
    batch = new_id()
    if count := cuts.stage(batch, limit, again=at - TRY_AGAIN_AFTER):
        bill_stage(batch, at=at)
        return count
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


def bill_stage(batch: UUID, *, at: datetime) -> list[Entry]:
    """Charge what stands in the stage under `batch`, inside the caller's transaction.

    One entry for each asset. What a lab cannot pay waits.
    """
    # Before any account is made: whoever waits for our turn must not hold what we need.
    journal.lock()
    cuts.say_whose(batch)
    weights.ready(batch, at=at)
    _open_accounts(batch)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT compensation_bill(%s, %s, %s, %s)",
            [batch, at, weights.matures_at(at), periods.open_period(at)],
        )
        numbers = [number for (number,) in cursor.fetchall()]
    entries = list(Entry.objects.filter(pk__in=numbers).select_related("asset").order_by("pk"))
    for entry in entries:
        _record(entry, at)
    return entries


def _open_accounts(batch: UUID) -> None:
    """Make the accounts that a batch is the first to need."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM compensation_bill_missing(%s)", [batch])
        missing = cursor.fetchall()
    labs = Party.objects.in_bulk({party for _, party, _ in missing if party})
    assets = Asset.objects.in_bulk({asset for _, _, asset in missing})
    for kind, party, asset in missing:
        journal.account(Account.Kind(kind), assets[asset], party=labs.get(party))


def _record(entry: Entry, at: datetime) -> None:
    """Write an entry's charges into the ledger, as their digest."""
    ledger.record(
        CHARGED,
        at=at,
        subject_kind=ENTRY,
        subject_id=UUID(int=entry.pk),
        body={
            "entry": entry.pk,
            "entry_hash": bytes(entry.hash),
            "asset": entry.asset.code,
            "charges": entry.charge_count,
            "digest": bytes(entry.charges_digest),
        },
    )


def event_of(entry: Entry) -> Event | None:
    """The ledger's event that carries the digest of an entry's charges; None where it has none."""
    if not entry.charge_count:
        return None
    events = Event.objects.filter(subject_kind=ENTRY, subject_id=UUID(int=entry.pk), kind=CHARGED)
    return events.first()


def summarize() -> int:
    """Let new charges be found by their ranges, which are read whole before; how many ranges.

    Outside of any billing. PostgreSQL's autovacuum does the same, when it gets to it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT compensation_summarize()")
        return int(cursor.fetchone()[0])


def seal_journal(*, at: datetime) -> int:
    """Tell the ledger how far the journal has come, so that its hash is anchored; 0 if it knows.

    One event covers every entry up to the number it names, and commits to the lines of those that
    no earlier one covers; others hold by which weights what they charge was divided.
    """
    number, known = JournalHead.objects.get().number, _sealed_number()
    # Where another sealer overtook us between the two questions, it has told more than we know.
    if number <= known:
        return 0
    charged = Entry.objects.filter(pk__gt=known, pk__lte=number, charge_count__gt=0)
    # Before the lock: an entry never changes, and a tree of many weights takes its time.
    roots = [(entry, commitments.root_of(entry)) for entry in charged.order_by("pk")]
    entries = commitments.entries_root(known + 1, number)
    with transaction.atomic():
        journal.lock()
        if _sealed_number() != known:
            return 0
        for entry, root in roots:
            _record_weights(entry, root, at)
        ledger.record(
            commitments.SEALED,
            at=at,
            subject_kind="journal",
            body={
                "number": number,
                "hash": bytes(Entry.objects.get(pk=number).hash),
                "entries": entries,
            },
        )
    return number


def weights_event_of(entry: Entry) -> Event | None:
    """The ledger's event that commits to an entry's weights; None before it was sealed."""
    events = Event.objects.filter(subject_kind=ENTRY, subject_id=UUID(int=entry.pk), kind=WEIGHED)
    return events.first()


def _sealed_number() -> int:
    """How far the ledger knows the journal."""
    last = Event.objects.filter(kind=commitments.SEALED).order_by("body__number").last()
    return int(last.body["number"]) if last else 0


def _record_weights(entry: Entry, root: bytes, at: datetime) -> None:
    ledger.record(
        WEIGHED,
        at=at,
        subject_kind=ENTRY,
        subject_id=UUID(int=entry.pk),
        body={"entry": entry.pk, "entry_hash": bytes(entry.hash), "weights": root},
    )
