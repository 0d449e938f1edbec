"""What the role `app` can never do, on the embedded server and on one of our own.

Each statement is tried on a copy of the session's embedded database; on a second server that was
prepared and migrated from outside, over TCP, by DATABASE_URL alone; on the PostgreSQL that Debian
packages, where it is installed; and, where an administrator's address of one stands in
TALLYMARK_TEST_SERVER, on that server too.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy import database
from deploy.embedded import postgres
from tests.conftest import TEMPLATE, Cluster

ROOT = Path(__file__).resolve().parents[2]
# Each worker of a test run has its own.
NAME = f"tallymark_roles_{os.getpid()}"
OWN_SERVER = os.environ.get("TALLYMARK_TEST_SERVER", "")
PACKAGED = sorted(Path("/usr/lib/postgresql").glob("1[5-8]/bin/pg_ctl"))
SERVERS = [
    "embedded",
    "by address",
    *(["packaged"] * bool(PACKAGED)),
    *(["own"] * bool(OWN_SERVER)),
]


Reached = psycopg.Connection[Any]


def prepared(administrator: str) -> str:
    """Prepare and migrate a server as its own operator would: two commands, and their addresses."""
    command = [sys.executable, "-m", "deploy.database", administrator, "--name", NAME]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    urls = dict(line.split("=", 1) for line in said.split() if "://" in line)
    migrate(urls)
    return urls["DATABASE_URL"]


def migrate(urls: dict[str, str], *apps: str) -> None:
    """Migrate the database that `urls`, the environment's, lead to."""
    environment = {**os.environ, **urls, "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}"}
    command = [sys.executable, "manage.py", "migrate", *apps, "--database", "owner"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=environment)


def packaged(stack: ExitStack) -> str:
    """Start Debian's PostgreSQL on TCP, with passwords; the address of its administrator."""
    home = Path(tempfile.mkdtemp(prefix="tallymark-roles-"))
    stack.callback(shutil.rmtree, home)
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(home, user)
    secret = secrets.token_urlsafe(12)
    (home / "secret").write_text(secret)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    run: dict[str, Any] = {"cwd": home, "check": True, "stdout": subprocess.DEVNULL, "user": user}
    control = [str(PACKAGED[-1]), "-D", str(home / "data"), "-w"]
    made = f"-U admin -A scram-sha-256 --pwfile={home / 'secret'} --no-sync"
    subprocess.run([*control, "initdb", "-o", made], **run)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    subprocess.run([*control, "start", "-o", options, "-l", str(home / "log")], **run)
    stack.callback(subprocess.run, [*control, "stop", "-m", "immediate"], **run)
    return f"postgresql://admin:{secret}@127.0.0.1:{port}/postgres"


def prepared_for_money(administrator: str) -> str:
    """Prepare and migrate money's tables alone, where the server has no pgvector for the rest."""
    password = secrets.token_urlsafe(12)
    with psycopg.connect(administrator, autocommit=True) as connection:
        database.bootstrap_roles(connection, dict.fromkeys(("owner", "app", "broker"), password))
        connection.execute(f"CREATE DATABASE {NAME} OWNER {database.OWNER}")  # type: ignore[call-overload]
    with psycopg.connect(administrator, dbname=NAME) as connection:
        database.grant_privileges(connection)
    place = administrator.rsplit("@", 1)[1].split("/")[0]
    urls = {
        f"DATABASE_{key}": f"postgresql://{role}:{password}@{place}/{NAME}"
        for key, role in (("URL", database.APP), ("OWNER_URL", database.OWNER))
    }
    migrate(urls, "compensation")
    return urls["DATABASE_URL"]


def is_fit(administrator: str) -> bool:
    """Whether a server can hold all of us, pgvector included."""
    with psycopg.connect(administrator) as connection, suppress(database.UnfitDatabase):
        database.check_server(connection)
        return True
    return False


@pytest.fixture(scope="module", params=SERVERS)
def reached(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Reached]:
    """A migrated database, reached as the application reaches it, with a little money in it."""
    with ExitStack() as stack:
        if request.param == "embedded":
            administrator = make_conninfo(cluster.superuser, dbname="postgres")
            database.create_database(administrator, NAME, TEMPLATE)
            stack.callback(database.drop_database, administrator, NAME)
            address = make_conninfo(cluster.app, dbname=NAME)
        elif request.param == "by address":
            server = stack.enter_context(postgres.temporary(database=None))
            address = prepared(server.url("superuser", "postgres"))
            assert f"@127.0.0.1:{server.port}/" in address
        elif request.param == "packaged":
            administrator = packaged(stack)
            address = (prepared if is_fit(administrator) else prepared_for_money)(administrator)
        else:
            stack.callback(database.drop_database, OWN_SERVER, NAME)
            address = prepared(OWN_SERVER)
        app = stack.enter_context(psycopg.connect(address))
        _pay_in(app)
        yield app


