-- Holds: amounts set aside, posted in parts, given back, or expired by this server's clock.
-- A refusal has a code of its own: TMH01 not open, TMH02 more than is left, TMH03 expired.

-- Set an amount aside; the balance's own constraint refuses what is not there. The same key again
-- returns the hold that was placed with it.
CREATE FUNCTION compensation_hold_place(
  p_account bigint, p_amount bigint, p_key text, p_expires_at timestamptz, p_at timestamptz
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  held compensation_hold;
BEGIN
  PERFORM 1 FROM compensation_journalhead WHERE id = 1 FOR UPDATE;
  SELECT * INTO held FROM compensation_hold WHERE idempotency_key = p_key;
  IF FOUND THEN
    IF held.account_id = p_account AND held.amount_units = p_amount THEN
      RETURN held.id;
    END IF;
    RAISE EXCEPTION 'the key % belongs to another hold', p_key USING ERRCODE = 'unique_violation';
  END IF;
  INSERT INTO compensation_hold (account_id, amount_units, remaining_units, idempotency_key, state,
    expires_at, created_at)
  VALUES (p_account, p_amount, p_amount, p_key, 'open', p_expires_at, p_at) RETURNING * INTO held;
  UPDATE compensation_balance SET held = compensation_balance.held + p_amount
   WHERE account_id = p_account;
  RETURN held.id;
END $$;

-- Give back what is left of a hold that was locked by the caller, and end it.
CREATE FUNCTION compensation_hold_release(p_id bigint, p_state text) RETURNS void
  LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  held compensation_hold;
BEGIN
  SELECT * INTO STRICT held FROM compensation_hold WHERE id = p_id;
  UPDATE compensation_hold SET state = p_state, remaining_units = 0, ended_at = clock_timestamp()
   WHERE id = p_id;
  UPDATE compensation_balance b SET held = b.held - held.remaining_units
   WHERE b.account_id = held.account_id AND held.remaining_units > 0;
END $$;

-- Post some of a hold, or all of it, as an entry from its account to others, who get positive
-- amounts. What is left stays held, or is given back with `p_frees_rest`. The same entry key again
-- returns the entry that was made with it.
CREATE FUNCTION compensation_hold_post(
  p_hold text, p_accounts bigint[], p_amounts bigint[], p_frees_rest boolean, p_kind text,
  p_effective_at timestamptz, p_posted_at timestamptz, p_key text, p_facts text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  hold compensation_hold;
  v_asset bigint;
  v_units numeric := (SELECT sum(a) FROM unnest(p_amounts) AS a);
  v_entry bigint;
  v_is_new boolean;
BEGIN
  PERFORM 1 FROM compensation_journalhead WHERE id = 1 FOR UPDATE;
  SELECT * INTO hold FROM compensation_hold WHERE idempotency_key = p_hold;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no hold %', p_hold USING ERRCODE = 'TMH01';
  ELSIF v_units IS NULL OR EXISTS (SELECT FROM unnest(p_amounts) AS a WHERE a <= 0 OR a IS NULL) THEN
    RAISE EXCEPTION 'a hold is posted in positive amounts' USING ERRCODE = 'check_violation';
  ELSIF hold.account_id = ANY (p_accounts) THEN
    RAISE EXCEPTION 'a hold is posted to another account' USING ERRCODE = 'check_violation';
  END IF;
  v_is_new := NOT EXISTS (SELECT FROM compensation_entry WHERE idempotency_key = p_key);
  IF v_is_new THEN
    IF hold.state <> 'open' THEN
      RAISE EXCEPTION 'the hold % is not open, it is %', p_hold, hold.state USING ERRCODE = 'TMH01';
    ELSIF hold.expires_at <= clock_timestamp() THEN
      RAISE EXCEPTION 'the hold % has expired', p_hold USING ERRCODE = 'TMH03';
    ELSIF v_units > hold.remaining_units THEN
      RAISE EXCEPTION '% units are left of the hold %, and % were asked for',
        hold.remaining_units, p_hold, v_units USING ERRCODE = 'TMH02';
    END IF;
    UPDATE compensation_hold SET remaining_units = remaining_units - v_units::bigint
     WHERE id = hold.id;
    UPDATE compensation_balance b SET held = b.held - v_units::bigint
     WHERE b.account_id = hold.account_id;
  END IF;
  SELECT asset_id INTO STRICT v_asset FROM compensation_account WHERE id = hold.account_id;
  v_entry := compensation_post(p_kind, v_asset, p_accounts || hold.account_id,
    p_amounts || (-v_units)::bigint, p_effective_at, p_posted_at, p_key, p_facts, NULL, NULL);
  IF v_is_new THEN
    INSERT INTO compensation_holdpart (hold_id, entry_id, amount_units)
    VALUES (hold.id, v_entry, v_units::bigint);
    IF p_frees_rest OR v_units = hold.remaining_units THEN
      PERFORM compensation_hold_release(hold.id, 'posted');
    END IF;
  ELSIF NOT EXISTS (SELECT FROM compensation_holdpart
                     WHERE hold_id = hold.id AND entry_id = v_entry) THEN
    RAISE EXCEPTION 'the key % belongs to an entry of something else', p_key
      USING ERRCODE = 'unique_violation';
  END IF;
  RETURN v_entry;
END $$;

-- Give back what is left of a hold; false if it was not open.
CREATE FUNCTION compensation_hold_void(p_key text) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  v_id bigint;
BEGIN
  PERFORM 1 FROM compensation_journalhead WHERE id = 1 FOR UPDATE;
  SELECT id INTO v_id FROM compensation_hold WHERE idempotency_key = p_key AND state = 'open';
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM compensation_hold_release(v_id, 'void');
  RETURN true;
END $$;

-- End up to `p_limit` holds whose time is over by this server's clock; returns how many.
CREATE FUNCTION compensation_holds_expire(p_limit bigint) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  v_count bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM compensation_hold
                  WHERE state = 'open' AND expires_at <= clock_timestamp()) THEN
    RETURN 0;  -- nothing to do is no reason to wait for a turn
  END IF;
  PERFORM 1 FROM compensation_journalhead WHERE id = 1 FOR UPDATE;
  SELECT count(compensation_hold_release(due.id, 'expired')::text) INTO v_count
    FROM (SELECT id FROM compensation_hold
           WHERE state = 'open' AND expires_at <= clock_timestamp()
           ORDER BY id LIMIT p_limit) due;
  RETURN v_count;
END $$;
