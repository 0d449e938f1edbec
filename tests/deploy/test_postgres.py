"""The embedded PostgreSQL: what its roles may not do, and what it survives."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from deploy import database
from deploy.embedded import place, postgres
from tests.processes import is_alive

# Most tests are not about what reaches the disk, and waiting for it takes most of their time.
start = partial(postgres.start, durable=False)


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.temporary() as running:
        with psycopg.connect(running.dsn("owner")) as owner:
            owner.execute("CREATE TABLE fact (number int)")
            owner.execute(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
                " AS $$ BEGIN RAISE 'facts are only added'; END $$"
            )
            owner.execute(
                "CREATE TRIGGER keep BEFORE UPDATE ON fact FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        yield running


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user PostgreSQL runs as may enter, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="tallymark-test-"))
    path.chmod(0o711)
    yield path
    for data in list(path.rglob(place.STATE)):
        place.discard(data.parent)
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (number int)",
        "CREATE TEMPORARY TABLE mine (number int)",
        "CREATE SCHEMA mine",
        "TRUNCATE fact",
        "DROP TABLE fact",
        "ALTER TABLE fact DISABLE TRIGGER keep",
        "DROP TRIGGER keep ON fact",
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
        "SET session_replication_role = replica",
        "SET ROLE tallymark_owner",
        "SELECT * FROM pgmq.meta",
    ],
)
def test_the_application_may_not(server: postgres.Server, statement: str) -> None:
    with psycopg.connect(server.dsn("app")) as app, pytest.raises(psycopg.Error):
        app.execute(statement)  # type: ignore[call-overload]


def test_the_application_may_add_and_read_rows_of_the_owners_tables(
    server: postgres.Server,
) -> None:
    with psycopg.connect(server.dsn("app")) as app:
        app.execute("INSERT INTO fact VALUES (1)")
        assert app.execute("SELECT '[1,2]'::vector <-> '[1,3]'").fetchone() == (1.0,)


def test_the_broker_has_its_queue_and_nothing_else(server: postgres.Server) -> None:
    with psycopg.connect(server.dsn("broker")) as broker:
        broker.execute("SELECT pgmq.create('work')")
        broker.execute("SELECT pgmq.send('work', '{}')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            broker.execute("SELECT * FROM public.fact")


def test_nobody_connects_without_a_password(server: postgres.Server) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", dbname="postgres")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(
            host=str(server.place.sockets), port=server.port, user="postgres", dbname="postgres"
        )


def test_a_copy_of_a_template_is_as_closed_as_the_template(server: postgres.Server) -> None:
    server.create_database("copied", template="tallymark")
    with psycopg.connect(server.dsn("app", "copied")) as app:
        app.execute("SELECT count(*) FROM fact")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("CREATE TEMPORARY TABLE mine (number int)")
    server.drop_database("copied")


def test_preparing_a_database_twice_changes_nothing(server: postgres.Server) -> None:
    with psycopg.connect(server.dsn("superuser")) as administrator:
        database.bootstrap_roles(administrator, server.passwords)
        database.bootstrap_database(administrator)
    with psycopg.connect(server.dsn("app")) as app:
        app.execute("SELECT 1")


def test_what_was_committed_survives_a_restart_and_the_port_stays(folder: Path) -> None:
    with postgres.start(folder / "pg") as first, psycopg.connect(first.dsn("owner")) as owner:
        owner.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        owner.commit()
    with postgres.start(folder / "pg") as second, psycopg.connect(second.dsn("app")) as app:
        assert app.execute("SELECT answer FROM kept").fetchone() == (42,)
        assert second.port == first.port


def test_only_we_may_read_the_passwords(folder: Path) -> None:
    with start(folder / "pg"):
        mode = (folder / "pg" / "passwords.json").stat().st_mode
    assert mode & 0o077 == 0


def test_what_a_killed_test_run_left_is_removed_and_what_is_in_use_stays(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    left = folder / f"{postgres.TEMPORARY_PREFIX}left"
    start(left).stop()
    with postgres.temporary() as first, postgres.temporary() as second:
        assert not left.exists()
        assert first.running
        assert second.running


def test_a_second_start_on_the_same_folder_is_refused(folder: Path) -> None:
    with start(folder / "pg"), pytest.raises(postgres.AlreadyRunning):
        start(folder / "pg")


def test_a_folder_with_a_long_name_and_odd_characters_serves(folder: Path) -> None:
    data = folder / ("long " * 20) / 'a, "b" ü'
    data.mkdir(parents=True)
    with start(data) as server, psycopg.connect(server.dsn("app")) as app:
        app.execute("SELECT 1")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's folders are closed to PostgreSQL")
def test_a_folder_that_only_root_may_enter_serves(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    said: list[str] = []
    with start(closed / "pg", say=said.append) as server:
        outside = server.place.home
        assert not outside.is_relative_to(closed)
        assert any(str(outside) in line for line in said)
    with start(closed / "pg") as server:
        assert server.place.home == outside
    place.discard(closed / "pg")
    assert not outside.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's programs are closed to PostgreSQL")
def test_programs_that_only_root_may_run_are_copied(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "_may_run", lambda *_: False)
    with start(folder / "pg") as server, psycopg.connect(server.dsn("app")) as app:
        assert server.place.binaries.is_relative_to(folder)
        assert app.execute("SELECT '[1]'::vector").fetchone() == ("[1]",)


def test_the_missing_password_file_is_named(folder: Path) -> None:
    with start(folder / "pg"):
        pass
    (folder / "pg" / "passwords.json").unlink()
    with pytest.raises(postgres.CannotStart, match=r"passwords\.json is missing"):
        start(folder / "pg")


def test_a_stale_pid_file_naming_a_stranger_is_no_obstacle(folder: Path) -> None:
    with start(folder / "pg") as server:
        cluster = server.place.cluster
    (cluster / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster}\n1\n1\n\n\n\n")
    with start(folder / "pg") as server:
        assert server.running


OWNER_PROGRAM = """
    import sys, time
    from pathlib import Path
    from deploy.embedded import postgres
    server = postgres.start(Path(sys.argv[1]))
    print(server.process.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.faults
def test_a_killed_owner_leaves_no_server_and_no_commit_behind(folder: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OWNER_PROGRAM), str(folder / "pg")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    server_pid = int(owner.stdout.readline())
    owner.kill()
    owner.wait()
    owner.stdout.close()
    with start(folder / "pg") as server:
        assert server.process is not None
        assert server.process.pid != server_pid
        assert not is_alive(server_pid)


@pytest.mark.faults
def test_a_killed_server_recovers_what_was_committed(folder: Path) -> None:
    server = postgres.start(folder / "pg")
    with psycopg.connect(server.dsn("owner")) as owner:
        owner.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    assert server.process is not None
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    server.stop()
    began = time.monotonic()
    with postgres.start(folder / "pg") as again, psycopg.connect(again.dsn("app")) as app:
        assert app.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    assert time.monotonic() - began < 60
