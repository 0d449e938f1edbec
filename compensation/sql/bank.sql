-- What is known of payments by bank is only added to; nothing of it is ever deleted.

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['bankfile', 'bankstatement', 'explanation', 'paymentrun',
    'payoutbounds', 'payoutstep', 'payoutterms']
  LOOP
    EXECUTE format('CREATE TRIGGER compensation_%1$s_keep BEFORE UPDATE ON compensation_%1$s'
      ' FOR EACH ROW EXECUTE FUNCTION compensation_refuse()', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['bankaccount', 'bankbooking', 'bankfile', 'bankpayout',
    'bankstatement', 'difference', 'explanation', 'paymentrun', 'payoutbounds', 'payoutstep',
    'payoutterms']
  LOOP
    EXECUTE format('CREATE TRIGGER compensation_%1$s_stays BEFORE DELETE ON compensation_%1$s'
      ' FOR EACH ROW EXECUTE FUNCTION compensation_refuse()', name);
    EXECUTE format('CREATE TRIGGER compensation_%1$s_is_whole BEFORE TRUNCATE ON'
      ' compensation_%1$s FOR EACH STATEMENT EXECUTE FUNCTION compensation_refuse()', name);
  END LOOP;
END $$;

-- Where money was once sent stays readable: only how far it is trusted changes.
CREATE TRIGGER compensation_payoutmethod_keep BEFORE UPDATE ON compensation_payoutmethod
  FOR EACH ROW
  WHEN ((OLD.id, OLD.party_id, OLD.kind, OLD.address, OLD.asset_id, OLD.hidden_iban,
         OLD.iban_print, OLD.bic, OLD.holder, OLD.added_by_id, OLD.added_at)
        IS DISTINCT FROM (NEW.id, NEW.party_id, NEW.kind, NEW.address, NEW.asset_id,
         NEW.hidden_iban, NEW.iban_print, NEW.bic, NEW.holder, NEW.added_by_id, NEW.added_at)
        OR (OLD.removed_at IS NOT NULL AND NEW.removed_at IS DISTINCT FROM OLD.removed_at))
  EXECUTE FUNCTION compensation_refuse_change();

CREATE TRIGGER compensation_bankaccount_keep BEFORE UPDATE ON compensation_bankaccount
  FOR EACH ROW
  WHEN ((OLD.id, OLD.asset_id, OLD.holder, OLD.iban, OLD.bic, OLD.message, OLD.is_structured,
         OLD.opened_at)
        IS DISTINCT FROM (NEW.id, NEW.asset_id, NEW.holder, NEW.iban, NEW.bic, NEW.message,
         NEW.is_structured, NEW.opened_at)
        OR OLD.closed_at IS NOT NULL)
  EXECUTE FUNCTION compensation_refuse_change();

CREATE TRIGGER compensation_bankpayout_keep BEFORE UPDATE ON compensation_bankpayout
  FOR EACH ROW
  WHEN ((OLD.id, OLD.run_id, OLD.party_id, OLD.asset_id, OLD.method_id, OLD.reference,
         OLD.remittance, OLD.amount_units, OLD.amount_minor)
        IS DISTINCT FROM (NEW.id, NEW.run_id, NEW.party_id, NEW.asset_id, NEW.method_id,
         NEW.reference, NEW.remittance, NEW.amount_units, NEW.amount_minor))
  EXECUTE FUNCTION compensation_refuse_change();

-- What a bank booked is as the bank said; which payout it belongs to is found once.
CREATE TRIGGER compensation_bankbooking_keep BEFORE UPDATE ON compensation_bankbooking
  FOR EACH ROW
  WHEN ((OLD.id, OLD.account_id, OLD.statement_id, OLD.entry_reference, OLD.detail,
         OLD.amount_minor, OLD.booked_on, OLD.end_to_end_id, OLD.remittance, OLD.is_return,
         OLD.file_id, OLD.seen_at)
        IS DISTINCT FROM (NEW.id, NEW.account_id, NEW.statement_id, NEW.entry_reference,
         NEW.detail, NEW.amount_minor, NEW.booked_on, NEW.end_to_end_id, NEW.remittance,
         NEW.is_return, NEW.file_id, NEW.seen_at)
        OR OLD.state = 'matched')
  EXECUTE FUNCTION compensation_refuse_change();
