"""What the database holds, against the model and against itself; each fault in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection, connections, transaction

from compensation import audit
from tests.faults.money.model import Model

# Each finds facts of which only a part was committed, or that came too early.
HALVES = {
    "charges in no group": """
        SELECT DISTINCT c.entry_id FROM compensation_charge c
          LEFT JOIN compensation_chargegroup g
            ON g.entry_id = c.entry_id AND g.weight_version_id = c.weight_version_id
         WHERE c.entry_id IS NOT NULL AND g.entry_id IS NULL""",
    "a charge without its entry": """
        SELECT c.usage_id FROM compensation_charge c
          LEFT JOIN compensation_entry e ON e.id = c.entry_id
         WHERE c.amount_units <> 0 AND e.id IS NULL""",
    "charges that the ledger does not know": """
        SELECT DISTINCT c.entry_id FROM compensation_charge c
         WHERE c.entry_id IS NOT NULL AND NOT EXISTS (
           SELECT FROM provenance_event v WHERE v.kind = 'usage.charged'
              AND (v.body->>'entry')::bigint = c.entry_id)""",
    "a deposit's entry without its deposit": """
        SELECT e.id FROM compensation_entry e LEFT JOIN compensation_deposit d ON d.entry_id = e.id
         WHERE e.kind = 'deposit' AND d.id IS NULL""",
    "a deposit that the ledger does not know": """
        SELECT d.id FROM compensation_deposit d WHERE NOT EXISTS (
          SELECT FROM provenance_event v WHERE v.kind = 'deposit.received'
             AND (v.body->>'entry')::bigint = d.entry_id)""",
    "a restatement's entry without its restatement": """
        SELECT e.id FROM compensation_entry e
          LEFT JOIN compensation_restatement r ON r.entry_id = e.id
         WHERE e.kind = 'restatement' AND r.id IS NULL""",
    "a restatement that the ledger does not know": """
        SELECT r.id FROM compensation_restatement r
         WHERE r.entry_id IS NOT NULL AND NOT EXISTS (
           SELECT FROM provenance_event v WHERE v.kind = 'revenue.restated'
              AND (v.body->>'entry')::bigint = r.entry_id)""",
    "a restatement without its cells": """
        SELECT r.id FROM compensation_restatement r WHERE NOT EXISTS (
          SELECT FROM compensation_cell c WHERE c.weight_version_id = r.weight_version_id
             AND c.restatement = r.number)""",
    "a closed weight version without the next": """
        SELECT v.id FROM compensation_weightversion v
         WHERE v.closed_at IS NOT NULL AND NOT EXISTS (
           SELECT FROM compensation_weightversion n WHERE n.version_id = v.version_id
              AND n.asset_id = v.asset_id AND n.counted = v.counted AND n.number = v.number + 1)""",
    "a payout's entry without its tree": """
        SELECT e.id FROM compensation_entry e
          LEFT JOIN compensation_payoutepoch p ON p.entry_id = e.id
         WHERE e.kind = 'payout' AND p.id IS NULL""",
    "a tree without its leaves": """
        SELECT p.id FROM compensation_payoutepoch p
         WHERE p.total <> (SELECT coalesce(sum(f.cumulative), 0) FROM compensation_payoutleaf f
                            WHERE f.epoch_id = p.id)""",
    "a tree that nothing carries to the chain": """
        SELECT p.id FROM compensation_payoutepoch p
         WHERE NOT EXISTS (SELECT FROM compensation_payoutepoch_outbox o
                            WHERE o.payoutepoch_id = p.id)""",
    "a settlement's entry without its payout": """
        SELECT e.id FROM compensation_entry e LEFT JOIN compensation_payout p ON p.entry_id = e.id
         WHERE e.kind = 'settlement' AND p.id IS NULL""",
    "a maturity's entry whose credits did not mature": """
        SELECT e.id FROM compensation_entry e
          CROSS JOIN LATERAL jsonb_array_elements_text(e.facts_text::jsonb->'entries') AS n(number)
          JOIN compensation_maturity m ON m.entry_id = n.number::bigint
         WHERE e.kind = 'maturity' AND m.matured_at IS NULL""",
    "credits that matured before their time": """
        SELECT m.entry_id FROM compensation_maturity m WHERE m.matured_at < m.matures_at""",
    "usages left in the stage": "SELECT DISTINCT s.batch FROM compensation_stage s",
    "kinds left in the stage": "SELECT DISTINCT k.batch FROM compensation_stagekind k",
}

# What even the owner of the tables is refused.
FORBIDDEN = {
    "an unbalanced entry": """
        SELECT compensation_post('adjustment', asset_id, ARRAY[id], ARRAY[5::bigint], now(), now(),
                                 'unbalanced', '{}', NULL, NULL)
          FROM compensation_account ORDER BY id LIMIT 1""",
    "a line in a sealed entry": """
        INSERT INTO compensation_line (entry_id, account_id, amount_units)
        SELECT e.id, a.id, 5 FROM compensation_entry e
          JOIN compensation_account a ON a.asset_id = e.asset_id
         WHERE NOT EXISTS (SELECT FROM compensation_line l
                            WHERE l.entry_id = e.id AND l.account_id = a.id) LIMIT 1""",
    "a changed line": "UPDATE compensation_line SET amount_units = amount_units + 1",
    "a deleted charge": "DELETE FROM compensation_charge",
    "a journal made empty": "TRUNCATE compensation_line",
    "a balance by hand": "UPDATE compensation_balance SET posted = posted + 1",
}

_EARNED = """
SELECT asset_id::text, party_id::text, sum(units) FROM (
  SELECT a.asset_id, a.party_id, b.posted AS units
    FROM compensation_account a JOIN compensation_balance b ON b.account_id = a.id
   WHERE a.party_id IS NOT NULL AND a.kind <> 'lab'
   UNION ALL
  SELECT p.asset_id, p.party_id, p.amount_units FROM compensation_payout p
) AS wealth GROUP BY 1, 2
"""


def torn() -> Iterator[str]:
    """Facts of which only a part is there: looked for after every kill."""
    for what, query in HALVES.items():
        rows = _rows(query)
        if rows:
            yield f"{what}: {', '.join(str(row[0]) for row in rows[:3])} ({len(rows)})"


def charged(model: Model) -> Iterator[str]:
    """Each usage is charged once for each revision it was charged at, and to the unit."""
    rows = _rows("""
        SELECT u.run_id::text, u.subject, c.revision, c.kind, c.amount_units, c.total_units
          FROM compensation_charge c JOIN provenance_usage u ON u.id = c.usage_id
         ORDER BY u.run_id, u.subject, c.revision, c.charged_at""")
    before: dict[tuple[str, str], tuple[int, int]] = {}
    for run, subject, revision, kind, amount, total in rows:
        used = model.used.get((run, subject))
        if used is None or revision > len(used.revisions):
            yield f"run {run} is charged for {subject}, revision {revision}, that nobody reported"
            continue
        last, paid = before.get((run, subject), (0, 0))
        # A charge never falls: tokens that a lab counted itself, before it counted records.
        due = max(used.total(revision), paid)
        if revision <= last:
            yield f"run {run} is charged twice for revision {revision} of {subject}"
        if total != due or amount != due - paid:
            yield (
                f"run {run} pays {amount} for revision {revision} of {subject} ({kind}),"
                f" {total} in all; its reports cost {due}, and {paid} was charged before"
            )
        if amount and not used.terms.basis:
            yield f"run {run} pays {amount} for {subject}, which costs nothing"
        before[run, subject] = (revision, total)


def uncharged(model: Model) -> Iterator[str]:
    """Usages that were reported and, with all work done, not charged in full.

    What nobody licensed waits for a grant first, and is not charged meanwhile.
    """
    rows = _rows("""
        SELECT u.run_id::text, u.subject, max(c.revision), bool_or(u.awaits_grant_until IS NOT NULL)
          FROM provenance_usage u LEFT JOIN compensation_charge c ON c.usage_id = u.id
         GROUP BY 1, 2""")
    found = {(run, subject): (revision or 0, waits) for run, subject, revision, waits in rows}
    for (run, subject), used in model.used.items():
        revision, waits = found.get((run, subject), (None, False))
        if waits and not used.terms.basis and not revision:
            continue
        if revision != len(used.revisions):
            yield (
                f"run {run} reported {subject} up to revision {len(used.revisions)},"
                f" and was charged up to {'nothing' if revision is None else revision}"
            )


def paid_in(model: Model) -> Iterator[str]:
    """What labs have is what they paid in, once each, less what was taken back and charged."""
    rows = _rows("""
        SELECT d.reference, d.lab_id::text, d.asset_id::text, d.amount_units
          FROM compensation_deposit d""")
    for reference, *found in rows:
        if model.deposits.get(reference) != tuple(found):
            yield f"deposit {reference} is {found}, and was {model.deposits.get(reference)}"
    there = {row[0] for row in rows}
    yield from (f"deposit {one} is lost" for one in sorted(model.arrived - there))
    if len(rows) != len(there):
        yield "a deposit is there twice"
    due: dict[tuple[str, str], int] = defaultdict(int)
    for reference, lab, asset, units in rows:
        due[lab, asset] += units if reference not in model.taken_back else 0
    for lab, asset, units in _rows("""
            SELECT r.lab_id::text, a.asset_id::text, sum(c.amount_units)
              FROM compensation_charge c
              JOIN compensation_account a ON a.id = c.account_id
              JOIN provenance_usage u ON u.id = c.usage_id
              JOIN provenance_run r ON r.id = u.run_id
             GROUP BY 1, 2"""):
        due[lab, asset] -= int(units)
    for lab, asset, posted in _rows("""
            SELECT a.party_id::text, a.asset_id::text, b.posted
              FROM compensation_account a JOIN compensation_balance b ON b.account_id = a.id
             WHERE a.kind = 'lab'"""):
        if due.get((lab, asset), 0) != posted:
            yield f"lab {lab} has {posted} of asset {asset}, and should have {due[lab, asset]}"
        if posted < 0:
            yield f"lab {lab} owes {posted} of asset {asset} without a limit"


def earned(model: Model) -> Iterator[str]:
    """With all decided and done, every owner has the floor of its part of each total."""
    totals = _rows("""
        SELECT v.version_id::text, sum(c.amount_units)::bigint
          FROM compensation_charge c JOIN compensation_weightversion v ON v.id = c.weight_version_id
         GROUP BY v.id, v.version_id""")
    due = model.credits(totals)
    found = {(asset, party): int(units) for asset, party, units in _rows(_EARNED)}
    for key in sorted({*due, *found}):
        if due.get(key, 0) != found.get(key, 0):
            yield (
                f"owner {key[1]} has {found.get(key, 0)} of asset {key[0]},"
                f" and earned {due.get(key, 0)}"
            )


def broken_chain() -> Iterator[str]:
    """The journal's hash chain, recomputed, with all that it commits to."""
    yield from audit.chain_breaks(audit.documents())
    head = audit.head_break()
    if head:
        yield head


