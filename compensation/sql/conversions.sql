-- Conversions: what one asset costs in another, out of the treasury, and no unit else.

-- Move `p_units` from an account to the treasury of its asset, and what they cost from the treasury
-- of the other asset to an account there: two entries, keyed `<key>:out` and `<key>:in`. The price
-- is `p_numerator / p_denominator` units for one unit; the part of a unit that it leaves stays in
-- the treasury. Returns the conversion; the same key again returns the one made with it.
CREATE FUNCTION compensation_convert(
  p_from bigint, p_to bigint, p_units bigint, p_to_units bigint, p_numerator numeric,
  p_denominator numeric, p_effective_at timestamptz, p_posted_at timestamptz, p_key text,
  p_facts text, p_reason text, p_by bigint
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  earlier compensation_conversion;
  zero bytea := decode(repeat('00', 32), 'hex');
  v_from_asset bigint;
  v_to_asset bigint;
  v_from_treasury bigint;
  v_to_treasury bigint;
  v_out bigint;
  v_in bigint;
  v_id bigint;
BEGIN
  PERFORM 1 FROM compensation_journalhead WHERE id = 1 FOR UPDATE;
  SELECT * INTO earlier FROM compensation_conversion WHERE idempotency_key = p_key;
  IF FOUND THEN
    IF (earlier.from_account_id, earlier.to_account_id, earlier.from_units, earlier.numerator,
        earlier.denominator) = (p_from, p_to, p_units, p_numerator, p_denominator) THEN
      RETURN earlier.id;
    END IF;
    RAISE EXCEPTION 'the key % belongs to another conversion', p_key
      USING ERRCODE = 'unique_violation';
  END IF;
  SELECT a.asset_id, t.id INTO STRICT v_from_asset, v_from_treasury
    FROM compensation_account a
    JOIN compensation_account t ON t.kind = 'treasury' AND t.asset_id = a.asset_id
   WHERE a.id = p_from;
  SELECT a.asset_id, t.id INTO STRICT v_to_asset, v_to_treasury
    FROM compensation_account a
    JOIN compensation_account t ON t.kind = 'treasury' AND t.asset_id = a.asset_id
   WHERE a.id = p_to;
  IF v_from_asset = v_to_asset THEN
    RAISE EXCEPTION 'a conversion joins two assets' USING ERRCODE = 'check_violation';
  END IF;
  v_out := compensation_append('conversion', v_from_asset, ARRAY[p_from, v_from_treasury],
    ARRAY[-p_units, p_units], p_effective_at, p_posted_at, p_key || ':out', p_facts, NULL, NULL, 0,
    zero);
  v_in := compensation_append('conversion', v_to_asset, ARRAY[v_to_treasury, p_to],
    ARRAY[-p_to_units, p_to_units], p_effective_at, p_posted_at, p_key || ':in', p_facts, NULL,
    NULL, 0, zero);
  INSERT INTO compensation_conversion (from_account_id, to_account_id, from_units, to_units,
    numerator, denominator, out_entry_id, in_entry_id, idempotency_key, reason, converted_at,
    converted_by_id)
  VALUES (p_from, p_to, p_units, p_to_units, p_numerator, p_denominator, v_out, v_in, p_key,
    p_reason, p_effective_at, p_by)
  RETURNING id INTO v_id;
  RETURN v_id;
END $$;
