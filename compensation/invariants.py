"""The sums that must hold in the journal, each found broken in words; all hold or it is our bug."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from django.db import connection

from compensation.journal_rules import JOURNAL_RULES
from compensation.models import WeightVersion
from compensation.weights import targets_of

# Each finds the rows that break one rule; `what` names the row.
RULES = {
    **JOURNAL_RULES,
    "The charges of a usage add up to its last total": """
        SELECT format('usage %s', c.usage_id) FROM compensation_charge c
         GROUP BY c.usage_id
        HAVING sum(c.amount_units) <> (array_agg(c.total_units ORDER BY c.revision DESC))[1]""",
    "A usage is charged once for each revision": """
        SELECT format('usage %s', c.usage_id) FROM compensation_charge c
         GROUP BY c.usage_id, c.revision HAVING count(*) > 1""",
    "No usage is charged beyond what was reported": """
        SELECT format('usage %s', c.usage_id) FROM compensation_charge c
          LEFT JOIN provenance_usage u ON u.id = c.usage_id
         WHERE c.kind IN ('priced', 'free', 'ungranted', 'unknown')
           AND (u.id IS NULL OR c.revision > u.revision)""",
    "A weight version's total is the sum of its charges": """
        SELECT format('weight version %s', v.id) FROM compensation_weightversion v
          LEFT JOIN (SELECT weight_version_id, sum(amount_units) AS total,
                            max(running_units) AS last
                       FROM compensation_charge WHERE weight_version_id IS NOT NULL
                      GROUP BY weight_version_id) c ON c.weight_version_id = v.id
         WHERE v.total_units <> coalesce(c.total, 0) OR v.total_units <> coalesce(c.last, 0)""",
    "A weight version's weights add up": """
        SELECT format('weight version %s', v.id) FROM compensation_weightversion v
         WHERE v.weight_sum <> (SELECT sum(weight) FROM compensation_weight w
                                 WHERE w.weight_version_id = v.id)""",
    "A group is the sum of its charges": """
        SELECT format('entry %s, weight version %s', g.entry_id, g.weight_version_id)
          FROM compensation_chargegroup g
          FULL JOIN (SELECT entry_id, weight_version_id, count(*) AS charges,
                            sum(amount_units) AS total, max(running_units) AS last
                       FROM compensation_charge WHERE entry_id IS NOT NULL
                      GROUP BY 1, 2) c
            ON c.entry_id = g.entry_id AND c.weight_version_id = g.weight_version_id
         WHERE g.charge_count IS DISTINCT FROM c.charges
            OR g.amount_units IS DISTINCT FROM c.total
            OR g.total_after_units IS DISTINCT FROM c.last""",
    "A tally is the sum of its charges": """
        SELECT format('tally %s', t.id) FROM compensation_tally t
          LEFT JOIN (SELECT tally_id, sum(amount_units) AS total, max(tally_quantity) AS last
                       FROM compensation_charge WHERE tally_id IS NOT NULL
                      GROUP BY tally_id) c ON c.tally_id = t.id
         WHERE t.charged_units <> coalesce(c.total, 0) OR t.quantity <> coalesce(c.last, 0)""",
    "What is pending is what has not matured, less what was taken from it": """
        SELECT format('account %s', a.id) FROM compensation_account a
          JOIN compensation_balance b ON b.account_id = a.id
         WHERE a.kind = 'owner_pending' AND b.posted <>
               (SELECT coalesce(sum(l.amount_units), 0) FROM compensation_line l
                  JOIN compensation_maturity m ON m.entry_id = l.entry_id
                 WHERE l.account_id = a.id AND l.amount_units > 0 AND m.matured_at IS NULL)
               - (SELECT coalesce(sum(t.remaining_units), 0) FROM compensation_take t
                   WHERE t.account_id = a.id)""",
    "What is in flight is what trees, payment runs and exports added, less what ended": """
        SELECT format('account %s', a.id) FROM compensation_account a
          JOIN compensation_balance b ON b.account_id = a.id
         WHERE a.kind = 'payouts_in_flight' AND b.posted <>
               (SELECT coalesce(sum(f.added_units), 0) FROM compensation_payoutleaf f
                  JOIN compensation_payoutepoch p ON p.id = f.epoch_id
                 WHERE f.party_id = a.party_id AND p.asset_id = a.asset_id)
               - (SELECT coalesce(sum(o.amount_units), 0) FROM compensation_payout o
                   WHERE o.party_id = a.party_id AND o.asset_id = a.asset_id)
               + (SELECT coalesce(sum(o.amount_units), 0) FROM compensation_bankpayout o
                    CROSS JOIN LATERAL (
                      SELECT coalesce(bool_or(s.kind = 'debited'), false) AS is_debited,
                             coalesce(bool_or(s.kind = 'credited'), false) AS is_credited,
                             coalesce(bool_or(s.kind IN ('rejected', 'withdrawn')), false)
                               AS is_refused
                        FROM compensation_payoutstep s WHERE s.payout_id = o.id) k
                   WHERE o.party_id = a.party_id AND o.asset_id = a.asset_id
                     AND NOT k.is_debited AND (k.is_credited OR NOT k.is_refused))
               + (SELECT coalesce(sum(o.amount_units), 0) FROM compensation_exportedpayout o
                    JOIN compensation_payoutexport e ON e.id = o.export_id
                   WHERE o.party_id = a.party_id AND e.asset_id = a.asset_id
                     AND o.state = 'sent')""",
    "An export moved what its lines add up to": """
        SELECT format('export %s', e.number) FROM compensation_payoutexport e
          LEFT JOIN compensation_exportedpayout o ON o.export_id = e.id
         GROUP BY e.id
        HAVING coalesce(sum(o.amount_units), 0) <> e.amount_units
            OR count(o.id) <> e.payout_count
            OR e.amount_units <> (SELECT coalesce(sum(l.amount_units), 0)
                                    FROM compensation_line l
                                    JOIN compensation_account a ON a.id = l.account_id
                                   WHERE l.entry_id = e.entry_id
                                     AND a.kind = 'payouts_in_flight')""",
    "What is to be recovered in a conflict is what somebody awaits": """
        SELECT format('conflict %s', a.conflict_id) FROM compensation_account a
          JOIN compensation_balance b ON b.account_id = a.id
         WHERE a.kind IN ('receivable', 'awaited')
         GROUP BY a.conflict_id, a.asset_id HAVING sum(b.posted) <> 0""",
    "A payment run moved what its payments add up to": """
        SELECT format('payment run %s', r.number) FROM compensation_paymentrun r
          LEFT JOIN compensation_bankpayout o ON o.run_id = r.id
         GROUP BY r.id
        HAVING coalesce(sum(o.amount_units), 0) <> r.amount_units
            OR coalesce(sum(o.amount_minor), 0) <> r.control_minor
            OR count(o.id) <> r.payout_count
            OR r.amount_units <> (SELECT coalesce(sum(l.amount_units), 0)
                                    FROM compensation_line l
                                    JOIN compensation_account a ON a.id = l.account_id
                                   WHERE l.entry_id = r.entry_id
                                     AND a.kind = 'payouts_in_flight')""",
    "Every deposit is in the journal": """
        SELECT format('deposit %s', d.id) FROM compensation_deposit d
         WHERE NOT EXISTS (SELECT FROM compensation_line l
                             JOIN compensation_account a ON a.id = l.account_id
                            WHERE l.entry_id = d.entry_id AND a.kind = 'lab'
                              AND a.party_id = d.lab_id AND l.amount_units = d.amount_units)""",
}

# What use and its divisions credited to each payee, whether it has it or awaits it.
_CREDITED = """
SELECT a.asset_id,
       CASE WHEN a.party_id IS NOT NULL THEN 'owner ' || a.party_id
            WHEN a.kind = 'escrow' THEN 'escrow ' || a.conflict_id
            WHEN a.kind = 'platform_fee' THEN 'platform ' ELSE 'rounding' END AS payee,
       sum(l.amount_units)
  FROM compensation_line l
  JOIN compensation_entry e ON e.id = l.entry_id AND e.kind IN ('usage', 'restatement')
  JOIN compensation_account a ON a.id = l.account_id
 WHERE a.kind IN ('owner_pending', 'receivable', 'awaited', 'escrow', 'platform_fee', 'rounding')
 GROUP BY 1, 2
