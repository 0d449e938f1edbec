-- Billing: one function prices, dedupes, nets, splits, posts and hashes a staged batch.

-- What counts cost in all: the floor of quantity times price. The same rule stands in pricing.py.
CREATE FUNCTION compensation_price(basis text, price bigint, records bigint, tokens bigint)
  RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE basis
    WHEN 'per_1k_records' THEN div(records::numeric * price, 1000)
    WHEN 'per_1m_tokens' THEN div(tokens::numeric * price, 1000000)
    WHEN 'flat_per_run' THEN price::numeric
  END
$$;

-- What a rate's revenue is divided by.
CREATE FUNCTION compensation_counted(basis text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE basis WHEN 'per_1m_tokens' THEN 'tokens' ELSE 'records' END
$$;

-- A digest of one charge, as it enters the digest of its group.
CREATE FUNCTION compensation_charge_bytes(
  usage uuid, revision integer, rate bigint, records bigint, tokens bigint, amount bigint,
  total bigint, running bigint
) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT uuid_send(usage) || int4send(revision) || int8send(rate) || int8send(records)
    || int8send(tokens) || int8send(amount) || int8send(total) || int8send(running)
$$;

-- Charge nothing where nothing is owed, so that it leaves the work list.
CREATE FUNCTION compensation_bill_free(p_batch uuid, p_at timestamptz) RETURNS bigint
  LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  v_count bigint;
BEGIN
  INSERT INTO compensation_charge (usage_id, revision, kind, grant_id, record_count, token_count,
    amount_units, total_units, used_at, charged_at)
  SELECT DISTINCT ON (s.usage_id) s.usage_id, s.revision, s.kind, s.grant_id, s.record_count,
         s.token_count, 0, coalesce(l.total_units, 0), s.used_at, p_at
    FROM compensation_stage s
    LEFT JOIN LATERAL (SELECT c.revision, c.total_units FROM compensation_charge c
      WHERE c.usage_id = s.usage_id ORDER BY c.revision DESC LIMIT 1) l ON true
   WHERE s.batch = p_batch AND s.rate_id IS NULL
     AND (l.revision IS NULL OR l.revision < s.revision)
   ORDER BY s.usage_id, s.revision DESC;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;

-- Price and charge the staged usages of one asset, as far as each lab's money reaches, in the
-- order of the stage. Returns one row for each lab's account and weight version.
CREATE FUNCTION compensation_bill_price(
  p_batch uuid, p_asset bigint, p_entry bigint, p_at timestamptz
) RETURNS TABLE (account bigint, weight_version bigint, charges integer, amount numeric,
                 digest bytea)
  LANGUAGE sql SET search_path = public, pg_temp AS $$
  WITH staged AS (
    SELECT DISTINCT ON (s.usage_id) s.*, r.basis, r.price_units
      FROM compensation_stage s
      JOIN provenance_rate r ON r.id = s.rate_id
      JOIN compensation_asset a ON a.code = r.asset AND a.id = p_asset
     WHERE s.batch = p_batch
     ORDER BY s.usage_id, s.revision DESC, s.id
  ), grown AS (
    SELECT s.*, l.revision AS last_revision, coalesce(l.total_units, 0) AS last_units
      FROM staged s
      LEFT JOIN LATERAL (SELECT c.revision, c.total_units FROM compensation_charge c
        WHERE c.usage_id = s.usage_id ORDER BY c.revision DESC LIMIT 1) l ON true
     WHERE l.revision IS NULL OR l.revision < s.revision
  ), priced AS (
    -- A rate prices what was used since it came into force for this usage.
    SELECT g.*, greatest(0, coalesce(b.total_units, 0) - g.last_units + compensation_price(
             g.basis, g.price_units, g.record_count - coalesce(b.record_count, 0),
             g.token_count - coalesce(b.token_count, 0)))::bigint AS amount_units
      FROM grown g
      LEFT JOIN LATERAL (SELECT c.total_units, c.record_count, c.token_count
        FROM compensation_charge c WHERE g.last_revision IS NOT NULL AND c.usage_id = g.usage_id
         AND c.rate_id IS DISTINCT FROM g.rate_id ORDER BY c.revision DESC LIMIT 1) b ON true
  ), summed AS (
    SELECT p.*, a.id AS account_id,
           sum(p.amount_units) OVER (PARTITION BY a.id ORDER BY p.id) AS needed,
           b.posted::numeric - b.held - b.floor AS spendable
      FROM priced p
      JOIN compensation_account a ON a.kind = 'lab' AND a.party_id = p.lab_id
       AND a.asset_id = p_asset
      JOIN compensation_balance b ON b.account_id = a.id
  ), afforded AS (
    SELECT s.*, w.id AS weight_version_id, w.total_units
             + sum(s.amount_units) OVER (PARTITION BY w.id ORDER BY s.id) AS running_units
      FROM summed s
      JOIN compensation_weightversion w ON w.version_id = s.version_id AND w.asset_id = p_asset
       AND w.counted = compensation_counted(s.basis) AND w.closed_at IS NULL
     WHERE s.amount_units = 0 OR s.needed <= coalesce(s.spendable, s.needed)
  ), late AS (
    INSERT INTO compensation_waiting (usage_id, revision, reason, account_id, needed_units,
      since_at, tried_at)
    SELECT s.usage_id, s.revision, 'no_funds', s.account_id, s.needed, p_at, p_at
      FROM summed s WHERE s.amount_units <> 0 AND s.needed > s.spendable
    ON CONFLICT (usage_id) DO UPDATE SET revision = excluded.revision, reason = excluded.reason,
      account_id = excluded.account_id, needed_units = excluded.needed_units,
      tried_at = excluded.tried_at
  ), made AS (
    INSERT INTO compensation_charge (usage_id, revision, kind, account_id, grant_id, rate_id,
      record_count, token_count, amount_units, total_units, weight_version_id, running_units,
      entry_id, used_at, charged_at)
    SELECT a.usage_id, a.revision, a.kind, a.account_id, a.grant_id, a.rate_id, a.record_count,
           a.token_count, a.amount_units, a.last_units + a.amount_units, a.weight_version_id,
           a.running_units::bigint, p_entry, a.used_at, p_at
      FROM afforded a ORDER BY a.id
    RETURNING usage_id, revision, rate_id, record_count, token_count, amount_units, total_units,
      running_units, account_id, weight_version_id
  )
  SELECT m.account_id, m.weight_version_id, count(*)::integer, sum(m.amount_units),
         sha256(int8send(m.account_id) || int8send(m.weight_version_id) || sha256(string_agg(
           compensation_charge_bytes(m.usage_id, m.revision, m.rate_id, m.record_count,
             m.token_count, m.amount_units, m.total_units, m.running_units),
           ''::bytea ORDER BY m.usage_id)))
    FROM made m GROUP BY m.account_id, m.weight_version_id
$$;

-- Bill a staged batch: one entry for each asset in it. Returns what was charged, in groups of a
-- lab's account and a weight version; what was charged nothing has no group.
CREATE FUNCTION compensation_bill(
  p_batch uuid, p_at timestamptz, p_matures_at timestamptz
) RETURNS TABLE (entry_id bigint, account_id bigint, weight_version_id bigint,
                 charge_count integer, amount_units bigint, digest bytea)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  v_asset bigint;
  v_entry bigint;
  v_count integer;
  v_digest bytea;
  v_from bigint[];
  v_weights bigint[];
  v_charges integer[];
  v_sums numeric[];
  v_digests bytea[];
  v_accounts bigint[];
  v_amounts bigint[];
BEGIN
  PERFORM 1 FROM compensation_journalhead WHERE id = 1 FOR UPDATE;
  PERFORM compensation_bill_free(p_batch, p_at);
  INSERT INTO compensation_waiting (usage_id, revision, reason, since_at, tried_at)
  SELECT DISTINCT ON (s.usage_id) s.usage_id, s.revision, 'unknown_asset', p_at, p_at
    FROM compensation_stage s JOIN provenance_rate r ON r.id = s.rate_id
   WHERE s.batch = p_batch
     AND NOT EXISTS (SELECT FROM compensation_asset a WHERE a.code = r.asset)
   ORDER BY s.usage_id, s.revision DESC
  ON CONFLICT (usage_id) DO UPDATE SET revision = excluded.revision, reason = excluded.reason,
    account_id = NULL, needed_units = NULL, tried_at = excluded.tried_at;
  FOR v_asset IN
    SELECT DISTINCT a.id FROM compensation_stage s
      JOIN provenance_rate r ON r.id = s.rate_id JOIN compensation_asset a ON a.code = r.asset
     WHERE s.batch = p_batch ORDER BY a.id
  LOOP
    SELECT number + 1 INTO v_entry FROM compensation_journalhead WHERE id = 1;
    SELECT array_agg(g.account), array_agg(g.weight_version), array_agg(g.charges),
           array_agg(g.amount), array_agg(g.digest), sum(g.charges)::integer,
           sha256(string_agg(g.digest, ''::bytea ORDER BY g.account, g.weight_version))
      INTO v_from, v_weights, v_charges, v_sums, v_digests, v_count, v_digest
      FROM compensation_bill_price(p_batch, v_asset, v_entry, p_at) g;
    CONTINUE WHEN v_count IS NULL;
    -- What floor(total * weight / weight_sum) grows by; what is left of it is rounding.
    WITH grown AS (
      SELECT u.weight_version AS id, sum(u.amount) AS amount
        FROM unnest(v_weights, v_sums) AS u(weight_version, amount) GROUP BY 1
    ), shares AS (
      SELECT w.account_id, div((v.total_units + g.amount) * w.weight, v.weight_sum)
               - div(v.total_units * w.weight, v.weight_sum) AS amount
        FROM grown g JOIN compensation_weightversion v ON v.id = g.id
        JOIN compensation_weight w ON w.weight_version_id = g.id
      UNION ALL
      SELECT u.account, -u.amount FROM unnest(v_from, v_sums) AS u(account, amount)
    ), net AS (
      SELECT s.account_id, sum(s.amount) AS amount FROM shares s GROUP BY 1
    ), lines AS (
      SELECT n.account_id, n.amount FROM net n
      UNION ALL
      SELECT (SELECT id FROM compensation_account WHERE kind = 'rounding' AND asset_id = v_asset),
             -sum(n.amount) FROM net n
    )
    SELECT coalesce(array_agg(l.account_id), '{}'), coalesce(array_agg(l.amount::bigint), '{}')
      INTO v_accounts, v_amounts FROM lines l WHERE l.amount <> 0;
    UPDATE compensation_weightversion v SET total_units = v.total_units + g.amount::bigint
      FROM (SELECT u.weight_version AS id, sum(u.amount) AS amount
              FROM unnest(v_weights, v_sums) AS u(weight_version, amount) GROUP BY 1) g
     WHERE v.id = g.id AND g.amount <> 0;
    PERFORM compensation_append('usage', v_asset, v_accounts, v_amounts, p_at, p_at,
      'usage:' || p_batch || ':' || v_asset, '{"batch":"' || p_batch || '"}', NULL, p_matures_at,
      v_count, v_digest);
    RETURN QUERY SELECT v_entry, u.* FROM (
      SELECT f, w, c, s::bigint, d FROM unnest(v_from, v_weights, v_charges, v_sums, v_digests)
        AS g(f, w, c, s, d)) u;
  END LOOP;
  DELETE FROM compensation_waiting w USING compensation_stage s, compensation_charge c
   WHERE s.batch = p_batch AND w.usage_id = s.usage_id AND c.usage_id = s.usage_id
     AND c.revision >= w.revision;
  DELETE FROM compensation_stage WHERE batch = p_batch;
END $$;
