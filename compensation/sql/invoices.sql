-- Numbers of invoices, and what the database refuses of them, whoever asks; made once.

-- The next number of the series, under the series' lock: another one waits for our commit, and if
-- we roll back it takes the same number. Nobody else can move a series.
CREATE FUNCTION compensation_number_invoice() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO compensation_invoiceseries AS s (name, last_number) VALUES (NEW.series, 1)
  ON CONFLICT (name) DO UPDATE SET last_number = s.last_number + 1
  RETURNING last_number INTO NEW.sequence;
  NEW.number := NEW.series || '-' || lpad(NEW.sequence::text, 6, '0');
  IF NOT EXISTS (SELECT FROM compensation_period
                  WHERE name = NEW.period_id AND closed_at IS NOT NULL) THEN
    RAISE EXCEPTION 'period % is open: it has no invoices yet', NEW.period_id
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER compensation_invoice_is_numbered BEFORE INSERT ON compensation_invoice
  FOR EACH ROW EXECUTE FUNCTION compensation_number_invoice();

-- All lines of an invoice come in one statement and add up to its net amount.
CREATE FUNCTION compensation_take_invoice_lines() RETURNS trigger
  LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  wrong record;
BEGIN
  FOR wrong IN
    SELECT n.invoice_id, count(*) AS added, sum(n.amount_units) AS total,
           max(i.line_count) AS promised, max(i.net_units) AS net,
           (SELECT count(*) FROM compensation_invoiceline l
             WHERE l.invoice_id = n.invoice_id) AS present
      FROM added n JOIN compensation_invoice i ON i.id = n.invoice_id
     GROUP BY n.invoice_id
  LOOP
    IF wrong.present <> wrong.added THEN
      RAISE EXCEPTION 'invoice % is issued: no line can be added to it', wrong.invoice_id
        USING ERRCODE = 'restrict_violation';
    ELSIF wrong.total <> wrong.net OR wrong.added <> wrong.promised THEN
      RAISE EXCEPTION 'the % lines of invoice % add up to %, and % of % are promised',
        wrong.added, wrong.invoice_id, wrong.total, wrong.promised, wrong.net
        USING ERRCODE = 'check_violation';
    END IF;
  END LOOP;
  RETURN NULL;
END $$;
CREATE TRIGGER compensation_invoiceline_adds_up AFTER INSERT ON compensation_invoiceline
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION compensation_take_invoice_lines();

-- An invoice that promised lines and got none is found when its transaction commits.
CREATE FUNCTION compensation_check_invoice() RETURNS trigger
  LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF (SELECT count(*) FROM compensation_invoiceline WHERE invoice_id = NEW.id) <> NEW.line_count
  THEN
    RAISE EXCEPTION 'invoice % lacks lines', NEW.number USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER compensation_invoice_is_whole_at_commit AFTER INSERT
  ON compensation_invoice DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION compensation_check_invoice();

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['invoice', 'invoiceline', 'invoiceevent', 'taxprofile', 'taxrule']
  LOOP
    EXECUTE format('CREATE TRIGGER compensation_%1$s_keep BEFORE UPDATE ON compensation_%1$s'
      ' FOR EACH ROW EXECUTE FUNCTION compensation_refuse()', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['invoice', 'invoiceline', 'invoiceevent', 'invoiceseries',
    'taxprofile', 'taxrule']
  LOOP
    EXECUTE format('CREATE TRIGGER compensation_%1$s_stays BEFORE DELETE ON compensation_%1$s'
      ' FOR EACH ROW EXECUTE FUNCTION compensation_refuse()', name);
    EXECUTE format('CREATE TRIGGER compensation_%1$s_is_whole BEFORE TRUNCATE ON'
      ' compensation_%1$s FOR EACH STATEMENT EXECUTE FUNCTION compensation_refuse()', name);
  END LOOP;
END $$;
