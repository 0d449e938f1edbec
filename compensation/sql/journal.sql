-- The only ways to add to the journal. They run as the owner of the tables, with a fixed search
-- path; the application may call them and can write no line, entry or balance in another way.

-- Moments are hashed as whole microseconds since 1970.
CREATE FUNCTION compensation_micros(moment timestamptz) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce((extract(epoch FROM moment) * 1000000)::bigint::text, '')
$$;

-- Wait for our turn: from here to the end of the transaction nobody else posts.
CREATE FUNCTION compensation_lock_journal() RETURNS bigint
  LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT number FROM compensation_journalhead WHERE id = 1 FOR UPDATE
$$;

-- The period that an entry effective at a moment is posted to: the month of that moment, or the one
-- after the last closed month, whichever is later. Periods close in order, so that is the earliest
-- open one. A month is made when it is first asked for.
CREATE FUNCTION compensation_period_for(p_at timestamptz) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  v_at timestamptz;
  v_zone text;
  v_month timestamp;
  v_name text;
BEGIN
  SELECT greatest(p_at, max(ends_at)) INTO v_at
    FROM compensation_period WHERE closed_at IS NOT NULL;
  SELECT name INTO v_name FROM compensation_period
   WHERE starts_at <= v_at AND ends_at > v_at ORDER BY starts_at DESC LIMIT 1;
  IF NOT FOUND THEN
    SELECT zone INTO STRICT v_zone FROM compensation_calendar WHERE id = 1;
    v_month := date_trunc('month', v_at AT TIME ZONE v_zone);
    v_name := to_char(v_month, 'YYYY-MM');
    INSERT INTO compensation_period (name, starts_at, ends_at)
    VALUES (v_name, v_month AT TIME ZONE v_zone, (v_month + interval '1 month') AT TIME ZONE v_zone)
    ON CONFLICT (name) DO NOTHING;
  END IF;
  RETURN v_name;
END $$;

-- Add one entry with all its lines, chained to the last one; returns its number. Accounts come
-- once each, amounts are not zero and add up to zero: the triggers prove it.
--   hash = sha256(previous hash || int8 number || sha256(header) || sha256(lines) || charges)
--   header = kind, asset, effective, posted, key, reverses, matures, period, facts, one line each
--   lines = int8 account || int8 amount, by account; charges = 32 bytes, zero without charges
CREATE FUNCTION compensation_append(
  p_kind text, p_asset bigint, p_accounts bigint[], p_amounts bigint[],
  p_effective_at timestamptz, p_posted_at timestamptz, p_key text, p_facts text,
  p_reverses bigint, p_matures_at timestamptz, p_charge_count integer, p_charges_digest bytea
) RETURNS bigint LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  head compensation_journalhead;
  v_period text;
  v_header bytea;
  v_lines bytea;
  v_hash bytea;
BEGIN
  SELECT * INTO STRICT head FROM compensation_journalhead WHERE id = 1 FOR UPDATE;
  head.number := head.number + 1;
  v_period := compensation_period_for(p_effective_at);
  SELECT sha256(convert_to(concat_ws(E'\n', p_kind, a.code, compensation_micros(p_effective_at),
           compensation_micros(p_posted_at), p_key, coalesce(p_reverses::text, ''),
           compensation_micros(p_matures_at), v_period, p_facts), 'UTF8'))
    INTO STRICT v_header FROM compensation_asset a WHERE a.id = p_asset;
  SELECT sha256(coalesce(string_agg(int8send(u.account) || int8send(u.amount), ''::bytea
           ORDER BY u.account), ''::bytea))
    INTO v_lines FROM unnest(p_accounts, p_amounts) AS u(account, amount);
  v_hash := sha256(head.hash || int8send(head.number) || v_header || v_lines || p_charges_digest);
  INSERT INTO compensation_entry (id, kind, asset_id, effective_at, posted_at, idempotency_key,
    reverses_id, facts_text, matures_at, period_id, line_count, charge_count, charges_digest,
    previous_hash, hash)
  VALUES (head.number, p_kind, p_asset, p_effective_at, p_posted_at, p_key, p_reverses, p_facts,
    p_matures_at, v_period, cardinality(p_accounts), p_charge_count, p_charges_digest, head.hash,
    v_hash);
  INSERT INTO compensation_line (entry_id, account_id, amount_units)
  SELECT head.number, u.account, u.amount FROM unnest(p_accounts, p_amounts) AS u(account, amount)
   ORDER BY u.account;
  IF p_matures_at IS NOT NULL THEN
    INSERT INTO compensation_maturity (entry_id, matures_at) VALUES (head.number, p_matures_at);
  END IF;
  UPDATE compensation_journalhead SET number = head.number, hash = v_hash WHERE id = 1;
  RETURN head.number;
