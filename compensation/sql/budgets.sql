-- What the cap that a run accepted leaves to be charged, for billing.

-- What a run was charged so far in an asset: the sum of its usages' charges.
CREATE FUNCTION compensation_run_charged(p_run uuid, p_asset bigint) RETURNS numeric
  LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
  SELECT coalesce(sum(c.amount_units), 0)
    FROM provenance_usage u
    JOIN compensation_charge c ON c.usage_id = u.id
    JOIN compensation_account a ON a.id = c.account_id AND a.asset_id = p_asset
   WHERE u.run_id = p_run
$$;

-- What a run may still be charged in an asset; null where it accepted no cap in it.
CREATE FUNCTION compensation_run_room(p_run uuid, p_asset bigint) RETURNS numeric
  LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
  SELECT r.cap_units - compensation_run_charged(r.id, a.id)
    FROM provenance_run r JOIN compensation_asset a ON a.code = r.cap_asset
   WHERE r.id = p_run AND a.id = p_asset
$$;