@pytest.mark.parametrize("reached", [one for one in SERVERS if one != "own"], indirect=True)
def test_nobody_comes_in_without_the_password(reached: Reached) -> None:
    here = reached.info
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(
            host="127.0.0.1", port=here.port, dbname=here.dbname, user=here.user, password="guess"
        )


POST = (
    "SELECT compensation_post('deposit', 1, %s::bigint[], %s::bigint[], now(), now(), %s, '{}',"
    " NULL, NULL)"
)


def _pay_in(app: Reached) -> None:
    """An asset, two accounts, an entry of 700 units and a hold, all by what `app` may do."""
    app.execute(
        "INSERT INTO compensation_asset (id, code, symbol, name, scale)"
        " VALUES (1, 'iso4217:EUR', 'EUR', '', 6)"
    )
    app.execute(
        "INSERT INTO compensation_account (id, kind, asset_id)"
        " VALUES (1, 'external', 1), (2, 'treasury', 1)"
    )
    assert app.execute(POST, [[1, 2], [-700, 700], "first"]).fetchone() == (1,)
    app.execute("SELECT compensation_hold_place(2, 50, 'h', NULL, now())")
    app.commit()


def refusal(app: Reached, statement: str, *values: Any) -> psycopg.Error:
    """How the database refuses a statement; fails where it does not."""
    with pytest.raises(psycopg.Error) as refused:
        app.execute(statement, values or None)  # type: ignore[call-overload]
    app.rollback()
    return refused.value


MONEY = {
    "an entry that does not add up": ([[1, 2], [-5, 6], "a"], "CheckViolation", "unbalanced"),
    "a balance under its floor": (
        [[1, 2], [651, -651], "a"], "CheckViolation", "balance_not_under_its_floor",
    ),
    "a second entry for one key": ([[1, 2], [-701, 701], "first"], "UniqueViolation", "the key"),
    "an account that is not there": ([[1, 99], [-5, 5], "a"], "ForeignKeyViolation", "account"),
    "an amount that does not fit": (
        [[1, 2], [-(2**63) + 1, 2**63 - 1], "a"], "NumericValueOutOfRange", "out of range",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MONEY)
def test_the_database_refuses(reached: Reached, name: str) -> None:
    values, kind, words = MONEY[name]
    refused = refusal(reached, POST, *values)
    assert isinstance(refused, getattr(psycopg.errors, kind))
    assert words in str(refused)


def test_the_same_entry_again_is_the_first_one(reached: Reached) -> None:
    assert reached.execute(POST, [[2, 1], [700, -700], "first"]).fetchone() == (1,)
    assert reached.execute("SELECT count(*) FROM compensation_entry").fetchone() == (1,)
    reached.rollback()


FACTS = (
    "entry", "line", "account", "balance", "journalhead", "charge", "chargegroup", "period", "hold",
    "holdpart", "conversion", "calendar", "creditlimit", "turnover", "turnovermark", "periodtotal",
)  # fmt: skip


@pytest.mark.parametrize("table", FACTS)
def test_the_application_changes_and_removes_no_fact(reached: Reached, table: str) -> None:
    row = reached.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum = 1",
        [f"compensation_{table}"],
    ).fetchone()
    assert row is not None
    for statement in (
        f"UPDATE compensation_{table} SET {row[0]} = {row[0]}",
        f"DELETE FROM compensation_{table}",
        f"TRUNCATE compensation_{table} CASCADE",
    ):
        assert isinstance(refusal(reached, statement), psycopg.errors.InsufficientPrivilege)


