"""Run PostgreSQL from the wheel that carries it: one cluster per data folder, three roles.

The wheel's own starter shares one lock file between everybody on the machine, leaks servers
and gives up on recovery after ten seconds; this one holds a lock in the data folder, dies
with its owner, and waits for recovery as long as the server lives.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from deploy import database as db
from deploy.database import ROLE_NAMES, Role
from deploy.embedded import place as places
from deploy.embedded.place import CannotStart, Place, run_as
from deploy.embedded.processes import Say, dies_with_parent, end, make_folder, silent, write_private

DATABASE: Final = "tallymark"
TEMPORARY_PREFIX: Final = "tallymark-postgres-"
HOST: Final = "127.0.0.1"
LARGEST_LOG_BYTES: Final = 20_000_000
PORT_ATTEMPTS: Final = 5
# A killed postmaster's children notice within a second or two; until then its memory is held.
LEFTOVER_SECONDS: Final = 30.0
FAST_THEN_HARD: Final[list[tuple[int, float]]] = [
    (signal.SIGINT, 60.0),
    (signal.SIGQUIT, 15.0),
    (signal.SIGKILL, 5.0),
]
# What the index is asked lies all over its blocks: a read that misses costs as much as a look-up.
LEAST_BUFFERS, MOST_BUFFERS = 256 * 2**20, 2 * 2**30
CONTAINER_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")
TUNING: Final[dict[str, str]] = {
    "max_connections": "200",
    "max_wal_size": "2GB",
    "jit": "off",
    # Merges of the index leave whole segments of dead rows, whose space the next one takes.
    "autovacuum_naptime": "15s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u ",
}
# A database of a test is thrown away: nothing of it needs to reach the disk.
THROWAWAY: Final[dict[str, str]] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "128MB",
}


class AlreadyRunning(CannotStart):
    """Another living process holds this cluster."""


class Server:
    """A running cluster, which ends when its owner calls `stop` or dies."""

    def __init__(self, *, data: Path, place: Place, port: int, lock: IO[str]) -> None:
        self.data = data
        self.place = place
        self.port = port
        self.passwords: Mapping[str, str] = json.loads(_password_file(data).read_text("utf-8"))
        self.process: subprocess.Popen[bytes] | None = None
        self._lock = lock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the server's main process lives."""
        return self.process is not None and self.process.poll() is None

    def dsn(self, role: Role, database: str = DATABASE) -> str:
        """How `role` connects, in libpq's own form (`host=... port=...`)."""
        return make_conninfo(
            host=HOST,
            port=self.port,
            dbname=database,
            user=ROLE_NAMES[role],
            password=self.passwords[role],
        )

    def url(self, role: Role, database: str = DATABASE) -> str:
        """How `role` connects, as a `postgresql://` address."""
        password = quote(self.passwords[role], safe="")
        return f"postgresql://{ROLE_NAMES[role]}:{password}@{HOST}:{self.port}/{quote(database)}"

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database ready for migrations, or as a copy of `template`."""
        db.create_database(self.dsn("superuser", "postgres"), name, template)

    def drop_database(self, name: str) -> None:
        """Drop a database, ending whatever is connected to it."""
        db.drop_database(self.dsn("superuser", "postgres"), name)

    def stop(self) -> None:
        """Stop the server: open transactions are rolled back, nothing committed is lost."""
        if self.process is not None:
            end(self.process, FAST_THEN_HARD)
            self.process = None
        self._lock.close()


def start(
    data: Path,
    port: int | None = None,
    *,
    durable: bool = True,
    database: str | None = DATABASE,
    say: Say = silent,
) -> Server:
    """Start the cluster of the folder `data`, making it first if need be, and wait for it.

    `database` is made with all it needs unless it is there. Without `port`, the last one is
    used again if it is free. Raises `AlreadyRunning` or `CannotStart`.
    """
    data = data.resolve()
    make_folder(data, 0o711 if os.geteuid() == 0 else 0o700)
    lock = _lock(data)
    try:
        place = places.settle(data, say)
        _stop_leftover(place, say)
        _make_passwords(data, place)
        if not place.cluster.exists():
            say("making the database cluster")
            _make_cluster(data, place, durable=durable)
        _check_version(place)
        server = Server(data=data, place=place, port=_choose_port(data, port), lock=lock)
        _launch(server, durable=durable, may_move=port is None, say=say)
        places.remember(data, port=server.port)
    except BaseException:
        lock.close()
        raise
    try:
        _bootstrap(server, database)
    except BaseException:
        server.stop()
        raise
    return server


@contextmanager
def temporary(*, database: str | None = DATABASE, say: Say = silent) -> Iterator[Server]:
    """A fast server for tests, which forgets everything when the block ends."""
    _sweep()
    data = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX))
    data.chmod(0o711)
    try:
        server = start(data, durable=False, database=database, say=say)
        try:
            yield server
        finally:
            if server.process is not None:
                end(server.process, [(signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0)])
            server.stop()
    finally:
        places.discard(data)


def _sweep() -> None:
    """Remove what earlier temporary servers left because their owners were killed."""
    for data in Path(tempfile.gettempdir()).glob(f"{TEMPORARY_PREFIX}*"):
        try:
            if data.stat().st_uid == os.geteuid() and (data / "lock").exists():
                _lock(data).close()
                places.discard(data)
        except (AlreadyRunning, OSError):
            continue


def _lock(data: Path) -> IO[str]:
    """Hold `data` for this process; the kernel lets go when it dies, however it dies."""
    file = (data / "lock").open("a", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise AlreadyRunning(
            f"Another process runs the database in {data}: stop that one first."
        ) from error
    return file


def _password_file(data: Path) -> Path:
    return data / "passwords.json"


def _make_passwords(data: Path, place: Place) -> None:
    """Choose the passwords once; the cluster is useless without them."""
    if _password_file(data).exists():
        return
    if place.cluster.exists():
        raise CannotStart(
            f"{_password_file(data)} is missing, and the cluster beside it needs it: restore"
            " the file, or begin anew with ./run up --fresh."
        )
    passwords = {role: secrets.token_urlsafe(24) for role in ROLE_NAMES}
    write_private(_password_file(data), json.dumps(passwords, indent=1))


def _stop_leftover(place: Place, say: Say) -> None:
    """End a server that outlived its owner: we hold the lock, so nobody answers for it."""
    pid_file = place.cluster / "postmaster.pid"
    try:
        process = psutil.Process(int(pid_file.read_text("utf-8").split("\n", 1)[0]))
        ours = Path(process.cwd()) == place.cluster
    except (FileNotFoundError, ValueError):
        return
    except psutil.NoSuchProcess:
        ours = False
    except psutil.AccessDenied:
        return  # PostgreSQL itself decides whether the file is stale.
    if ours:
        say(f"stopping PostgreSQL {process.pid}, left behind by an earlier run")
        end(process, FAST_THEN_HARD)
    else:
        # The number may belong to a stranger by now, which PostgreSQL would take for itself.
        pid_file.unlink(missing_ok=True)


def _make_cluster(data: Path, place: Place, *, durable: bool) -> None:
    """Run initdb beside the final folder, so that a cluster is there whole or not at all."""
    part = place.home / "cluster.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    place.give(part)
    password_file = place.home / "superuser-password"
    write_private(password_file, json.loads(_password_file(data).read_text("utf-8"))["superuser"])
    place.give(password_file)
    command = [
        *(str(place.binaries / "initdb"), "-D", str(part), "-U", ROLE_NAMES["superuser"]),
        *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin"),
        *("--builtin-locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={password_file}"),
        *(() if durable else ("--no-sync",)),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, **run_as(place.account))
    except subprocess.CalledProcessError as error:
        raise CannotStart(f"initdb failed: {error.stderr.strip() or error.stdout}") from error
    finally:
        password_file.unlink()
    part.rename(place.cluster)


def _check_version(place: Place) -> None:
    found = (place.cluster / "PG_VERSION").read_text("utf-8").strip()
    if found != str(places.SERVER_VERSION):
        raise CannotStart(
            f"The cluster {place.cluster} was made by PostgreSQL {found}, and this is"
            f" {places.SERVER_VERSION}: move its data with pg_dump and pg_restore."
        )


def _choose_port(data: Path, port: int | None) -> int:
    """The port asked for, else the last one if it is free, else any free one."""
    if port is not None:
        return port
    for candidate in (places.remembered(data).get("port", 0), 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CannotStart(f"No free TCP port on {HOST}.")


def _launch(server: Server, *, durable: bool, may_move: bool, say: Say) -> None:
    """Start the process until it answers; try again where another moment or port may help."""
    deadline = time.monotonic() + LEFTOVER_SECONDS
    for attempt in range(1_000):
        read_from = _rotate_log(server.data)
        server.process = _spawn(server, durable=durable)
        if _answers(server, say):
            return
        log = _log_file(server.data).read_bytes()[read_from:].decode("utf-8", "replace")
        taken = "could not bind" in log or "Address already in use" in log
        held = "is still in use" in log or "already exists" in log
        if taken and may_move and attempt < PORT_ATTEMPTS:
            server.port = _choose_port(server.data, None)
        elif taken and not may_move:
            raise CannotStart(f"Port {server.port} is in use: stop what uses it, or name another.")
        elif held and time.monotonic() < deadline:
            time.sleep(0.5)
        else:
            raise CannotStart(f"PostgreSQL did not start. Its log ends:\n{log[-2_000:]}")


def _buffers() -> dict[str, str]:
    """A quarter of the memory that this machine or container has, as PostgreSQL's manual advises.

    They are taken only as far as there is something to keep in them.
    """
    memory = psutil.virtual_memory().total
    with contextlib.suppress(OSError, ValueError):  # no container, or one without a limit
        memory = min(memory, int(CONTAINER_LIMIT.read_text("ascii")))
    size = min(max(memory // 4, LEAST_BUFFERS), MOST_BUFFERS)
    return {"shared_buffers": f"{size // 2**20}MB"}


def _spawn(server: Server, *, durable: bool) -> subprocess.Popen[bytes]:
    place = server.place
    options = TUNING | (_buffers() if durable else THROWAWAY)
    options |= {"listen_addresses": HOST, "port": str(server.port)}
    options |= {"unix_socket_permissions": "0700"}
    options |= {"unix_socket_directories": '"{}"'.format(str(place.sockets).replace('"', '""'))}
    if _shared_memory_is_small():
        options["dynamic_shared_memory_type"] = "mmap"
    command = [str(place.binaries / "postgres"), "-D", str(place.cluster)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    with _log_file(server.data).open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=dies_with_parent(signal.SIGINT),
            **run_as(place.account),
        )


def _answers(server: Server, say: Say) -> bool:
    """Wait until the server takes connections, however long recovery lasts; False if it ends."""
    began = told = time.monotonic()
    while server.running:
        try:
            psycopg.connect(server.dsn("superuser", "postgres"), connect_timeout=10).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                server.stop()
                raise CannotStart(
                    f"The passwords in {_password_file(server.data)} are not this cluster's."
                ) from error
            if time.monotonic() - told > 5:
                told = time.monotonic()
                say(f"waiting for PostgreSQL to recover ({told - began:.0f} s)")
            time.sleep(0.05)
            continue
        # Somebody else may answer on this port, but not to our password.
        return server.running
    return False


def _bootstrap(server: Server, database: str | None) -> None:
    """Make roles and `database` unless an earlier start has finished doing so."""
    known: dict[str, Any] = places.remembered(server.data)
    administrator = server.dsn("superuser", "postgres")
    if not known.get("has_roles"):
        with psycopg.connect(administrator, autocommit=True) as connection:
            db.bootstrap_roles(connection, server.passwords)
        places.remember(server.data, has_roles=True)
    if database is None or database in known.get("databases", []):
        return
    with psycopg.connect(administrator, autocommit=True) as connection:
        exists = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", (database,)
        ).fetchone()
    if exists:
        with psycopg.connect(server.dsn("superuser", database)) as connection:
            db.bootstrap_database(connection)
    else:
        server.create_database(database)
    places.remember(server.data, databases=[*known.get("databases", []), database])


def _log_file(data: Path) -> Path:
    return data / "postgres.log"


def _rotate_log(data: Path) -> int:
    """Keep one older log, so that it cannot fill the disk; return where new lines begin."""
    log = _log_file(data)
    if log.exists() and log.stat().st_size > LARGEST_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    log.touch(mode=0o600)
    return log.stat().st_size


def _shared_memory_is_small() -> bool:
    """Containers often get 64 MB of /dev/shm, too little for parallel index builds."""
    try:
        return shutil.disk_usage("/dev/shm").total < 512 * 1024 * 1024
    except OSError:
        return True