"""


def broken() -> Iterator[str]:
    """Every rule that does not hold, with the rows that break it."""
    for rule, query in RULES.items():
        with connection.cursor() as cursor:
            cursor.execute(query)
            for (what,) in cursor.fetchall():
                yield f"{rule}, but not for {what}."
    yield from _wrong_shares()


def _wrong_shares() -> Iterator[str]:
    """Each payee was credited the floor of its part of every weight version, and no unit else."""
    expected: dict[tuple[int, str], int] = defaultdict(int)
    rows = WeightVersion.objects.filter(total_units__gt=0)
    for row in rows.select_related("version__dataset").iterator():
        targets = targets_of(row)
        for payee, amount in targets.items():
            expected[row.asset_id, f"{payee.kind} {payee.id}"] += amount
        expected[row.asset_id, "rounding"] += row.total_units - sum(targets.values())
    with connection.cursor() as cursor:
        cursor.execute(_CREDITED)
        credited = {(asset, payee): int(total) for asset, payee, total in cursor.fetchall()}
    for key in sorted({*expected, *credited}):
        if expected.get(key, 0) != credited.get(key, 0):
            yield (
                f"{key[1]} was credited {credited.get(key, 0)} units of asset {key[0]}, and its "
                f"parts are {expected.get(key, 0)}."
            )
