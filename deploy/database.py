"""Make a database Tallymark may live in: three roles, what each may do, and the extensions.

It serves the embedded server, the databases of tests and one's own server alike, so that
what the application is refused is the same everywhere (DESIGN, decision 1).
"""

import argparse
import secrets
import sys
from collections.abc import Mapping
from typing import Any, Final, Literal, LiteralString
from urllib.parse import quote, unquote, urlsplit

import psycopg
from pgmq.install import get_embedded_install_sql
from psycopg import sql
from psycopg.conninfo import make_conninfo

from deploy.environment import environment

Role = Literal["superuser", "owner", "app", "broker"]

OWNER: Final = "tallymark_owner"
APP: Final = "tallymark_app"
BROKER: Final = "tallymark_broker"
ROLE_NAMES: Final[Mapping[Role, str]] = {
    "superuser": "postgres",
    "owner": OWNER,
    "app": APP,
    "broker": BROKER,
}
OLDEST_SERVER: Final = 15
NEWEST_SERVER: Final = 18
OLDEST_PGVECTOR: Final = (0, 7)


class UnfitDatabase(Exception):
    """The server lacks something Tallymark needs; the message says what to install."""


def check_server(connection: psycopg.Connection[Any]) -> None:
    """Refuse a server that is too old or new, or has no usable pgvector, saying what to do."""
    major = connection.info.server_version // 10_000
    if not OLDEST_SERVER <= major <= NEWEST_SERVER:
        raise UnfitDatabase(
            f"PostgreSQL {major} is not supported: use {OLDEST_SERVER} to {NEWEST_SERVER}."
        )
    found = connection.execute(
        "SELECT coalesce(installed_version, default_version)"
        " FROM pg_available_extensions WHERE name = 'vector'"
    ).fetchone()
    if found is None:
        raise UnfitDatabase(
            "pgvector is not installed on the database server: install the package"
            f" postgresql-{major}-pgvector (0.7 or later) there."
        )
    if tuple(int(part) for part in found[0].split(".")[:2]) < OLDEST_PGVECTOR:
        raise UnfitDatabase(
            f"pgvector {found[0]} is too old: install 0.7 or later on the server, then"
            " ALTER EXTENSION vector UPDATE."
        )


def check_prepared(connection: psycopg.Connection[Any]) -> None:
    """Refuse a database that nobody prepared, saying how it is done."""
    row = connection.execute("SELECT to_regtype('vector') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        raise UnfitDatabase(
            f"The database {connection.info.dbname} lacks the extension vector: prepare it with"
            " ./run database postgresql://ADMINISTRATOR@HOST/DATABASE"
        )


def bootstrap_roles(connection: psycopg.Connection[Any], passwords: Mapping[str, str]) -> None:
    """Make the three roles with `passwords` (keys owner, app, broker); safe to repeat.

    `connection` is an administrator's: a superuser's, or one that may create roles.
    """
    for role in ("owner", "app", "broker"):
        name = sql.Identifier(ROLE_NAMES[role])
        exists = connection.execute(
            "SELECT 1 FROM pg_roles WHERE rolname = %s", (ROLE_NAMES[role],)
        ).fetchone()
        if not exists:
            connection.execute(sql.SQL("CREATE ROLE {}").format(name))
        connection.execute(
            sql.SQL("ALTER ROLE {} LOGIN NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                name, sql.Literal(passwords[role])
            )
        )
    _join_roles(connection)


def create_database(administrator: str, name: str, template: str | None = None) -> None:
    """Create database `name` ready for migrations, or as a copy of `template`.

    `administrator` is a libpq connection string; nobody may be connected to the template.
    """
    with psycopg.connect(administrator, autocommit=True) as connection:
        copied = sql.SQL("TEMPLATE {}").format(sql.Identifier(template or "template0"))
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} {}").format(
                sql.Identifier(name), sql.Identifier(OWNER), copied
            )
        )
        _limit_connections(connection, name)
    if template is None:
        with psycopg.connect(make_conninfo(administrator, dbname=name)) as connection:
            bootstrap_database(connection)


