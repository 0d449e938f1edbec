"""Facts are only added: triggers and revoked rights see to it, whoever asks.

The triggers hold for every role, the table's owner included (who must drop them first, which
shows); the revoked rights stop the application one step earlier. Works on PostgreSQL 15 to 18.
"""

from django.conf import settings
from django.db import migrations

# `record` variables take any table's row, so these functions depend on no schema path.
FUNCTIONS = """
CREATE FUNCTION provenance_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is refused: rows of % are only added', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$;

-- Event: inserted unnumbered; numbered and hashed once; nothing else ever changes.
CREATE FUNCTION provenance_keep_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  numbered record;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.sequence IS NOT NULL OR NEW.hash IS NOT NULL OR NEW.previous_hash IS NOT NULL THEN
      RAISE EXCEPTION 'events are numbered by the sealer, not when they are added'
        USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
  END IF;
  numbered := OLD;
  numbered.sequence := NEW.sequence;
  numbered.previous_hash := NEW.previous_hash;
  numbered.hash := NEW.hash;
  IF OLD.sequence IS NULL AND OLD.hash IS NULL AND NEW.sequence >= 1
     AND octet_length(NEW.previous_hash) = 32 AND octet_length(NEW.hash) = 32
     AND numbered IS NOT DISTINCT FROM NEW THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'event % is a fact: it is numbered once and never changes', OLD.id
    USING ERRCODE = 'restrict_violation';
END $$;

-- Record: it may be withdrawn or confirmed by a later version, or emptied by erasure.
CREATE FUNCTION provenance_keep_record() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  allowed record;
BEGIN
  allowed := OLD;
  allowed.withdrawn_number := NEW.withdrawn_number;
  allowed.confirmed_number := NEW.confirmed_number;
  IF NEW.key = '' AND NEW.digest = decode(repeat('00', 32), 'hex') THEN
    allowed.key := NEW.key;
    allowed.digest := NEW.digest;
  END IF;
  IF allowed IS NOT DISTINCT FROM NEW THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'record % is a fact: it may only be withdrawn or erased', OLD.id
    USING ERRCODE = 'restrict_violation';
END $$;

-- Version: once sealed, what was counted and committed stays; its state moves on.
CREATE FUNCTION provenance_keep_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  allowed record;
BEGIN
  IF OLD.sealed_at IS NULL THEN
    RETURN NEW;
  END IF;
  allowed := OLD;
  allowed.state := NEW.state;
  allowed.withdrawn_at := NEW.withdrawn_at;
  allowed.erased_at := NEW.erased_at;
  allowed.reason := NEW.reason;
  IF OLD.sealed_sequence IS NULL THEN
    allowed.sealed_sequence := NEW.sealed_sequence;
  END IF;
  IF NEW.salt IS NULL THEN
    allowed.salt := NULL;
  END IF;
  IF allowed IS NOT DISTINCT FROM NEW AND NEW.state IN ('sealed', 'withdrawn', 'erased') THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'version % is sealed: it may only be withdrawn or erased', OLD.id
    USING ERRCODE = 'restrict_violation';
END $$;

-- Grant: what was agreed is frozen when it is given.
CREATE FUNCTION provenance_keep_grant() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  allowed record;
BEGIN
  IF OLD.state = 'requested' THEN
    RETURN NEW;
  END IF;
  allowed := OLD;
  IF OLD.state = 'given' AND NEW.state = 'revoked' THEN
    allowed.state := NEW.state;
    allowed.reason := NEW.reason;
    allowed.valid_to := NEW.valid_to;
  END IF;
  IF allowed IS NOT DISTINCT FROM NEW THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'grant % is decided: its terms are frozen', OLD.id
    USING ERRCODE = 'restrict_violation';
END $$;

-- Counters of use never go back.
CREATE FUNCTION provenance_keep_counters() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.record_count < OLD.record_count OR NEW.token_count < OLD.token_count
     OR NEW.epoch_count < OLD.epoch_count THEN
    RAISE EXCEPTION 'counters of % never go back', TG_TABLE_NAME
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

-- Any other table: only the columns named by the trigger's arguments may change.
CREATE FUNCTION provenance_keep_but() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF to_jsonb(OLD) - TG_ARGV IS DISTINCT FROM to_jsonb(NEW) - TG_ARGV THEN
    RAISE EXCEPTION 'rows of % are facts: only % may change', TG_TABLE_NAME, TG_ARGV
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

-- Evidence leaves with the records it quotes, and is never rewritten.
CREATE FUNCTION provenance_keep_match() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  allowed record;
BEGIN
  allowed := OLD;
  IF NEW.evidence = '{}'::jsonb THEN
    allowed.evidence := NEW.evidence;
  END IF;
  IF allowed IS NOT DISTINCT FROM NEW THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'match % is a fact: its evidence may only be erased', OLD.id
    USING ERRCODE = 'restrict_violation';
END $$;
"""

