"""The journal's guards and functions, and what the application may do with its tables."""

from pathlib import Path

from django.conf import settings
from django.db import migrations

FOLDER = Path(__file__).resolve().parent.parent / "sql"

# Tables that the application reads, and writes only through the functions.
FUNCTIONS_ONLY = (
    "balance",
    "charge",
    "creditlimit",
    "entry",
    "hold",
    "journalhead",
    "line",
    "maturity",
    "waiting",
)
# Tables that it may add to, with the columns that it may change afterwards.
ADDED_TO = {
    "account": "",
    "asset": "name, symbol",
    "cell": "",
    "chargegroup": "",
    "deposit": "",
    "payout": "",
    "payoutclaim": "",
    "payoutleaf": "",
    "platformfee": "",
    "restatement": "",
    "take": "remaining_units",
    "weight": "",
    "weightversion": "closed_at",
}
CALLABLE = (
    "compensation_lock_journal()",
    "compensation_post(text, bigint, bigint[], bigint[], timestamptz, timestamptz, text, text,"
    " bigint, timestamptz)",
    "compensation_set_limit(bigint, bigint, text, timestamptz)",
)
MATURED = "GRANT UPDATE (matured_at) ON compensation_maturity TO {role}"


def build(apps, schema_editor) -> None:
    """Make guards and functions, then narrow what the application may do."""
    # The files are those of today: their bodies may name what a later migration adds.
    schema_editor.execute("SET LOCAL check_function_bodies = off")
    for name in ("guards", "journal", "billing"):
        schema_editor.execute((FOLDER / f"{name}.sql").read_text("utf-8"), params=None)
    functions = _own_functions(schema_editor)
    for function in functions:
        schema_editor.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    role = settings.APP_DATABASE_ROLE
    with schema_editor.connection.cursor() as cursor:
        # Where one role does everything, the triggers alone must do.
        cursor.execute(
            "SELECT 1 FROM pg_roles WHERE rolname = %s AND rolname <> current_user", [role]
        )
        if not cursor.fetchone():
            return
    quoted = schema_editor.quote_name(role)
    for name in FUNCTIONS_ONLY:
        schema_editor.execute(
            f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON compensation_{name} FROM {quoted}"
        )
    for name, columns in ADDED_TO.items():
        schema_editor.execute(
            f"REVOKE UPDATE, DELETE, TRUNCATE ON compensation_{name} FROM {quoted}"
        )
        if columns:
            schema_editor.execute(f"GRANT UPDATE ({columns}) ON compensation_{name} TO {quoted}")
    schema_editor.execute(MATURED.format(role=quoted))
    for function in CALLABLE:
        schema_editor.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {quoted}")


def _own_functions(schema_editor) -> list[str]:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE proname LIKE 'compensation\\_%'"
        )
        return [row[0] for row in cursor.fetchall()]


class Migration(migrations.Migration):
    """The journal in the database."""

    dependencies = [("compensation", "0001_initial"), ("provenance", "0002_guards")]

    operations = [migrations.RunPython(build, migrations.RunPython.noop)]
