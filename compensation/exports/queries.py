"""The rows of an export as the database makes them: one JSON object each, as text.

Numbers that may pass 2**63 are text; hashes are hexadecimal; moments are UTC.
"""

from __future__ import annotations

from typing import Final

# A charge beside the report that it prices. The counts are those that the ledger's event holds, so
# that billing is checked against the ledger rather than against itself. `before` is where the usage
# stood when the export begins; a lab sees no total of a division that it has no part in.
CHARGES: Final = """
WITH chosen AS (
  SELECT c.*, coalesce(%(whole)s OR c.weight_version_id = ANY(%(weights)s), false) AS is_shared,
         row_number() OVER earlier AS place,
         lead(c.id) OVER earlier IS NOT NULL AS more
    FROM compensation_charge c
    LEFT JOIN provenance_usage u ON u.id = c.usage_id
    LEFT JOIN provenance_run r ON r.id = u.run_id
    LEFT JOIN provenance_datasetversion v ON v.id = u.version_id
    LEFT JOIN provenance_dataset d ON d.id = v.dataset_id
   WHERE c.id > %(after_charge)s AND c.id <= %(last_charge)s
     AND (c.entry_id IS NULL OR c.entry_id BETWEEN %(first_entry)s AND %(last_entry)s)
     AND (%(whole)s OR c.weight_version_id = ANY(%(weights)s) OR c.account_id = ANY(%(labs)s)
          OR %(party)s::uuid = r.lab_id
          OR %(party)s::uuid = d.owner_id AND c.used_at >= coalesce(d.owned_since, '-infinity'))
  WINDOW earlier AS (PARTITION BY c.usage_id ORDER BY c.revision)
)
SELECT json_build_object(
         'charge', c.id, 'usage', c.usage_id, 'revision', c.revision, 'kind', c.kind,
         'account', c.account_id, 'rate', c.rate_id,
         'records', c.record_count, 'tokens', c.token_count, 'epochs', c.epoch_count,
         'fetches', c.fetch_count, 'amount', c.amount_units, 'total', c.total_units,
         'weights', CASE WHEN c.is_shared THEN c.weight_version_id END,
         'running', CASE WHEN c.is_shared THEN c.running_units END,
         'tally', c.tally_id, 'tally_quantity', c.tally_quantity,
         'entry', c.entry_id, 'charged_at', c.charged_at,
         'before', b.state, 'more', c.more,
         'report', json_build_object(
           'revision', coalesce((e.body->>'revision')::integer, o.revision),
           'run', r.pseudonym, 'version', u.version_id, 'purpose', u.purpose, 'grant', c.grant_id,
           'records', coalesce((e.body->>'records')::bigint, o.record_count),
           'tokens', coalesce((e.body->>'tokens')::bigint, o.token_count),
           'epochs', coalesce((e.body->>'epochs')::bigint, o.epoch_count),
           'fetches', coalesce((e.body->>'fetches')::bigint, o.fetch_count),
           'used_at', c.used_at,
           'event', e.sequence, 'event_hash', encode(e.hash, 'hex'),
           'signature', e.body->'receipts')
       )::text, c.rate_id, u.version_id, CASE WHEN c.is_shared THEN c.weight_version_id END,
       c.tally_id
  FROM chosen c
  LEFT JOIN provenance_usage u ON u.id = c.usage_id
  LEFT JOIN provenance_run r ON r.id = u.run_id
  LEFT JOIN LATERAL (
    SELECT e.* FROM provenance_event e
     WHERE e.subject_kind = 'usage' AND e.subject_id = c.usage_id AND e.kind = 'dataset.used'
       AND (e.body->>'revision')::integer = c.revision
     ORDER BY e.id LIMIT 1
  ) e ON true
  -- What is shared out of a sum has no report: nothing was counted for it.
  LEFT JOIN LATERAL (
    SELECT c.revision, c.record_count, c.token_count, c.epoch_count, c.fetch_count
     WHERE u.id IS NULL
  ) o ON true
  LEFT JOIN LATERAL (
    SELECT json_build_object(
             'revision', p.revision, 'rate', p.rate_id, 'records', p.record_count,
             'tokens', p.token_count, 'epochs', p.epoch_count, 'fetches', p.fetch_count,
             'total', p.total_units,
             'base', json_build_object('records', coalesce(q.record_count, 0),
               'tokens', coalesce(q.token_count, 0), 'epochs', coalesce(q.epoch_count, 0),
               'fetches', coalesce(q.fetch_count, 0), 'total', coalesce(q.total_units, 0))
           ) AS state
      FROM compensation_charge p
      LEFT JOIN LATERAL (SELECT q.* FROM compensation_charge q
        WHERE q.usage_id = p.usage_id AND q.revision < p.revision
          AND q.rate_id IS DISTINCT FROM p.rate_id ORDER BY q.revision DESC LIMIT 1) q ON true
     WHERE c.place = 1 AND p.usage_id = c.usage_id AND p.revision < c.revision
     ORDER BY p.revision DESC LIMIT 1
  ) b ON true
 ORDER BY c.id
"""