DROP_FUNCTIONS = "\n".join(
    f"DROP FUNCTION provenance_{name}();"
    for name in (
        "refuse", "keep_event", "keep_record", "keep_version", "keep_grant",
        "keep_counters", "keep_but", "keep_match",
    )
)

# For each table: the function that checks an UPDATE, with the columns that may change; None
# leaves updates free. DELETE and TRUNCATE are refused for all of them.
GUARDED = {
    "event": "keep_event()",
    "record": "keep_record()",
    "datasetversion": "keep_version()",
    "dataset": "keep_but('title', 'description')",
    "grant": "keep_grant()",
    "rate": "keep_but('valid_to')",
    "usage": "keep_counters()",
    "usagereport": "keep_counters()",
    "overlap": None,
    "match": "keep_match()",
    "conflict": "keep_but('state', 'overlap_id', 'deadline_at', 'awaits_id', 'closed_at', 'round')",
    "contestedrecord": "keep_but('held_since', 'released_at', 'resolution_id')",
    "claim": "keep_but('admitted_by_id', 'admitted_at', 'rejected_at')",
    "submission": "refuse()",
    "resolution": "keep_but('superseded_by_id')",
    "statementofreasons": "refuse()",
    "opening": "keep_but('opened_at')",
    "runedge": "refuse()",
    "accesslog": "refuse()",
    "party": None,
    "run": None,
    "trainedmodel": None,
}
# What the application may update there, where a trigger refuses the rest or everything.
UPDATABLE = {
    "event": "sequence, previous_hash, hash",
    "submission": "",
    "statementofreasons": "",
    "runedge": "",
    "accesslog": "",
}


def _triggers() -> list[str]:
    """The statements that guard each table."""
    statements = []
    for name, check in GUARDED.items():
        table = f"provenance_{name}"
        if check:
            events = "INSERT OR UPDATE" if name == "event" else "UPDATE"
            statements.append(
                f"CREATE TRIGGER {table}_keep BEFORE {events} ON {table}"
                f" FOR EACH ROW EXECUTE FUNCTION provenance_{check}"
            )
        statements.append(
            f"CREATE TRIGGER {table}_stays BEFORE DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION provenance_refuse()"
        )
        statements.append(
            f"CREATE TRIGGER {table}_is_whole BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION provenance_refuse()"
        )
    return statements


def guard(apps, schema_editor) -> None:
    """Set the triggers, then take from the application's role what it must not do."""
    schema_editor.execute(FUNCTIONS, params=None)
    for statement in _triggers():
        schema_editor.execute(statement, params=None)
    role = settings.APP_DATABASE_ROLE
    with schema_editor.connection.cursor() as cursor:
        # Where one role does everything, the triggers alone must do: taking its rights away
        # would break its own next migration.
        cursor.execute(
            "SELECT 1 FROM pg_roles WHERE rolname = %s AND rolname <> current_user", [role]
        )
        if not cursor.fetchone():
            return
    quoted = schema_editor.quote_name(role)
    for name in GUARDED:
        schema_editor.execute(f"REVOKE DELETE, TRUNCATE ON provenance_{name} FROM {quoted}")
    for name, columns in UPDATABLE.items():
        schema_editor.execute(f"REVOKE UPDATE ON provenance_{name} FROM {quoted}")
        if columns:
            schema_editor.execute(f"GRANT UPDATE ({columns}) ON provenance_{name} TO {quoted}")


def unguard(apps, schema_editor) -> None:
    """Take the triggers away, and give the application's role its rights back."""
    for name, check in GUARDED.items():
        table = f"provenance_{name}"
        for trigger in ("keep",) * bool(check) + ("stays", "is_whole"):
            schema_editor.execute(f"DROP TRIGGER {table}_{trigger} ON {table}")
    schema_editor.execute(DROP_FUNCTIONS)
    role = settings.APP_DATABASE_ROLE
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if not cursor.fetchone():
            return
    quoted = schema_editor.quote_name(role)
    for name in GUARDED:
        schema_editor.execute(f"GRANT UPDATE, DELETE ON provenance_{name} TO {quoted}")


class Migration(migrations.Migration):
    """The guards of the facts."""

    dependencies = [("provenance", "0001_initial")]

    operations = [migrations.RunPython(guard, unguard)]
