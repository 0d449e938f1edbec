"""The place of the harness: a durable PostgreSQL and a chain that are killed and started."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from deploy.embedded import place as places
from deploy.embedded import postgres
from deploy.embedded.place import run_as

if TYPE_CHECKING:
    from tests.chain import Node

TEMPLATE = "faults_world"
WORLD_CHAIN = "chain-of-the-world"
HOLD_BACK_DAYS = 2
STOPS = ("kill -9", "pg_ctl -m immediate")


class Place:
    """A server in a folder of its own, Django pointed at one of its databases, and a chain."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = postgres.start(folder / "pg", database=None)
        self.database = TEMPLATE
        self.chain: Node | None = None
        self._chain_folder = folder
        self.restarts = 0

    @property
    def log(self) -> Path:
        """Where workers' words go that are no figures."""
        return self.folder / "workers.log"

    def use(self, name: str) -> None:
        """Point Django at a database."""
        from tests.conftest import Cluster

        roles = ("superuser", "owner", "app")
        Cluster(*(self.server.dsn(role, name) for role in roles)).use(name)  # type: ignore[arg-type]
        self.database = name

    @contextmanager
    def world_chain(self) -> Iterator[None]:
        """Within, a fresh chain runs, on which the world is made; it is kept to be copied."""
        self._start_chain(self.folder / WORLD_CHAIN)
        try:
            yield
        finally:
            self._stop_chain()

    @contextmanager
    def copy(self, name: str, *, with_chain: bool = True) -> Iterator[None]:
        """Within, Django and, if asked for, a chain are at a copy of the world as it was made."""
        from django.db import connections

        connections.close_all()
        self.server.create_database(name, TEMPLATE)
        # A copied sequence counts on numbers that were logged for its original only: without a
        # checkpoint it would fall back at the first crash, and give numbers out twice.
        with psycopg.connect(self.server.dsn("superuser", "postgres"), autocommit=True) as server:
            server.execute("CHECKPOINT")
        self.use(name)
        folder = self.folder / f"chain-{name}"
        if with_chain:
            shutil.copytree(self.folder / WORLD_CHAIN, folder)
            self._start_chain(folder)
        try:
            yield
        finally:
            self._stop_chain()
            shutil.rmtree(folder, ignore_errors=True)
            connections.close_all()
            self.server.drop_database(name)

    def stop_server(self, dice: random.Random) -> str:
        """End the server without a word of warning; how."""
        process = self.server.process
        assert process is not None
        how = dice.choice(STOPS)
        if how == "kill -9":
            process.send_signal(signal.SIGKILL)
        else:
            place = self.server.place
            subprocess.run(
                [place.binaries / "pg_ctl", "stop", "-m", "immediate", "-D", place.cluster],
                check=False,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                **run_as(place.account),
            )
        process.wait()
        return how

    def start_server(self) -> None:
        """Start it again as the shipped starter does."""
        self.server.stop()
        self.server = postgres.start(self.folder / "pg", database=None)
        self.use(self.database)
        self.restarts += 1

    def make_fast(self) -> None:
        """Let the server forget to wait for its disk: from here on it will not be killed."""
        self.server.stop()
        self.server = postgres.start(self.folder / "pg", database=None, durable=False)

    def kill_chain(self) -> None:
        """SIGKILL for the chain's node, which may be in the middle of a block."""
        assert self.chain is not None
        self.chain.stop()

    def start_chain(self) -> None:
        """Start the killed node on what its folder holds."""
        self._start_chain(self._chain_folder)
        self.restarts += 1

    def _start_chain(self, folder: Path) -> None:
        from django.conf import settings

        from tests.chain import Node

        self._chain_folder = folder
        self.chain = Node(folder)
        self.chain.wait()
        settings.CHAIN_RPC_URL = self.chain.url

    def _stop_chain(self) -> None:
        if self.chain is not None:
            self.chain.stop()
            self.chain = None


@contextmanager
def temporary() -> Iterator[Place]:
    """A place for one run of the harness, with Django set up in it; all of it is gone after."""
    folder = Path(tempfile.mkdtemp(prefix="tallymark-faults-"))
    folder.chmod(0o711)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(places.discard, folder / "pg")
        place = Place(folder)
        stack.callback(lambda: place.server.stop())
        place.server.create_database(TEMPLATE)
        os.environ |= {
            "DATABASE_URL": place.server.url("app", TEMPLATE),
            "DATABASE_OWNER_URL": place.server.url("owner", TEMPLATE),
            "TALLYMARK_DATA": str(folder),
            "TALLYMARK_HOLD_BACK_DAYS": str(HOLD_BACK_DAYS),
            "TALLYMARK_LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "deploy.settings",
        }
        import django

        django.setup()
        yield place
