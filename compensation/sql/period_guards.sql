-- What the database refuses of periods, holds and conversions, whoever asks; made once.

CREATE FUNCTION compensation_check_period() RETURNS trigger
  LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM compensation_period
                  WHERE name = NEW.period_id AND closed_at IS NULL) THEN
    RAISE EXCEPTION 'entry % cannot enter period %: it is closed, or there is no such period',
      NEW.id, NEW.period_id USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER compensation_entry_enters_an_open_period BEFORE INSERT ON compensation_entry
  FOR EACH ROW EXECUTE FUNCTION compensation_check_period();

CREATE TRIGGER compensation_period_keep BEFORE UPDATE ON compensation_period FOR EACH ROW
  WHEN ((OLD.name, OLD.starts_at, OLD.ends_at) IS DISTINCT FROM (NEW.name, NEW.starts_at, NEW.ends_at)
        OR OLD.closed_at IS NOT NULL)
  EXECUTE FUNCTION compensation_refuse_change();
CREATE TRIGGER compensation_hold_keep BEFORE UPDATE ON compensation_hold FOR EACH ROW
  WHEN ((OLD.id, OLD.account_id, OLD.amount_units, OLD.idempotency_key, OLD.expires_at,
         OLD.created_at)
        IS DISTINCT FROM (NEW.id, NEW.account_id, NEW.amount_units, NEW.idempotency_key,
         NEW.expires_at, NEW.created_at)
        OR NEW.remaining_units > OLD.remaining_units OR OLD.state <> 'open')
  EXECUTE FUNCTION compensation_refuse_change();

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['calendar', 'conversion', 'holdpart'] LOOP
    EXECUTE format('CREATE TRIGGER compensation_%1$s_keep BEFORE UPDATE ON compensation_%1$s'
      ' FOR EACH ROW EXECUTE FUNCTION compensation_refuse()', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['calendar', 'conversion', 'holdpart', 'period'] LOOP
    EXECUTE format('CREATE TRIGGER compensation_%1$s_stays BEFORE DELETE ON compensation_%1$s'
      ' FOR EACH ROW EXECUTE FUNCTION compensation_refuse()', name);
    EXECUTE format('CREATE TRIGGER compensation_%1$s_is_whole BEFORE TRUNCATE ON'
      ' compensation_%1$s FOR EACH STATEMENT EXECUTE FUNCTION compensation_refuse()', name);
  END LOOP;
END $$;

-- A header is hashed as lines: none of its parts may have two.
ALTER TABLE compensation_entry ADD CONSTRAINT entry_header_reads_one_way
  CHECK (position(chr(10) IN kind || idempotency_key || facts_text) = 0);
-- The treasury gives the floor of the price, and never a unit more or less.
ALTER TABLE compensation_conversion ADD CONSTRAINT conversion_gives_what_it_costs
  CHECK (to_units = div(from_units * numerator, denominator));
ALTER TABLE compensation_calendar ADD CONSTRAINT compensation_one_calendar CHECK (id = 1);
ALTER TABLE compensation_turnovermark ADD CONSTRAINT compensation_one_mark CHECK (id = 1);
INSERT INTO compensation_turnovermark (id, number) VALUES (1, 0);
