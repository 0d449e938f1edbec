"""A real EVM for tests: our embedded node, one for the session, a block for every transaction."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from psycopg import conninfo

from deploy import database
from provenance import deployment, evm, outbox, signers
from provenance.models import ChainContract

START_SECONDS = 30


class Node:
    """An embedded node in its own process."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "deploy.embedded.chain", "--data", str(folder)]
        command += ["--port", str(self.port), "--block-time", "0", "--test"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def rpc(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as reply:
            answer = json.loads(reply.read())
        assert "result" in answer, answer
        return answer["result"]

    def mine(self, count: int = 1) -> None:
        for _ in range(count):
            self.rpc("evm_mine")

    def wait(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.rpc("eth_chainId")
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the embedded node did not start")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def node(folder: Path) -> Iterator[Node]:
    """A node of its own, for a test that harms it."""
    started = Node(folder)
    try:
        started.wait()
        yield started
    finally:
        started.stop()


class Clock:
    """A clock that a test moves by hand; each reading is a millisecond later."""

    def __init__(self, start: datetime) -> None:
        self.now = start

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 3, 1, 12, tzinfo=UTC))


@pytest.fixture(scope="session")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with node(tmp_path_factory.mktemp("chain")) as started:
        yield started


@pytest.fixture
def chain(shared_node: Node, settings: Any) -> Node:
    """The session's node, as the settings' chain."""
    settings.CHAIN_RPC_URL = shared_node.url
    settings.CHAIN_ID = signers.DEVELOPMENT_CHAIN
    settings.CHAIN_CONFIRMATIONS = 2
    settings.CHAIN_KEYS = {}
    return shared_node


@pytest.fixture
def send(chain: Node, clock: Clock) -> Callable[..., outbox.Sent]:
    """One pass of the sender for a role, after as many blocks as make what is mined final."""

    def once(role: str = "deployer", *, blocks: int = 0) -> outbox.Sent:
        chain.mine(blocks)
        return outbox.send_pending(
            chain_id=signers.DEVELOPMENT_CHAIN, account=signers.address(role), at=clock()
        )

    return once


class Backup:
    """A copy of this test's database, which can be brought back."""

    def __init__(self, cluster: Any) -> None:
        self._administrator = conninfo.make_conninfo(cluster.superuser, dbname="postgres")
        self._name = str(connections["default"].settings_dict["NAME"])
        self._kept = f"{self._name}_backup"

    def keep(self) -> None:
        self._copy(self._name, self._kept)

    def restore(self) -> None:
        self._copy(self._kept, self._name)

    def drop(self) -> None:
        connections.close_all()
        database.drop_database(self._administrator, self._kept)

    def _copy(self, source: str, target: str) -> None:
        connections.close_all()
        database.drop_database(self._administrator, target)
        database.create_database(self._administrator, target, source)


@pytest.fixture
def backup(transactional_db: None, cluster: Any) -> Iterator[Backup]:
    """A backup as PostgreSQL makes one: a database copied whole."""
    made = Backup(cluster)
    yield made
    made.drop()


@pytest.fixture
def lineage_anchor(transactional_db: None, chain: Node, clock: Clock) -> ChainContract:
    """A LineageAnchor of this test's own."""
    arguments = [signers.address("deployer"), signers.address("anchorer")]
    order = deployment.Order(ChainContract.Kind.LINEAGE_ANCHOR, evm.lineage_anchor(), arguments)
    return deployment.deploy(orders=[order], clock=clock, say=print)[0]


@pytest.fixture
def test_token(transactional_db: None, chain: Node, clock: Clock) -> ChainContract:
    """A TestToken of this test's own; its deployer may mint."""
    order = deployment.Order(ChainContract.Kind.TEST_TOKEN, evm.development_token(), [])
    return deployment.deploy(orders=[order], clock=clock, say=print)[0]
