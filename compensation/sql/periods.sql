-- Periods that close, and what is added up so that a balance of long ago is found at once.

-- Add up the lines of up to `p_limit` entries that came since the last time; returns how many.
CREATE FUNCTION compensation_add_turnovers(p_limit bigint) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  v_from bigint;
  v_to bigint;
BEGIN
  SELECT number INTO STRICT v_from FROM compensation_turnovermark WHERE id = 1 FOR UPDATE;
  SELECT least(v_from + p_limit, number) INTO STRICT v_to
    FROM compensation_journalhead WHERE id = 1;
  WITH moved AS MATERIALIZED (
    SELECT l.account_id, l.amount_units, e.effective_at, e.posted_at, e.period_id
      FROM compensation_entry e JOIN compensation_line l ON l.entry_id = e.id
     WHERE e.id > v_from AND e.id <= v_to
  ), turnovers AS (
    INSERT INTO compensation_turnover AS t (account_id, effective_hour, posted_hour, amount_units)
    SELECT m.account_id, date_trunc('hour', m.effective_at, 'UTC'),
           date_trunc('hour', m.posted_at, 'UTC'), sum(m.amount_units)
      FROM moved m GROUP BY 1, 2, 3
    ON CONFLICT (account_id, effective_hour, posted_hour)
      DO UPDATE SET amount_units = t.amount_units + excluded.amount_units
  )
  INSERT INTO compensation_periodtotal AS t (period_id, asset_id, kind, credited_units,
    debited_units, line_count)
  SELECT m.period_id, a.asset_id, a.kind,
         coalesce(sum(m.amount_units) FILTER (WHERE m.amount_units > 0), 0),
         coalesce(-sum(m.amount_units) FILTER (WHERE m.amount_units < 0), 0), count(*)
    FROM moved m JOIN compensation_account a ON a.id = m.account_id
   WHERE m.period_id IS NOT NULL
   GROUP BY 1, 2, 3
  ON CONFLICT (period_id, asset_id, kind)
    DO UPDATE SET credited_units = t.credited_units + excluded.credited_units,
      debited_units = t.debited_units + excluded.debited_units,
      line_count = t.line_count + excluded.line_count;
  UPDATE compensation_turnovermark SET number = v_to WHERE id = 1 AND number <> v_to;
  RETURN v_to - v_from;
END $$;

-- Close a month that is over, after those before it; returns the last entry's number. The same
-- month again changes nothing.
CREATE FUNCTION compensation_close_period(p_name text, p_at timestamptz, p_by bigint)
  RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  v_number bigint;
  period compensation_period;
BEGIN
  SELECT number INTO STRICT v_number FROM compensation_journalhead WHERE id = 1 FOR UPDATE;
  SELECT * INTO STRICT period FROM compensation_period WHERE name = p_name FOR UPDATE;
  IF period.closed_at IS NOT NULL THEN
    RETURN period.last_number;
  ELSIF p_at < period.ends_at THEN
    RAISE EXCEPTION 'period % is not over', p_name USING ERRCODE = 'check_violation';
  ELSIF EXISTS (SELECT FROM compensation_period
                 WHERE closed_at IS NULL AND starts_at < period.starts_at) THEN
    RAISE EXCEPTION 'a period before % is open', p_name USING ERRCODE = 'check_violation';
  ELSIF EXISTS (SELECT FROM compensation_stage) THEN
    RAISE EXCEPTION 'usages are staged' USING ERRCODE = 'check_violation';
  END IF;
  PERFORM compensation_add_turnovers(v_number);
  UPDATE compensation_period SET closed_at = p_at, closed_by_id = p_by, last_number = v_number
   WHERE name = p_name;
  RETURN v_number;
END $$;
