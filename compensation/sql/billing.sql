-- Billing: one function prices, dedupes, nets, splits, posts and hashes a staged batch.
-- The rules of price are those of compensation/pricing.py; tests hold the two together.

-- How many of what a rate counts its price is for.
CREATE FUNCTION compensation_step(basis text) RETURNS bigint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE basis WHEN 'per_1k_records' THEN 1000 WHEN 'per_1m_tokens' THEN 1000000
                    ELSE 1 END::bigint
$$;

-- What a rate counts.
CREATE FUNCTION compensation_quantity(
  basis text, records bigint, tokens bigint, epochs bigint, fetches bigint
) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE basis WHEN 'per_1k_records' THEN records WHEN 'per_1m_tokens' THEN tokens
                    WHEN 'per_epoch' THEN epochs WHEN 'per_fetch' THEN fetches
                    WHEN 'flat_per_run' THEN 1 END
$$;

-- What a rate's revenue is divided by.
CREATE FUNCTION compensation_counted(basis text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE basis WHEN 'per_1m_tokens' THEN 'tokens' ELSE 'records' END
$$;

-- What a quantity costs in all at one price: small numbers without numeric, which is slow.
CREATE FUNCTION compensation_price(quantity bigint, price bigint, step bigint) RETURNS bigint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN quantity < 2000000000 AND price < 2000000000 THEN quantity * price / step
              ELSE div(quantity::numeric * price, step)::bigint END
$$;

-- What a quantity costs in all under a plan: the floor of the line that it lies on. One
-- expression, which the planner puts in place of the call.
CREATE FUNCTION compensation_planned(
  froms bigint[], bases numeric[], prices bigint[], step bigint, quantity bigint
) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT div(bases[width_bucket(quantity, froms)]
             + (quantity - froms[width_bucket(quantity, froms)])
               * prices[width_bucket(quantity, froms)]::numeric, step)
$$;

-- One charge as it enters the digest of its group: 100 bytes.
CREATE FUNCTION compensation_charge_bytes(
  usage uuid, revision integer, account bigint, rate bigint, records bigint, tokens bigint,
  epochs bigint, fetches bigint, amount bigint, total bigint, running bigint, tallied bigint
) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT uuid_send(usage) || int4send(revision) || int8send(account)
    || int8send(coalesce(rate, 0)) || int8send(records) || int8send(tokens) || int8send(epochs)
    || int8send(fetches) || int8send(amount) || int8send(total) || int8send(running)
    || int8send(coalesce(tallied, 0))
$$;

-- The digest of an entry's charges: the root of a tree over the digests of its groups, in the
-- order of their weight versions, sixteen to a node.
--   node = sha256(1 || its digests), digest = sha256(2 || int8 how many groups || root)
CREATE FUNCTION compensation_charges_digest(p_digests bytea[]) RETURNS bytea
  LANGUAGE plpgsql IMMUTABLE SET search_path = public, pg_temp AS $$
DECLARE
  v_level bytea[] := p_digests;
BEGIN
  WHILE cardinality(v_level) > 1 LOOP
    SELECT array_agg(n.digest ORDER BY n.place) INTO v_level
      FROM (SELECT (u.place - 1) / 16 AS place,
                   sha256('\x01'::bytea || string_agg(u.digest, ''::bytea ORDER BY u.place))
                     AS digest
              FROM unnest(v_level) WITH ORDINALITY AS u(digest, place) GROUP BY 1) n;
  END LOOP;
  RETURN sha256('\x02'::bytea || int8send(cardinality(p_digests)) || v_level[1]);
END $$;

-- Sort a staged batch by what is priced and divided alike, each with its price and the weight
-- version in force. Nobody posts from here to the end of the transaction, so that both stay so.
CREATE FUNCTION compensation_bill_kinds(p_batch uuid) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp SET work_mem = '64MB'
  SET enable_nestloop = off SET enable_bitmapscan = off
AS $$
  SELECT 1 FROM compensation_journalhead WHERE id = 1 FOR UPDATE;
  DELETE FROM compensation_stagekind WHERE batch = p_batch;
  INSERT INTO compensation_stagekind (batch, version_id, rate_id, owned_at, asset_id, counted,
    basis, step, price_units, plan_id, dataset_id, weight_version_id, fee_basis_points, marker,
    total_units)
  SELECT p_batch, d.version_id, d.rate_id, d.owned_at, coalesce(d.asset_id, a.id),
         coalesce(d.counted, compensation_counted(p.basis)), p.basis, compensation_step(p.basis),
         p.price_units, p.plan_id, v.dataset_id, w.id, w.fee_basis_points, w.marker, w.total_units
    FROM (SELECT DISTINCT s.version_id, s.rate_id, s.owned_at,
                 CASE WHEN s.rate_id IS NULL THEN s.asset_id END AS asset_id,
                 CASE WHEN s.rate_id IS NULL THEN s.counted END AS counted
            FROM compensation_stage s
           WHERE s.batch = p_batch AND s.version_id IS NOT NULL
             AND (s.rate_id IS NOT NULL OR s.fixed_units IS NOT NULL)) d
    LEFT JOIN LATERAL (SELECT r.asset, r.basis, r.price_units, r.plan_id FROM provenance_rate r
      WHERE r.id = d.rate_id OFFSET 0) p ON true
    LEFT JOIN compensation_asset a ON a.code = p.asset
    LEFT JOIN LATERAL (SELECT v.dataset_id FROM provenance_datasetversion v
      WHERE v.id = d.version_id OFFSET 0) v ON true
    LEFT JOIN LATERAL (SELECT w.id, w.fee_basis_points, w.marker, w.total_units
       FROM compensation_weightversion w
      WHERE w.version_id = d.version_id AND w.asset_id = coalesce(d.asset_id, a.id)
        AND w.counted = coalesce(d.counted, compensation_counted(p.basis))
        AND w.owned_at = d.owned_at AND w.closed_at IS NULL OFFSET 0) w ON true
$$;

-- The accounts that a batch which was sorted is the first to need. Where each of its labs has an
-- account in each of its assets, none is missing; else who needs which is looked up.
CREATE FUNCTION compensation_bill_missing(p_batch uuid)
  RETURNS TABLE (kind text, party_id uuid, asset_id bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET enable_nestloop = off
AS $$
  WITH labs AS MATERIALIZED (
    SELECT DISTINCT s.lab_id FROM compensation_stage s WHERE s.batch = p_batch
  ), assets AS MATERIALIZED (
    SELECT DISTINCT k.asset_id FROM compensation_stagekind k
     WHERE k.batch = p_batch AND k.asset_id IS NOT NULL
  ), absent AS MATERIALIZED (
    SELECT l.lab_id, a.asset_id FROM labs l CROSS JOIN assets a
      LEFT JOIN LATERAL (SELECT c.id FROM compensation_account c
        WHERE c.kind = 'lab' AND c.party_id = l.lab_id AND c.asset_id = a.asset_id OFFSET 0) c
        ON true
     WHERE c.id IS NULL
  ), needed AS (
    SELECT DISTINCT s.lab_id, k.asset_id
      FROM compensation_stage s
      JOIN compensation_stagekind k ON k.version_id = s.version_id AND k.owned_at = s.owned_at
       AND k.rate_id IS NOT DISTINCT FROM s.rate_id
       AND (k.rate_id IS NOT NULL OR k.asset_id = s.asset_id)
     WHERE s.batch = p_batch AND k.batch = p_batch AND EXISTS (SELECT FROM absent)
  )
  SELECT 'lab', a.lab_id, a.asset_id
    FROM absent a JOIN needed n ON n.lab_id = a.lab_id AND n.asset_id = a.asset_id
   UNION ALL
  SELECT 'rounding', NULL, a.asset_id FROM assets a
    LEFT JOIN LATERAL (SELECT c.id FROM compensation_account c
      WHERE c.kind = 'rounding' AND c.asset_id = a.asset_id OFFSET 0) c ON true
   WHERE c.id IS NULL
   ORDER BY 3, 1, 2
$$;

-- Of a usage that is staged twice, the last revision counts.
CREATE FUNCTION compensation_bill_overtaken(p_batch uuid) RETURNS void
  LANGUAGE sql SET search_path = public, pg_temp AS $$
  DELETE FROM compensation_stage d USING (
      SELECT s.id, row_number() OVER (PARTITION BY s.usage_id ORDER BY s.revision DESC, s.id)
               AS place
        FROM compensation_stage s WHERE s.batch = p_batch) o
   WHERE d.batch = p_batch AND d.id = o.id AND o.place > 1
$$;

-- Charge nothing where nothing is owed, so that it leaves the work list.
CREATE FUNCTION compensation_bill_free(p_batch uuid, p_at timestamptz) RETURNS bigint
  LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  v_count bigint;
BEGIN
  INSERT INTO compensation_charge (usage_id, revision, kind, grant_id, record_count, token_count,
    epoch_count, fetch_count, amount_units, total_units, used_at, charged_at)
  SELECT s.usage_id, s.revision, s.kind, s.grant_id, s.record_count, s.token_count,
         s.epoch_count, s.fetch_count, 0, coalesce(l.total_units, 0), s.used_at, p_at
    FROM compensation_stage s
    LEFT JOIN LATERAL (SELECT c.revision, c.total_units FROM compensation_charge c
      WHERE c.usage_id = s.usage_id ORDER BY c.revision DESC LIMIT 1) l ON true
   WHERE s.batch = p_batch AND s.rate_id IS NULL AND s.fixed_units IS NULL
     AND (l.revision IS NULL OR l.revision < s.revision)
   ORDER BY s.usage_id;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;

-- What cannot be charged because its price is in an asset that nobody registered waits.
CREATE FUNCTION compensation_bill_unknown(p_batch uuid, p_at timestamptz)
  RETURNS void LANGUAGE sql SET search_path = public, pg_temp SET enable_nestloop = off AS $$
  INSERT INTO compensation_waiting (usage_id, revision, reason, since_at, tried_at)
  SELECT s.usage_id, s.revision, 'unknown_asset', p_at, p_at
    FROM compensation_stage s
    JOIN (SELECT DISTINCT k.rate_id FROM compensation_stagekind k
           WHERE k.batch = p_batch AND k.asset_id IS NULL) k ON k.rate_id = s.rate_id
   WHERE s.batch = p_batch
   ORDER BY s.usage_id
  ON CONFLICT (usage_id) DO UPDATE SET revision = excluded.revision, reason = excluded.reason,
    account_id = NULL, needed_units = NULL, tried_at = excluded.tried_at
$$;

-- Price and charge the staged usages of one asset, as far as each lab's money reaches, in the
-- order of the stage. Charges are kept side by side by weight version. `p_charged_to` is the last
-- usage that was charged before, of those that may be staged here. What came of it: how many, what
-- each lab pays, what each weight version earned, and the digests of its groups.
CREATE FUNCTION compensation_bill_price(
  p_batch uuid, p_asset bigint, p_period text, p_entry bigint, p_at timestamptz,
  p_charged_to uuid, OUT charges integer, OUT accounts bigint[], OUT paid numeric[],
  OUT weight_versions bigint[], OUT earned numeric[], OUT digests bytea[]
) LANGUAGE sql SET search_path = public, pg_temp SET work_mem = '128MB' SET enable_nestloop = off
  SET enable_bitmapscan = off SET enable_sort = off
AS $$
  -- The planner knows nothing of how many rows pass: sets meet by hash, and each row of a table is
  -- looked up by its key (what stands behind OFFSET 0), however large the tables are. What passes
  -- is written down twice, grown and charged: each time costs as much as a tenth of the whole.
  WITH labs AS MATERIALIZED (
    SELECT d.lab_id, a.id AS account_id, b.spendable
      FROM (SELECT DISTINCT lab_id FROM compensation_stage WHERE batch = p_batch) d,
           LATERAL (SELECT a.id FROM compensation_account a
             WHERE a.kind = 'lab' AND a.party_id = d.lab_id AND a.asset_id = p_asset OFFSET 0) a,
           LATERAL (SELECT b.posted::numeric - b.held - b.floor AS spendable
              FROM compensation_balance b WHERE b.account_id = a.id OFFSET 0) b
  ), kinds AS MATERIALIZED (
    SELECT k.* FROM compensation_stagekind k
     WHERE k.batch = p_batch AND k.asset_id = p_asset AND k.weight_version_id IS NOT NULL
  ), lasts AS MATERIALIZED (
    -- What was charged of a usage before, and by what other rate.
    SELECT s.id, c.*, b.total_units AS earlier_units, b.record_count AS earlier_records,
           b.token_count AS earlier_tokens, b.epoch_count AS earlier_epochs,
           b.fetch_count AS earlier_fetches
      FROM compensation_stage s,
           LATERAL (SELECT c.revision, c.rate_id, c.total_units, c.record_count, c.token_count,
                           c.epoch_count, c.fetch_count FROM compensation_charge c
             WHERE c.usage_id = s.usage_id ORDER BY c.revision DESC LIMIT 1) c
      LEFT JOIN LATERAL (
        SELECT b.total_units, b.record_count, b.token_count, b.epoch_count, b.fetch_count
          FROM compensation_charge b
         WHERE b.usage_id = s.usage_id AND b.rate_id IS DISTINCT FROM s.rate_id
         ORDER BY b.revision DESC LIMIT 1) b ON true
     WHERE s.batch = p_batch AND p_charged_to IS NOT NULL AND s.usage_id <= p_charged_to
  ), grown AS MATERIALIZED (
    SELECT s.id, s.usage_id, s.revision, s.kind, s.grant_id, s.rate_id, s.record_count,
           s.token_count, s.epoch_count, s.fetch_count, s.used_at, s.run_id, a.account_id,
           k.plan_id, k.step, k.weight_version_id, k.total_units,
           coalesce(l.total_units, 0) AS last_units,
           CASE WHEN k.plan_id IS NOT NULL THEN greatest(0, compensation_quantity(k.basis,
               s.record_count, s.token_count, s.epoch_count, s.fetch_count)
             - CASE WHEN l.revision IS NULL OR (k.basis = 'flat_per_run' AND l.rate_id IS DISTINCT
                      FROM s.rate_id) THEN 0
                    ELSE compensation_quantity(k.basis, l.record_count, l.token_count,
                      l.epoch_count, l.fetch_count) END) END AS more,
           CASE WHEN k.plan_id IS NOT NULL THEN NULL
                WHEN s.fixed_units IS NOT NULL
                THEN greatest(0, s.fixed_units - coalesce(l.total_units, 0))
                WHEN l.revision IS NULL
                THEN compensation_price(compensation_quantity(k.basis, s.record_count,
                       s.token_count, s.epoch_count, s.fetch_count), k.price_units, k.step)
                -- A rate prices what was used since it came into force for this usage.
                ELSE greatest(0, coalesce(l.earlier_units, 0) + div((compensation_quantity(
                         k.basis, s.record_count, s.token_count, s.epoch_count, s.fetch_count)
                       - CASE WHEN l.earlier_units IS NULL OR k.basis = 'flat_per_run' THEN 0
                              ELSE compensation_quantity(k.basis, l.earlier_records,
                                l.earlier_tokens, l.earlier_epochs, l.earlier_fetches) END
                       )::numeric * k.price_units, k.step) - l.total_units)::bigint
                END AS amount_units
      FROM compensation_stage s
      JOIN labs a ON a.lab_id = s.lab_id
      JOIN kinds k ON k.version_id = s.version_id AND k.owned_at = s.owned_at
       AND k.rate_id IS NOT DISTINCT FROM s.rate_id
       AND (k.rate_id IS NOT NULL OR (k.asset_id = s.asset_id AND k.counted = s.counted))
      LEFT JOIN lasts l ON l.id = s.id
     WHERE s.batch = p_batch AND (l.revision IS NULL OR l.revision < s.revision)
  ), plans AS MATERIALIZED (
    SELECT p.* FROM (SELECT DISTINCT plan_id FROM kinds) d,
           LATERAL (SELECT p.id, p.froms, p.bases, p.prices FROM provenance_rateplan p
             WHERE p.id = d.plan_id OFFSET 0) p
  ), planned AS MATERIALIZED (
    SELECT g.*, compensation_running(g.more) OVER (
             PARTITION BY g.account_id, g.plan_id ORDER BY g.id ROWS UNBOUNDED PRECEDING) AS so_far
      FROM grown g WHERE g.plan_id IS NOT NULL
  ), tallies AS MATERIALIZED (
    SELECT coalesce(t.id, nextval('compensation_tally_id_seq')) AS id, d.account_id, d.plan_id,
           coalesce(t.quantity, 0) AS quantity
      FROM (SELECT DISTINCT account_id, plan_id FROM planned) d
      LEFT JOIN LATERAL (SELECT t.id, t.quantity FROM compensation_tally t
        WHERE t.account_id = d.account_id AND t.plan_id = d.plan_id
          AND t.period = p_period OFFSET 0) t ON true
  ), tiered AS MATERIALIZED (
    SELECT g.*, t.id AS tally_id, t.quantity + g.so_far AS tally_quantity,
           (compensation_planned(p.froms, p.bases, p.prices, g.step, t.quantity + g.so_far)
            - compensation_planned(p.froms, p.bases, p.prices, g.step,
                t.quantity + g.so_far - g.more))::bigint AS tiered_units
      FROM planned g
      JOIN tallies t ON t.account_id = g.account_id AND t.plan_id = g.plan_id
      JOIN plans p ON p.id = g.plan_id
  ), priced AS NOT MATERIALIZED (
    SELECT g.id, g.usage_id, g.revision, g.kind, g.account_id, g.grant_id, g.rate_id,
           g.record_count, g.token_count, g.epoch_count, g.fetch_count, g.used_at, g.run_id,
           g.weight_version_id, g.total_units, g.last_units, NULL::bigint AS tally_id,
           NULL::bigint AS tally_quantity, g.amount_units
      FROM grown g WHERE g.plan_id IS NULL
    UNION ALL
    SELECT t.id, t.usage_id, t.revision, t.kind, t.account_id, t.grant_id, t.rate_id,
           t.record_count, t.token_count, t.epoch_count, t.fetch_count, t.used_at, t.run_id,
           t.weight_version_id, t.total_units, t.last_units, t.tally_id, t.tally_quantity,
           t.tiered_units
      FROM tiered t
  ), poor AS MATERIALIZED (
    SELECT p.account_id, a.spendable
      FROM (SELECT account_id, sum(amount_units) AS units FROM priced GROUP BY 1) p
      JOIN labs a ON a.account_id = p.account_id
     WHERE p.units > a.spendable
  ), rooms AS MATERIALIZED (
    SELECT d.run_id, compensation_run_room(d.run_id, p_asset) AS room
      FROM (SELECT DISTINCT run_id FROM grown WHERE run_id IS NOT NULL) d
  ), over AS MATERIALIZED (
    -- Beyond the cap that a run accepted; what it does need is charged so far and this.
    SELECT q.* FROM (
        SELECT p.id, p.usage_id, p.revision, p.account_id, p.tally_id, p.run_id, p.amount_units,
               r.room, sum(p.amount_units) OVER (PARTITION BY p.run_id ORDER BY p.id) AS units
          FROM priced p JOIN rooms r ON r.run_id = p.run_id AND r.room IS NOT NULL) q
     WHERE q.units > q.room AND q.amount_units <> 0
  ), barred AS MATERIALIZED (
    -- Under a plan, what comes after it is priced by the next batch, when it is known to wait.
    SELECT o.id FROM over o
    UNION
    SELECT p.id FROM priced p
      JOIN (SELECT tally_id, min(id) AS id FROM over GROUP BY 1) o ON o.tally_id = p.tally_id
     WHERE p.id > o.id
  ), short AS MATERIALIZED (
    -- Beyond a lab's money.
    SELECT q.id, q.usage_id, q.revision, q.account_id, q.units FROM (
        SELECT p.id, p.usage_id, p.revision, p.account_id, p.amount_units, p.tally_id, a.spendable,
               sum(p.amount_units) OVER (PARTITION BY p.account_id ORDER BY p.id) AS units
          FROM priced p JOIN poor a ON a.account_id = p.account_id
         WHERE p.id NOT IN (SELECT b.id FROM barred b)) q
     WHERE q.units > q.spendable AND (q.amount_units <> 0 OR q.tally_id IS NOT NULL)
  ), late AS (
    INSERT INTO compensation_waiting (usage_id, revision, reason, account_id, needed_units,
      since_at, tried_at)
    SELECT s.usage_id, s.revision, 'no_funds', s.account_id, s.units, p_at, p_at FROM short s
    UNION ALL
    SELECT o.usage_id, o.revision, 'over_cap', o.account_id, r.cap_units - o.room + o.units, p_at,
           p_at
      FROM over o JOIN provenance_run r ON r.id = o.run_id
    ON CONFLICT (usage_id) DO UPDATE SET revision = excluded.revision, reason = excluded.reason,
      account_id = excluded.account_id, needed_units = excluded.needed_units,
      tried_at = excluded.tried_at
  ), charged AS MATERIALIZED (
    SELECT p.*, p.total_units + compensation_running(p.amount_units) OVER (
             PARTITION BY p.weight_version_id ORDER BY p.id ROWS UNBOUNDED PRECEDING)
             AS running_units
      FROM priced p
     WHERE p.id NOT IN (SELECT b.id FROM barred b UNION ALL SELECT s.id FROM short s)
     ORDER BY p.weight_version_id, p.id
  ), written AS (
    INSERT INTO compensation_charge (usage_id, revision, kind, account_id, grant_id, rate_id,
      record_count, token_count, epoch_count, fetch_count, amount_units, total_units,
      weight_version_id, running_units, tally_id, tally_quantity, entry_id, used_at, charged_at)
    SELECT c.usage_id, c.revision, c.kind, c.account_id, c.grant_id, c.rate_id, c.record_count,
           c.token_count, c.epoch_count, c.fetch_count, c.amount_units,
           c.last_units + c.amount_units, c.weight_version_id, c.running_units, c.tally_id,
           c.tally_quantity, p_entry, c.used_at, p_at
      FROM charged c ORDER BY c.weight_version_id, c.id
  ), grouped AS MATERIALIZED (
    SELECT c.weight_version_id, count(*)::integer AS charges, sum(c.amount_units) AS amount,
           max(c.running_units) AS total_after,
           sha256('\x00'::bytea || int8send(c.weight_version_id)
             || sha256(string_agg(compensation_charge_bytes(c.usage_id, c.revision, c.account_id,
                  c.rate_id, c.record_count, c.token_count, c.epoch_count, c.fetch_count,
                  c.amount_units, c.last_units + c.amount_units, c.running_units,
                  c.tally_quantity), ''::bytea ORDER BY c.id))) AS digest
      FROM charged c GROUP BY c.weight_version_id
  ), kept AS (
    INSERT INTO compensation_chargegroup (weight_version_id, entry_id, charge_count, amount_units,
      total_after_units, digest)
    SELECT g.weight_version_id, p_entry, g.charges, g.amount::bigint, g.total_after, g.digest
      FROM grouped g ORDER BY g.weight_version_id
  ), tallied AS (
    INSERT INTO compensation_tally AS t (id, account_id, plan_id, period, quantity, charged_units)
    SELECT t.id, t.account_id, t.plan_id, p_period, c.quantity, c.units::bigint
      FROM (SELECT tally_id, max(tally_quantity) AS quantity, sum(amount_units) AS units
              FROM charged WHERE tally_id IS NOT NULL GROUP BY 1) c
      JOIN tallies t ON t.id = c.tally_id
    ON CONFLICT (id) DO UPDATE SET quantity = excluded.quantity,
      charged_units = t.charged_units + excluded.charged_units
  )
  SELECT (SELECT sum(g.charges)::integer FROM grouped g), l.accounts, l.paid, w.ids, w.earned,
         w.digests
    FROM (SELECT array_agg(s.account_id) AS accounts, array_agg(s.amount) AS paid
            FROM (SELECT c.account_id, sum(c.amount_units) AS amount FROM charged c GROUP BY 1) s
         ) l,
         (SELECT array_agg(g.weight_version_id ORDER BY g.weight_version_id) AS ids,
                 array_agg(g.amount ORDER BY g.weight_version_id) AS earned,
                 array_agg(g.digest ORDER BY g.weight_version_id) AS digests FROM grouped g) w
$$;

-- Let the totals of weight versions grow. The lines that follow: each lab pays, each account of a
-- weight version gets what floor(total * weight / weight_sum) grows by, and what is left of it is
-- rounding.
CREATE FUNCTION compensation_bill_lines(
  p_asset bigint, p_from bigint[], p_paid numeric[], p_weight_versions bigint[],
  p_earned numeric[], OUT accounts bigint[], OUT amounts bigint[]
) LANGUAGE sql SET search_path = public, pg_temp SET work_mem = '64MB' SET enable_nestloop = off
  SET enable_bitmapscan = off
AS $$
  WITH totals AS (
    UPDATE compensation_weightversion v SET total_units = v.total_units + g.amount::bigint
      FROM unnest(p_weight_versions, p_earned) AS g(id, amount)
     WHERE v.id = g.id AND g.amount <> 0
    RETURNING v.id, v.total_units AS after, v.total_units - g.amount AS before, v.weight_sum
  ), shares AS (
    SELECT w.account_id,
           div(v.after * w.weight, v.weight_sum) - div(v.before * w.weight, v.weight_sum) AS amount
      FROM totals v, LATERAL (SELECT w.account_id, w.weight FROM compensation_weight w
             WHERE w.weight_version_id = v.id OFFSET 0) w
    UNION ALL
    SELECT u.account, -u.amount FROM unnest(p_from, p_paid) AS u(account, amount)
  ), net AS MATERIALIZED (
    SELECT s.account_id, sum(s.amount) AS amount FROM shares s GROUP BY 1
  ), lines AS (
    SELECT n.account_id, n.amount FROM net n
    UNION ALL
    SELECT (SELECT id FROM compensation_account WHERE kind = 'rounding' AND asset_id = p_asset),
           -sum(n.amount) FROM net n
  )
  SELECT coalesce(array_agg(l.account_id), '{}'), coalesce(array_agg(l.amount::bigint), '{}')
    FROM lines l WHERE l.amount <> 0
$$;

-- Bill a staged batch that was sorted by kinds: one entry for each asset in it.
CREATE FUNCTION compensation_bill(
  p_batch uuid, p_at timestamptz, p_matures_at timestamptz, p_period text
) RETURNS SETOF bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  v_staged integer;
  v_owing integer;
  v_usages uuid[];
  v_charged_to uuid;
  v_asset bigint;
  v_entry bigint;
  v_made record;
  v_lines record;
BEGIN
  PERFORM 1 FROM compensation_journalhead WHERE id = 1 FOR UPDATE;
  SELECT count(*), count(coalesce(rate_id, fixed_units)), array_agg(DISTINCT usage_id)
    INTO v_staged, v_owing, v_usages FROM compensation_stage WHERE batch = p_batch;
  -- Usages are numbered in the order of time: most are younger than all that was charged.
  SELECT c.usage_id INTO v_charged_to FROM compensation_charge c
   WHERE c.usage_id BETWEEN v_usages[1] AND v_usages[cardinality(v_usages)]
   ORDER BY c.usage_id DESC LIMIT 1;
  IF cardinality(v_usages) < v_staged THEN
    PERFORM compensation_bill_overtaken(p_batch);
  END IF;
  IF v_owing < v_staged THEN
    PERFORM compensation_bill_free(p_batch, p_at);
  END IF;
  IF v_owing > 0 AND NOT EXISTS (SELECT FROM compensation_stagekind WHERE batch = p_batch) THEN
    PERFORM compensation_bill_kinds(p_batch);
  END IF;
  FOR v_asset IN
    SELECT DISTINCT asset_id FROM compensation_stagekind WHERE batch = p_batch ORDER BY asset_id
  LOOP
    IF v_asset IS NULL THEN
      PERFORM compensation_bill_unknown(p_batch, p_at);
      CONTINUE;
    END IF;
    SELECT number + 1 INTO v_entry FROM compensation_journalhead WHERE id = 1;
    SELECT * INTO v_made
      FROM compensation_bill_price(p_batch, v_asset, p_period, v_entry, p_at, v_charged_to);
    CONTINUE WHEN v_made.charges IS NULL;
    SELECT * INTO v_lines
      FROM compensation_bill_lines(v_asset, v_made.accounts, v_made.paid,
        v_made.weight_versions, v_made.earned);
    PERFORM compensation_append('usage', v_asset, v_lines.accounts, v_lines.amounts, p_at, p_at,
      'usage:' || p_batch || ':' || v_asset, '{"batch":"' || p_batch || '"}', NULL, p_matures_at,
      v_made.charges, compensation_charges_digest(v_made.digests));
    RETURN NEXT v_entry;
  END LOOP;
  DELETE FROM compensation_waiting w USING compensation_stage s
   WHERE s.batch = p_batch AND w.usage_id = s.usage_id AND EXISTS (
     SELECT FROM compensation_charge c
      WHERE c.usage_id = w.usage_id AND c.revision >= w.revision);
  DELETE FROM compensation_stagekind WHERE batch = p_batch;
  DELETE FROM compensation_stage WHERE batch = p_batch;
END $$;

-- Tell the indexes by ranges what was added since the last time; part by part, outside of billing.
CREATE FUNCTION compensation_summarize() RETURNS bigint
  LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT sum(brin_summarize_new_values(name::regclass)) FROM unnest(ARRAY['charge_by_number',
    'charge_by_group', 'charge_group_by_number', 'charge_group_by_entry']) AS name
$$;