def drop_database(administrator: str, name: str) -> None:
    """Drop database `name` if it is there, ending whatever is connected to it."""
    with psycopg.connect(administrator, autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def bootstrap_database(connection: psycopg.Connection[Any]) -> None:
    """Prepare the database `connection` is in: extension, privileges, queue; safe to repeat."""
    check_server(connection)
    with connection.transaction():
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        grant_privileges(connection)
        if connection.execute("SELECT to_regclass('pgmq.meta')").fetchone() == (None,):
            _install_queue(connection)


def grant_privileges(connection: psycopg.Connection[Any]) -> None:
    """Let our roles, and nobody else, into the database `connection` is in; safe to repeat."""
    _limit_connections(connection, connection.info.dbname)
    for statement in PRIVILEGES:
        connection.execute(
            sql.SQL(statement).format(owner=sql.Identifier(OWNER), app=sql.Identifier(APP))
        )


# The application gets rows, never tables: what may be added to a table of facts is
# narrowed further by the migration that makes the table.
PRIVILEGES: Final[tuple[LiteralString, ...]] = (
    "ALTER SCHEMA public OWNER TO {owner}",
    "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    "GRANT USAGE ON SCHEMA public TO {app}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public"
    " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT USAGE ON SEQUENCES TO {app}",
)


def _install_queue(connection: psycopg.Connection[Any]) -> None:
    """Install pgmq from its SQL as the broker's own schema; no other role needs to enter it."""
    database = sql.Identifier(connection.info.dbname)
    broker = sql.Identifier(BROKER)
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS pgmq AUTHORIZATION {}").format(broker))
    # CREATE SCHEMA IF NOT EXISTS, which the script says first, asks for the right to create
    # one even where it stands already.
    connection.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, broker))
    connection.execute(sql.SQL("SET LOCAL ROLE {}").format(broker))
    connection.execute(get_embedded_install_sql().encode())
    connection.execute("RESET ROLE")
    connection.execute(sql.SQL("REVOKE CREATE ON DATABASE {} FROM {}").format(database, broker))


def _limit_connections(connection: psycopg.Connection[Any], name: str) -> None:
    """Let only our roles connect, and none make temporary tables: CREATE DATABASE copies no ACL."""
    database = sql.Identifier(name)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    for role in (OWNER, APP, BROKER):
        connection.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(role))
        )


def _join_roles(connection: psycopg.Connection[Any]) -> None:
    """An administrator who is no superuser must be a member of a role to act for it."""
    row = connection.execute(
        "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    if row is not None and not row[0]:
        for role in (OWNER, BROKER):
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)))


def main() -> int:
    """`./run database URL`: make roles and database on one's own server, and print how to use it.

    Passwords come from DATABASE_URL and its companions where they are set, and are chosen else.
    """
    parser = argparse.ArgumentParser(prog="./run database", description="Prepare a database.")
    parser.add_argument("administrator", help="postgresql://ADMINISTRATOR:PASSWORD@HOST/postgres")
    parser.add_argument("--name", default="tallymark", help="the database (%(default)s)")
    given = parser.parse_args()
    passwords: dict[str, str] = {role: _password(url) for role, url in _urls().items()}
    try:
        with psycopg.connect(given.administrator, autocommit=True) as connection:
            check_server(connection)
            bootstrap_roles(connection, passwords)
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            exists = connection.execute(query, (given.name,)).fetchone()
            place = f"{connection.info.host}:{connection.info.port}/{given.name}"
        if exists:
            inside = make_conninfo(given.administrator, dbname=given.name)
            with psycopg.connect(inside) as connection:
                bootstrap_database(connection)
        else:
            create_database(given.administrator, given.name)
    except (psycopg.Error, UnfitDatabase) as error:
        print(f"The database could not be prepared: {error}", file=sys.stderr)
        return 1
    for variable, role in VARIABLES.items():
        print(f"{variable}=postgresql://{ROLE_NAMES[role]}:{quote(passwords[role])}@{place}")
    return 0


VARIABLES: Final[Mapping[str, Role]] = {
    "DATABASE_URL": "app",
    "DATABASE_OWNER_URL": "owner",
    "DATABASE_BROKER_URL": "broker",
}


def _urls() -> dict[Role, str]:
    told = environment()
    return {
        "app": told.database_url,
        "owner": told.database_owner_url,
        "broker": told.database_broker_url,
    }


def _password(url: str) -> str:
    """The password in `url`, or a new one."""
    return unquote(urlsplit(url).password or "") or secrets.token_urlsafe(24)


if __name__ == "__main__":
    sys.exit(main())
