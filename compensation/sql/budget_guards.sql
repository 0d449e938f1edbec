-- What the database refuses of budgets and incoming money, and the account of a lab's debt.

-- A lab owes what a refund took and it had spent: that account is under zero, without a floor.
CREATE FUNCTION compensation_open_debt() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE compensation_balance SET floor = NULL WHERE account_id = NEW.id;
  RETURN NULL;
END $$;
-- After the trigger that makes the balance: triggers fire by name.
CREATE TRIGGER compensation_account_opens_debt AFTER INSERT ON compensation_account
  FOR EACH ROW WHEN (NEW.kind = 'lab_debt') EXECUTE FUNCTION compensation_open_debt();

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['paymentevent', 'budgetnotice'] LOOP
    EXECUTE format('CREATE TRIGGER compensation_%1$s_keep BEFORE UPDATE ON compensation_%1$s'
      ' FOR EACH ROW EXECUTE FUNCTION compensation_refuse()', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['paymentevent', 'budgetnotice', 'payment', 'transfer',
    'payingaddress', 'budget', 'transfercursor', 'spendingmark']
  LOOP
    EXECUTE format('CREATE TRIGGER compensation_%1$s_stays BEFORE DELETE ON compensation_%1$s'
      ' FOR EACH ROW EXECUTE FUNCTION compensation_refuse()', name);
    EXECUTE format('CREATE TRIGGER compensation_%1$s_is_whole BEFORE TRUNCATE ON'
      ' compensation_%1$s FOR EACH STATEMENT EXECUTE FUNCTION compensation_refuse()', name);
  END LOOP;
END $$;

-- What the chain said stays; whose it is is said once.
CREATE TRIGGER compensation_transfer_keep BEFORE UPDATE ON compensation_transfer FOR EACH ROW
  WHEN ((OLD.asset_id, OLD.chain_id, OLD.tx_hash, OLD.log_index, OLD.block_number, OLD.sender,
         OLD.token_amount, OLD.amount_units)
        IS DISTINCT FROM (NEW.asset_id, NEW.chain_id, NEW.tx_hash, NEW.log_index,
         NEW.block_number, NEW.sender, NEW.token_amount, NEW.amount_units)
        OR OLD.deposit_id IS NOT NULL)
  EXECUTE FUNCTION compensation_refuse_change();

-- A payment is credited once, to one lab, in one asset.
CREATE TRIGGER compensation_payment_keep BEFORE UPDATE ON compensation_payment FOR EACH ROW
  WHEN ((OLD.provider, OLD.key) IS DISTINCT FROM (NEW.provider, NEW.key)
        OR (OLD.deposit_id IS NOT NULL AND (OLD.deposit_id, OLD.lab_id, OLD.asset_id)
            IS DISTINCT FROM (NEW.deposit_id, NEW.lab_id, NEW.asset_id)))
  EXECUTE FUNCTION compensation_refuse_change();

-- A budget ends; it never changes.
CREATE TRIGGER compensation_budget_keep BEFORE UPDATE ON compensation_budget FOR EACH ROW
  WHEN ((OLD.lab_id, OLD.project_id, OLD.asset_id, OLD.every, OLD.limit_units, OLD.set_at)
        IS DISTINCT FROM (NEW.lab_id, NEW.project_id, NEW.asset_id, NEW.every, NEW.limit_units,
         NEW.set_at)
        OR OLD.ended_at IS NOT NULL)
  EXECUTE FUNCTION compensation_refuse_change();
