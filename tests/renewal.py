"""A worker's database after a test that committed: emptied where that will do, or copied anew.

A copy of the template is 1,500 files, half a second of a core; most tests leave some rows behind
and nothing else. What can be told from the template in another way is copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

# Deleted rows stay in the files, where they slow down whoever reads: above this, a copy is cheaper.
MOST_BYTES: Final = 1_000_000
OURS: Final = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
TABLES: Final = f"""
SELECT c.oid, n.nspname, c.relname, pg_relation_size(c.oid)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND {OURS}
"""
# Whatever a statement other than one for rows would have changed; a row that is changed is new.
SHAPE: Final = "SELECT " + ", ".join(
    f"(SELECT count(*) || ' ' || max(xmin::text::bigint) FROM {catalog})"
    for catalog in (
        *("pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_trigger"),
        *("pg_proc", "pg_type", "pg_policy", "pg_namespace", "pg_statistic", "pg_default_acl"),
    )
)
SEQUENCES: Final = """
SELECT s.seqrelid, s.seqstart, pg_sequence_last_value(s.seqrelid) FROM pg_sequence s
"""


@dataclass(frozen=True)
class Pristine:
    """What a copy of the template is like before anything was done to it."""

    shape: tuple[Any, ...]
    rows: dict[int, bytes]
    sequences: dict[int, int | None]

    @classmethod
    def of(cls, administrator: str) -> Pristine:
        """As the database is now; `administrator` is a superuser's connection string to it."""
        with psycopg.connect(administrator, autocommit=True) as connection:
            rows = {
                oid: _copied(connection, schema, name)
                for oid, schema, name, size in connection.execute(TABLES).fetchall()
                if size
            }
            sequences = {oid: last for oid, _, last in connection.execute(SEQUENCES)}
            return cls(_shape(connection), rows, sequences)

    def restore(self, administrator: str) -> bool:
        """Make the rows and sequences what they were; False where only a new copy would do."""
        with psycopg.connect(administrator, autocommit=True) as connection:
            _end_others(connection)
            tables = [row for row in connection.execute(TABLES).fetchall() if row[3]]
            if _shape(connection) != self.shape or any(row[3] > MOST_BYTES for row in tables):
                return False
            # Neither what guards facts nor foreign keys: all of it goes.
            connection.execute("SET session_replication_role = replica")
            with connection.transaction():
                for oid, schema, name, _ in tables:
                    table = sql.Identifier(schema, name)
                    connection.execute(sql.SQL("DELETE FROM {}").format(table))
                    if oid in self.rows:
                        statement = sql.SQL("COPY {} FROM STDIN").format(table)
                        with connection.cursor().copy(statement) as copy:
                            copy.write(self.rows[oid])
            for oid, start, last in connection.execute(SEQUENCES).fetchall():
                if last != (was := self.sequences[oid]):
                    values = [oid, start if was is None else was, was is not None]
                    connection.execute("SELECT setval(%s::oid::regclass, %s, %s)", values)
            return True


def _shape(connection: psycopg.Connection[Any]) -> tuple[Any, ...]:
    found = connection.execute(SHAPE).fetchone()
    assert found is not None
    return tuple(found)


def _copied(connection: psycopg.Connection[Any], schema: str, name: str) -> bytes:
    statement = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(schema, name))
    with connection.cursor().copy(statement) as copy:
        return b"".join(bytes(part) for part in copy)


def _end_others(connection: psycopg.Connection[Any]) -> None:
    """End whoever a test left behind, and wait until it is gone."""
    connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