# All groups of the entries in which the party has one: their digests lead to the entry's.
GROUPS: Final = """
SELECT g.entry_id, g.weight_version_id, g.charge_count, g.amount_units, g.total_after_units,
       g.digest, %(whole)s OR g.weight_version_id = ANY(%(weights)s) AS is_shown
  FROM compensation_chargegroup g
 WHERE g.entry_id BETWEEN %(first_entry)s AND %(last_entry)s
   AND (%(whole)s OR EXISTS (SELECT FROM compensation_chargegroup o
          WHERE o.entry_id = g.entry_id AND o.weight_version_id = ANY(%(weights)s)))
 ORDER BY g.entry_id, g.weight_version_id
"""

# A division's total before the export and at its end: those of the last groups up to there.
WEIGHTS: Final = """
SELECT json_build_object('weights', w.id, 'version', w.version_id, 'dataset', d.name,
         'number', w.number, 'counted', w.counted, 'asset', a.code, 'fee', w.fee_basis_points,
         'sum', w.weight_sum::text, 'opening', coalesce(before.total, 0),
         'closing', coalesce(after.total, 0), 'parts', coalesce(parts.list, '[]'))::text
  FROM compensation_weightversion w
  JOIN compensation_asset a ON a.id = w.asset_id
  JOIN provenance_datasetversion v ON v.id = w.version_id
  JOIN provenance_dataset d ON d.id = v.dataset_id
  LEFT JOIN LATERAL (SELECT g.total_after_units AS total FROM compensation_chargegroup g
    WHERE g.weight_version_id = w.id AND g.entry_id < %(first_entry)s
    ORDER BY g.entry_id DESC LIMIT 1) before ON true
  LEFT JOIN LATERAL (SELECT g.total_after_units AS total FROM compensation_chargegroup g
    WHERE g.weight_version_id = w.id AND g.entry_id <= %(last_entry)s
    ORDER BY g.entry_id DESC LIMIT 1) after ON true
  CROSS JOIN LATERAL (
    SELECT json_agg(json_build_array(p.account_id, p.weight::text) ORDER BY p.account_id) AS list
      FROM compensation_weight p
     WHERE p.weight_version_id = w.id AND (%(whole)s OR p.account_id = ANY(%(accounts)s))
  ) parts
 WHERE w.id = ANY(%(used_weights)s) ORDER BY w.id
"""

ACCOUNTS: Final = """
SELECT json_build_object('account', c.id, 'kind', c.kind, 'asset', a.code,
         'opening', coalesce(sum(m.before), 0)::bigint,
         'closing', coalesce(sum(m.before) + sum(m.within), 0)::bigint,
         'moved', coalesce(json_object_agg(m.period, m.within) FILTER (WHERE m.lines > 0), '{}')
       )::text
  FROM compensation_account c
  JOIN compensation_asset a ON a.id = c.asset_id
  LEFT JOIN LATERAL (
    SELECT coalesce(e.period_id, '') AS period,
           count(*) FILTER (WHERE l.entry_id >= %(first_entry)s) AS lines,
           coalesce(sum(l.amount_units) FILTER (WHERE l.entry_id < %(first_entry)s), 0) AS before,
           coalesce(sum(l.amount_units) FILTER (WHERE l.entry_id >= %(first_entry)s), 0) AS within
      FROM compensation_line l JOIN compensation_entry e ON e.id = l.entry_id
     WHERE l.account_id = c.id AND l.entry_id <= %(last_entry)s
     GROUP BY 1
  ) m ON true
 WHERE %(whole)s OR c.id = ANY(%(accounts)s)
 GROUP BY c.id, a.code ORDER BY c.id
"""

ASSETS: Final = """
SELECT json_build_object('asset', a.code, 'symbol', a.symbol, 'scale', a.scale,
         'token_decimals', a.token_decimals)::text
  FROM compensation_asset a
 WHERE %(whole)s OR EXISTS (SELECT FROM compensation_account c
         WHERE c.asset_id = a.id AND c.id = ANY(%(accounts)s))
 ORDER BY a.code
"""