NEVER = [
    # Write the journal past its functions.
    "INSERT INTO compensation_line (entry_id, account_id, amount_units) VALUES (1, 1, 5)",
    "INSERT INTO compensation_entry SELECT * FROM compensation_entry",
    "INSERT INTO compensation_balance (account_id, posted, held) VALUES (9, 5, 0)",
    "INSERT INTO compensation_period (name, starts_at, ends_at) VALUES ('1999-01', now(), now())",
    "UPDATE compensation_balance SET posted = posted + 1",
    "UPDATE compensation_balance SET floor = -5",
    "UPDATE compensation_journalhead SET number = 0",
    "UPDATE compensation_period SET closed_at = NULL, last_number = NULL",
    "UPDATE compensation_asset SET scale = 2",
    # Call what only the functions call.
    "SELECT compensation_append('deposit', 1, '{}', '{}', now(), now(), 'x', '{}', NULL, NULL, 0,"
    " ''::bytea)",
    "SELECT compensation_hold_release(1, 'void')",
    "SELECT compensation_close_period(to_char(now(), 'YYYY-MM'), now(), NULL)",
    "SELECT compensation_post('conversion', 1, '{1,2}', '{-5,5}', now(), now(), 'x', '{}', NULL,"
    " NULL)",
    # Get round the triggers.
    "ALTER TABLE compensation_line DISABLE TRIGGER ALL",
    "ALTER TABLE compensation_line DISABLE TRIGGER compensation_line_balances",
    "DROP TRIGGER compensation_line_balances ON compensation_line",
    "ALTER TABLE compensation_balance DROP CONSTRAINT balance_not_under_its_floor",
    "SET session_replication_role = replica",
    "SET LOCAL session_replication_role = 'replica'",
    "SELECT set_config('session_replication_role', 'replica', false)",
    "ALTER ROLE CURRENT_USER SET session_replication_role = replica",
    "CREATE RULE mine AS ON INSERT TO compensation_entry DO INSTEAD NOTHING",
    "CREATE POLICY mine ON compensation_entry USING (true)",
    # Put something of its own where the functions look.
    "CREATE TABLE mine (number int)",
    "CREATE TEMPORARY TABLE compensation_journalhead (id int, number bigint, hash bytea)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION pg_temp.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $1'",
    "CREATE OR REPLACE FUNCTION compensation_refuse() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN RETURN NEW; END'",
    "CREATE OPERATOR public.<> (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = int8eq)",
    "CREATE TYPE mine AS (number int)",
    "CREATE EXTENSION hstore",
    # Become somebody else.
    "SET ROLE tallymark_owner",
    "SET SESSION AUTHORIZATION tallymark_owner",
    "GRANT tallymark_owner TO CURRENT_USER",
    "ALTER TABLE compensation_line OWNER TO CURRENT_USER",
    "ALTER FUNCTION compensation_lock_journal() OWNER TO CURRENT_USER",
    "GRANT UPDATE ON compensation_line TO CURRENT_USER",
    "ALTER ROLE tallymark_owner PASSWORD 'mine'",
    # Reach past the database.
    "COPY compensation_line TO PROGRAM 'cat'",
    "SELECT pg_read_file('PG_VERSION')",
    "COPY compensation_line FROM STDIN",
]


@pytest.mark.parametrize("statement", NEVER)
def test_the_application_may_never(reached: Reached, statement: str) -> None:
    if not statement.startswith("GRANT UPDATE"):
        refusal(reached, statement)
        return
    # A role without the right to grant is refused, or warned while nothing changes.
    with suppress(psycopg.errors.InsufficientPrivilege):
        reached.execute(statement)  # type: ignore[call-overload]
        may = reached.execute("SELECT has_table_privilege('compensation_line', 'UPDATE')")
        assert may.fetchone() == (False,)
    reached.rollback()


def test_money_is_as_it_was_after_all_of_it(reached: Reached) -> None:
    rows = reached.execute(
        "SELECT account_id, posted, held FROM compensation_balance ORDER BY account_id"
    ).fetchall()
    assert rows == [(1, -700, 0), (2, 700, 50)]


def test_what_the_application_may_call_cannot_be_led_astray(reached: Reached) -> None:
    """What runs with the owner's rights fixes its search path; nobody else may call anything."""
    led_astray = reached.execute(
        "SELECT p.proname FROM pg_proc p WHERE p.proname LIKE 'compensation\\_%' AND p.prosecdef"
        " AND has_function_privilege(p.oid, 'EXECUTE')"
        " AND 'search_path=public, pg_temp' <> ALL(coalesce(p.proconfig, '{}'))"
    ).fetchall()
    callable_by_all = reached.execute(
        "SELECT p.proname FROM pg_proc p WHERE p.proname LIKE 'compensation\\_%'"
        " AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) a"
        " WHERE a.grantee = 0))"
    ).fetchall()
    assert (led_astray, callable_by_all) == ([], [])
