-- What the database refuses, whoever asks: changed facts, unbalanced entries, unsealed lines.
-- The triggers hold for the owner of the tables too, who would have to drop them first.

CREATE FUNCTION compensation_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is refused: rows of % are only added', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION compensation_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are facts: this column never changes', TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$;

-- No fact is ever changed, and nothing at all is deleted.
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['account', 'entry', 'line', 'charge', 'chargegroup',
    'weight', 'cell', 'restatement', 'creditlimit', 'platformfee', 'deposit', 'payoutleaf', 'payout', 'payoutclaim']
  LOOP
    EXECUTE format('CREATE TRIGGER compensation_%1$s_keep BEFORE UPDATE ON compensation_%1$s'
      ' FOR EACH ROW EXECUTE FUNCTION compensation_refuse()', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['asset', 'account', 'balance', 'journalhead', 'entry', 'line',
    'charge', 'chargegroup', 'weightversion', 'weight', 'cell', 'restatement', 'maturity', 'take', 'hold',
    'creditlimit', 'platformfee', 'deposit', 'payoutmethod', 'payoutepoch', 'payoutleaf',
    'payout', 'payoutclaim', 'paidcursor']
  LOOP
    EXECUTE format('CREATE TRIGGER compensation_%1$s_stays BEFORE DELETE ON compensation_%1$s'
      ' FOR EACH ROW EXECUTE FUNCTION compensation_refuse()', name);
    EXECUTE format('CREATE TRIGGER compensation_%1$s_is_whole BEFORE TRUNCATE ON'
      ' compensation_%1$s FOR EACH STATEMENT EXECUTE FUNCTION compensation_refuse()', name);
  END LOOP;
END $$;

CREATE TRIGGER compensation_asset_keep BEFORE UPDATE ON compensation_asset FOR EACH ROW
  WHEN ((OLD.id, OLD.code, OLD.scale, OLD.token_decimals)
        IS DISTINCT FROM (NEW.id, NEW.code, NEW.scale, NEW.token_decimals))
  EXECUTE FUNCTION compensation_refuse_change();

-- A weight version's total grows while it is open; then it is closed for good.
CREATE TRIGGER compensation_weightversion_keep BEFORE UPDATE ON compensation_weightversion
  FOR EACH ROW
  WHEN ((OLD.id, OLD.version_id, OLD.asset_id, OLD.counted, OLD.number, OLD.fee_basis_points,
         OLD.marker, OLD.weight_sum, OLD.opened_at)
        IS DISTINCT FROM (NEW.id, NEW.version_id, NEW.asset_id, NEW.counted, NEW.number,
         NEW.fee_basis_points, NEW.marker, NEW.weight_sum, NEW.opened_at)
        OR OLD.closed_at IS NOT NULL)
  EXECUTE FUNCTION compensation_refuse_change();

CREATE TRIGGER compensation_maturity_keep BEFORE UPDATE ON compensation_maturity FOR EACH ROW
  WHEN ((OLD.entry_id, OLD.matures_at) IS DISTINCT FROM (NEW.entry_id, NEW.matures_at)
        OR OLD.matured_at IS NOT NULL)
  EXECUTE FUNCTION compensation_refuse_change();

CREATE TRIGGER compensation_take_keep BEFORE UPDATE ON compensation_take FOR EACH ROW
  WHEN ((OLD.account_id, OLD.entry_id, OLD.amount_units)
        IS DISTINCT FROM (NEW.account_id, NEW.entry_id, NEW.amount_units)
        OR NEW.remaining_units > OLD.remaining_units)
  EXECUTE FUNCTION compensation_refuse_change();

-- A balance exists because its account does, and moves only because a line was added.
CREATE FUNCTION compensation_open_balance() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO compensation_balance (account_id, posted, held, floor)
  VALUES (NEW.id, 0, 0,
    CASE WHEN NEW.kind IN ('external', 'receivable', 'rounding') THEN NULL ELSE 0 END);
  RETURN NULL;
END $$;
CREATE TRIGGER compensation_account_opens AFTER INSERT ON compensation_account
  FOR EACH ROW EXECUTE FUNCTION compensation_open_balance();

CREATE FUNCTION compensation_refuse_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a balance changes only by the lines of an entry'
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER compensation_balance_moves_by_lines BEFORE UPDATE ON compensation_balance
  FOR EACH ROW WHEN (OLD.posted IS DISTINCT FROM NEW.posted AND pg_trigger_depth() = 0)
  EXECUTE FUNCTION compensation_refuse_balance();
CREATE TRIGGER compensation_balance_opens_with_account BEFORE INSERT ON compensation_balance
  FOR EACH ROW WHEN (pg_trigger_depth() = 0)
  EXECUTE FUNCTION compensation_refuse_balance();

-- All lines of an entry come in one statement and add up to zero; then the entry is sealed.
CREATE FUNCTION compensation_take_lines() RETURNS trigger
  LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  wrong record;
BEGIN
  FOR wrong IN
    SELECT n.entry_id, count(*) AS added, count(a.id) AS fitting, sum(n.amount_units) AS total,
           max(e.line_count) AS promised,
           (SELECT count(*) FROM compensation_line l WHERE l.entry_id = n.entry_id) AS present
      FROM added n
      LEFT JOIN compensation_entry e ON e.id = n.entry_id
      LEFT JOIN compensation_account a ON a.id = n.account_id AND a.asset_id = e.asset_id
     GROUP BY n.entry_id
  LOOP
    IF wrong.present <> wrong.added THEN
      RAISE EXCEPTION 'entry % is sealed: no line can be added to it', wrong.entry_id
        USING ERRCODE = 'restrict_violation';
    ELSIF wrong.fitting <> wrong.added THEN
      RAISE EXCEPTION 'entry % names an account that is not there or holds another asset',
        wrong.entry_id USING ERRCODE = 'foreign_key_violation';
    ELSIF wrong.total <> 0 OR wrong.added <> wrong.promised THEN
      RAISE EXCEPTION 'entry % is unbalanced: % lines of % add up to %',
        wrong.entry_id, wrong.added, wrong.promised, wrong.total
        USING ERRCODE = 'check_violation';
    END IF;
  END LOOP;
  UPDATE compensation_balance b SET posted = b.posted + s.amount
    FROM (SELECT account_id, sum(amount_units)::bigint AS amount FROM added GROUP BY account_id) s
   WHERE b.account_id = s.account_id;
  RETURN NULL;
END $$;
CREATE TRIGGER compensation_line_balances AFTER INSERT ON compensation_line
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION compensation_take_lines();

-- An entry that promised lines and got none is found when its transaction commits.
CREATE FUNCTION compensation_check_entry() RETURNS trigger
  LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF (SELECT count(*) FROM compensation_line WHERE entry_id = NEW.id) <> NEW.line_count THEN
    RAISE EXCEPTION 'entry % lacks lines', NEW.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER compensation_entry_is_whole_at_commit AFTER INSERT
  ON compensation_entry DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION compensation_check_entry();

-- The chain of entries starts from a hash that anybody can compute.
INSERT INTO compensation_journalhead (id, number, hash)
VALUES (1, 0, sha256(convert_to('tallymark journal', 'UTF8')));
ALTER TABLE compensation_journalhead
  ADD CONSTRAINT compensation_one_head CHECK (id = 1);

-- Rows that are updated in place leave room for it; what only passes through is not logged.
ALTER TABLE compensation_balance SET (fillfactor = 50);
ALTER TABLE compensation_weightversion SET (fillfactor = 50);
ALTER TABLE compensation_stage SET UNLOGGED;