def unpaid() -> Iterator[str]:
    """Payouts that have begun and, with all work done, did not arrive."""
    for what, query in {
        "is in flight for": """
            SELECT a.party_id, b.posted FROM compensation_account a
              JOIN compensation_balance b ON b.account_id = a.id
             WHERE a.kind = 'payouts_in_flight' AND b.posted <> 0""",
        "is unfinished, and needs": """
            SELECT p.number, p.state FROM compensation_payoutepoch p WHERE p.state <> 'active'""",
        "was sent to the chain, and is": """
            SELECT o.purpose, o.state FROM provenance_outboxtransaction o
             WHERE o.state <> 'final'""",
    }.items():
        yield from (f"{one} {what} {other}" for one, other in _rows(query))


def allowed() -> Iterator[str]:
    """What must be refused to everybody and is not."""
    for what, statement in FORBIDDEN.items():
        try:
            with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
                cursor.execute(statement)
                is_taken = cursor.rowcount > 0
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                transaction.set_rollback(True, using="owner")
        except DatabaseError:
            continue
        if is_taken:
            yield f"the database takes {what}"


def progress() -> list[tuple]:
    """How many facts there are of each kind; when all work is done, they grow no more."""
    return _rows("""
        SELECT (SELECT number FROM compensation_journalhead), (SELECT count(*) FROM
          provenance_usagereport), (SELECT count(*) FROM compensation_charge), (SELECT
          count(*) FROM compensation_maturity WHERE matured_at IS NULL), (SELECT count(*)
          FROM compensation_payout), (SELECT string_agg(state, ',' ORDER BY id)
          FROM provenance_outboxtransaction)""")


@contextmanager
def snapshot() -> Iterator[None]:
    """Within, all that is read is of one moment."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def _rows(query: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())