RATES: Final = """
SELECT json_build_object('rate', r.id, 'licence', r.licence_id, 'basis', r.basis,
         'price', r.price_units, 'plan', r.plan_id, 'asset', r.asset,
         'valid_from', r.valid_from,
         'valid_to', r.valid_to)::text
  FROM provenance_rate r WHERE r.id = ANY(%(rates)s) ORDER BY r.id
"""

PLANS: Final = """
SELECT json_build_object('plan', p.id, 'mode', p.mode, 'froms', p.froms,
         'bases', (SELECT json_agg(b::text ORDER BY place)
                     FROM unnest(p.bases) WITH ORDINALITY AS u(b, place)),
         'prices', p.prices, 'digest', p.digest)::text
  FROM provenance_rateplan p
 WHERE p.id IN (SELECT r.plan_id FROM provenance_rate r WHERE r.id = ANY(%(rates)s))
 ORDER BY p.id
"""

VERSIONS: Final = """
SELECT json_build_object('version', v.id, 'dataset', d.name, 'number', v.number,
         'records', v.record_count, 'tokens', v.token_count)::text
  FROM provenance_datasetversion v JOIN provenance_dataset d ON d.id = v.dataset_id
 WHERE v.id = ANY(%(versions)s) ORDER BY v.id
"""

# A tally is whole where every charge that counts in it is the reader's to see: the lab that it is
# of, and the owner of the plan, see all.
TALLIES: Final = """
SELECT json_build_object('tally', t.id, 'account', t.account_id, 'plan', t.plan_id,
         'period', t.period,
         'is_whole', %(whole)s OR t.account_id = ANY(%(labs)s) OR p.owner_id = %(party)s::uuid,
         'opening_quantity', coalesce(before.quantity, 0),
         'opening_units', coalesce(before.units, 0),
         'closing_quantity', within.quantity,
         'closing_units', coalesce(before.units, 0) + within.units)::text
  FROM compensation_tally t
  JOIN provenance_rateplan p ON p.id = t.plan_id
  JOIN (
    SELECT c.tally_id, max(c.tally_quantity) AS quantity, sum(c.amount_units)::bigint AS units
      FROM compensation_charge c
     WHERE c.id > %(after_charge)s AND c.id <= %(last_charge)s AND c.entry_id <= %(last_entry)s
       AND c.tally_id = ANY(%(tallies)s)
     GROUP BY c.tally_id
  ) within ON within.tally_id = t.id
  LEFT JOIN (
    SELECT c.tally_id, max(c.tally_quantity) AS quantity, sum(c.amount_units)::bigint AS units
      FROM compensation_charge c
     WHERE c.id <= %(after_charge)s AND c.tally_id = ANY(%(old_tallies)s)
     GROUP BY c.tally_id
  ) before ON before.tally_id = t.id
 ORDER BY t.id
"""

# Those of other months: of these some charges may lie before the export.
OLD_TALLIES: Final = """
SELECT id FROM compensation_tally
 WHERE id = ANY(%(tallies)s) AND NOT period BETWEEN %(first_period)s AND %(last_period)s
"""

# The leaf before is of the same payee on the same contract, whatever it added.
LEAVES: Final = """
SELECT json_build_object('entry', p.entry_id, 'epoch', p.number,
         'contract', 'eip155:' || c.chain_id || ':' || c.address, 'asset', a.code,
         'account', f.id, 'payee', encode(l.payee_id, 'hex'), 'address', l.address,
         'before', coalesce(b.cumulative, 0)::text, 'added_units', l.added_units,
         'cumulative', l.cumulative::text,
         'proof', (SELECT coalesce(json_agg(encode(step, 'hex') ORDER BY place), '[]')
                     FROM unnest(provenance_tree_proof(p.tree_id, l.position))
                          WITH ORDINALITY AS u(step, place)),
         'root', encode(p.root, 'hex'))::text
  FROM compensation_payoutleaf l
  JOIN compensation_payoutepoch p ON p.id = l.epoch_id
  JOIN provenance_chaincontract c ON c.id = p.contract_id
  JOIN compensation_asset a ON a.id = p.asset_id
  JOIN compensation_account f ON f.kind = 'payouts_in_flight' AND f.asset_id = p.asset_id
   AND f.party_id = l.party_id
  LEFT JOIN LATERAL (
    SELECT o.cumulative FROM compensation_payoutleaf o
      JOIN compensation_payoutepoch q ON q.id = o.epoch_id
     WHERE o.party_id = l.party_id AND q.contract_id = p.contract_id AND q.number < p.number
     ORDER BY q.number DESC LIMIT 1
  ) b ON true
 WHERE p.entry_id BETWEEN %(first_entry)s AND %(last_entry)s AND l.added_units > 0
   AND (%(whole)s OR l.party_id = %(party)s::uuid)
 ORDER BY p.entry_id, l.position
"""
