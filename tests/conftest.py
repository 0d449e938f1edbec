"""One throwaway PostgreSQL for all tests, a migrated template in it, and a copy per worker.

The template is migrated as the owner; tests run as the application, so that what it may not do is
refused here too. A test with `db` is rolled back; after one with `transactional_db` the worker's
database is made as the template is, by a superuser, because facts refuse to be deleted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connections
from django.test import TransactionTestCase, override_settings
from django.utils import translation
from hypothesis import settings
from psycopg.conninfo import conninfo_to_dict
from pytest_django.plugin import blocking_manager_key

from deploy import database
from deploy.embedded import postgres
from tests import streams
from tests.renewal import Pristine

TEMPLATE = "tallymark_template"
_CONTROLLER: dict[str, Any] = {}

# A slow machine is no failure. CI tries the same examples each time: what fails there fails again.
settings.register_profile(
    "tests", max_examples=100, deadline=None, derandomize=bool(os.environ.get("CI"))
)
# For the walks that `./run contracts --invariants` takes.
settings.register_profile("thorough", max_examples=3000, deadline=None)
settings.load_profile("tests")

pytest_plugins = ["tests.cast", "tests.chain", "tests.paying"]


@dataclass(frozen=True)
class Cluster:
    """How to reach the server of this test session, in libpq's form, by role."""

    superuser: str
    owner: str
    app: str

    @classmethod
    def of(cls, server: postgres.Server) -> Cluster:
        roles = ("superuser", "owner", "app")
        return cls(*(server.dsn(role, TEMPLATE) for role in roles))  # type: ignore[arg-type]

    def renew(self, name: str) -> None:
        """Make database `name` a fresh copy of the template."""
        administrator = psycopg.conninfo.make_conninfo(self.superuser, dbname="postgres")
        database.drop_database(administrator, name)
        database.create_database(administrator, name, TEMPLATE)

    def use(self, name: str) -> None:
        """Point Django's connections at database `name`."""
        for alias, dsn in (("default", self.app), ("owner", self.owner)):
            connections[alias].close()
            parts = conninfo_to_dict(dsn)
            connections[alias].settings_dict.update(
                NAME=name,
                USER=parts["user"],
                PASSWORD=parts["password"],
                HOST=parts["host"],
                PORT=str(parts["port"]),
            )


def _start(stack: ExitStack) -> Cluster:
    """Start the server and migrate its template; all of it ends with `stack`."""
    server = stack.enter_context(postgres.temporary(database=None))
    server.create_database(TEMPLATE)
    return Cluster.of(server)


def _migrate(cluster: Cluster) -> None:
    cluster.use(TEMPLATE)
    call_command("migrate", database="owner", verbosity=0)
    for alias in ("default", "owner"):
        connections[alias].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """With xdist, the controller starts the one server and tells its workers where it is."""
    if "cluster" not in _CONTROLLER:
        stack = _CONTROLLER["stack"] = ExitStack()
        cluster = _CONTROLLER["cluster"] = _start(stack)
        with node.config.stash[blocking_manager_key].unblock():
            _migrate(cluster)
    node.workerinput["cluster"] = asdict(_CONTROLLER["cluster"])


def pytest_unconfigure() -> None:
    if "stack" in _CONTROLLER:
        _CONTROLLER.pop("stack").close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    with streams.closed_at_the_end():
        return (yield)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[Cluster]:
    """The server of this session, its template migrated."""
    told = getattr(request.config, "workerinput", {}).get("cluster")
    if told:
        yield Cluster(**told)
        return
    with ExitStack() as stack, django_db_blocker.unblock():
        cluster = _start(stack)
        _migrate(cluster)
        yield cluster
        connections.close_all()


@pytest.fixture(scope="session")
def django_db_setup(
    cluster: Cluster,
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_blocker: Any,
) -> Iterator[None]:
    """Give this worker its own copy of the template, and a way to get a fresh one."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "alone")
    name = f"tallymark_test_{worker}"

    superuser = psycopg.conninfo.make_conninfo(cluster.superuser, dbname=name)

    def renew(self: TransactionTestCase) -> None:
        connections.close_all()
        if not pristine.restore(superuser):
            cluster.renew(name)

    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        cluster.renew(name)
        pristine = Pristine.of(superuser)
        cluster.use(name)
        patch.setattr(TransactionTestCase, "_fixture_teardown", renew)
        yield
        connections.close_all()


@pytest.fixture
def as_table_owner(transactional_db: None) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the role that owns the tables, to the database of this test."""
    held = connections["owner"].settings_dict
    with psycopg.connect(
        host=held["HOST"],
        port=held["PORT"],
        dbname=held["NAME"],
        user=held["USER"],
        password=held["PASSWORD"],
        autocommit=True,
    ) as connection:
        yield connection


@pytest.fixture(autouse=True, scope="session")
def _own_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing a test writes may land in the folder of a service that runs here.

    Passwords are hashed in no time: a slow hash protects nobody here. Static files are looked for
    when they are asked for: each client of a test would list them all anew.
    """
    with override_settings(
        DATA_FOLDER=tmp_path_factory.mktemp("data"),
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        WHITENOISE_AUTOREFRESH=True,
    ):
        yield


@pytest.fixture(autouse=True)
def _own_language() -> Iterator[None]:
    """No test goes on in the language of a page that an earlier one asked for."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def _fresh_buckets() -> None:
    """No test is throttled for what another one asked."""
    cache.clear()