END $$;

-- Post an entry. Lines of one account are netted. The same key again returns the entry that was
-- made with it, or refuses if that one moved something else.
CREATE FUNCTION compensation_post(
  p_kind text, p_asset bigint, p_accounts bigint[], p_amounts bigint[],
  p_effective_at timestamptz, p_posted_at timestamptz, p_key text, p_facts text,
  p_reverses bigint, p_matures_at timestamptz
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  v_accounts bigint[];
  v_amounts bigint[];
  earlier compensation_entry;
BEGIN
  PERFORM 1 FROM compensation_journalhead WHERE id = 1 FOR UPDATE;
  SELECT coalesce(array_agg(n.account ORDER BY n.account), '{}'),
         coalesce(array_agg(n.amount::bigint ORDER BY n.account), '{}')
    INTO v_accounts, v_amounts
    FROM (SELECT u.account, sum(u.amount) AS amount
            FROM unnest(p_accounts, p_amounts) AS u(account, amount)
           GROUP BY u.account HAVING sum(u.amount) <> 0) n;
  SELECT * INTO earlier FROM compensation_entry WHERE idempotency_key = p_key;
  IF FOUND THEN
    IF earlier.kind = p_kind AND earlier.asset_id = p_asset AND NOT EXISTS (
      SELECT FROM (SELECT account_id, amount_units FROM compensation_line
                    WHERE entry_id = earlier.id) l
        FULL JOIN unnest(v_accounts, v_amounts) AS u(account, amount)
          ON u.account = l.account_id AND u.amount = l.amount_units
       WHERE l.account_id IS NULL OR u.account IS NULL)
    THEN
      RETURN earlier.id;
    END IF;
    RAISE EXCEPTION 'the key % belongs to entry %, which moved something else', p_key, earlier.id
      USING ERRCODE = 'unique_violation';
  END IF;
  IF p_kind = 'conversion' THEN
    RAISE EXCEPTION 'a conversion is posted by compensation_convert' USING ERRCODE = 'check_violation';
  END IF;
  IF p_reverses IS NOT NULL AND EXISTS (
    SELECT FROM (SELECT account_id, amount_units FROM compensation_line
                  WHERE entry_id = p_reverses) l
      FULL JOIN unnest(v_accounts, v_amounts) AS u(account, amount)
        ON u.account = l.account_id AND u.amount = -l.amount_units
     WHERE l.account_id IS NULL OR u.account IS NULL)
  THEN
    RAISE EXCEPTION 'a reversal of entry % moves what it moved, the other way', p_reverses
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN compensation_append(p_kind, p_asset, v_accounts, v_amounts, p_effective_at, p_posted_at,
    p_key, p_facts, p_reverses, p_matures_at, 0, decode(repeat('00', 32), 'hex'));
END $$;

-- How far a lab may go under zero. A limit that its debt has passed already is refused.
CREATE FUNCTION compensation_set_limit(
  p_account bigint, p_limit bigint, p_reason text, p_at timestamptz
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM 1 FROM compensation_journalhead WHERE id = 1 FOR UPDATE;
  IF NOT EXISTS (SELECT FROM compensation_account WHERE id = p_account AND kind = 'lab') THEN
    RAISE EXCEPTION 'only a lab has a credit limit' USING ERRCODE = 'check_violation';
  END IF;
  INSERT INTO compensation_creditlimit (account_id, limit_units, reason, set_at)
  VALUES (p_account, p_limit, p_reason, p_at);
  UPDATE compensation_balance SET floor = -p_limit WHERE account_id = p_account;
END $$;
