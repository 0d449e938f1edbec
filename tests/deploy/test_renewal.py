"""What a test committed is gone before the next one begins."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy import database
from tests import renewal
from tests.conftest import Cluster
from tests.renewal import Pristine


@pytest.fixture
def copy(cluster: Cluster) -> Iterator[str]:
    """A copy of the template that no other test sees, as its superuser reaches it."""
    name = f"tallymark_renewal_{uuid4().hex}"
    cluster.renew(name)
    yield make_conninfo(cluster.superuser, dbname=name)
    database.drop_database(make_conninfo(cluster.superuser, dbname="postgres"), name)


def change(copy: str, statement: str) -> None:
    with psycopg.connect(copy) as connection:
        connection.execute(statement)


def test_rows_and_numbers_are_as_they_were_before_anything_was_committed(copy):
    before = Pristine.of(copy)
    change(copy, "INSERT INTO auth_group (name) VALUES ('left behind')")
    change(copy, "DELETE FROM django_migrations WHERE app = 'auth'")
    change(copy, "UPDATE compensation_journalhead SET number = 7")
    assert before.restore(copy)
    after = Pristine.of(copy)
    assert after.sequences == before.sequences
    assert {table: sorted(rows.splitlines()) for table, rows in after.rows.items() if rows} == {
        table: sorted(rows.splitlines()) for table, rows in before.rows.items() if rows
    }


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE compensation_entry DISABLE TRIGGER USER",
        "DROP TABLE auth_group CASCADE",
        "CREATE OR REPLACE FUNCTION compensation_money_is_not_deleted() RETURNS trigger"
        " LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
        "ANALYZE django_migrations",
        "GRANT DELETE ON compensation_entry TO tallymark_app",
    ],
)
def test_a_database_of_another_shape_is_not_restored_but_copied_anew(copy, statement):
    before = Pristine.of(copy)
    change(copy, statement)
    assert not before.restore(copy)


def test_a_table_that_grew_is_not_emptied_row_by_row(copy):
    before = Pristine.of(copy)
    values = f"generate_series(1, {renewal.MOST_BYTES // 40})"
    change(copy, f"INSERT INTO auth_group (name) SELECT 'group ' || n FROM {values} AS n")
    assert not before.restore(copy)


def test_a_session_that_a_test_left_open_is_ended_and_holds_nothing(copy):
    before = Pristine.of(copy)
    with psycopg.connect(copy) as left:
        left.execute("LOCK TABLE auth_group")
        assert before.restore(copy)
        with pytest.raises(psycopg.OperationalError):
            left.execute("SELECT 1")
