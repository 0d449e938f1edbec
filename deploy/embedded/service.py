"""What one service is made of: where it listens, what it is told, what it still has to do."""

import json
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from deploy import database
from deploy.embedded import place, postgres
from deploy.embedded.folder import ROOT, DataFolder, contract_stamp, schema_stamp
from deploy.embedded.processes import write_private
from deploy.environment import DEVELOPMENT_CHAIN, DEVELOPMENT_SECRET, environment, is_loopback

LOOPBACK: Final = "127.0.0.1"
OWNER_ONLY: Final = ("DATABASE_OWNER_URL",)


class Unfit(Exception):
    """What was asked for cannot be; the message says what to change."""


@dataclass(frozen=True)
class Options:
    """The command line of `./run up`."""

    data: Path
    host: str
    port: int | None
    worker_count: int = 1
    has_sample: bool = False
    is_fresh: bool = False
    is_agreed: bool = False


@dataclass
class Service:
    """One service on its data folder; `settings` are the environment of its commands."""

    folder: DataFolder
    host: str
    port: int
    worker_count: int
    has_sample: bool
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def plan(cls, folder: DataFolder, options: Options) -> "Service":
        """Check what can be checked before anything is started; raises `Unfit`."""
        told = environment()
        if not is_loopback(options.host) and folder.users.exists():
            raise Unfit(
                f"{folder.path} holds sample users, whose passwords were printed: they are not"
                f" served on {options.host}. Use another folder (--data) with --no-sample."
            )
        if told.chain_id != DEVELOPMENT_CHAIN and "chain_rpc_url" not in told.model_fields_set:
            raise Unfit(
                f"TALLYMARK_CHAIN_ID is {told.chain_id}: name a node of that chain in"
                " CHAIN_RPC_URL. The embedded one is always 31337."
            )
        planned = cls(
            folder=folder,
            host=options.host,
            port=_free_port(options.host, told.port if options.port is None else options.port),
            worker_count=options.worker_count,
            has_sample=options.has_sample and is_loopback(options.host),
        )
        planned._tell()
        return planned

    def _tell(self) -> None:
        """Begin the settings with what does not depend on what is started."""
        told = environment()
        secret = told.secret_key
        if secret == DEVELOPMENT_SECRET:
            secret = str(self.folder.state()["secret_key"])
        self.settings |= {
            "TALLYMARK_DATA": str(self.folder.path),
            "TALLYMARK_HOST": self.host,
            "TALLYMARK_PORT": str(self.port),
            "TALLYMARK_SECRET_KEY": secret,
            "CHAIN_RPC_URL": told.chain_rpc_url,
        }
        if told.chain_id == DEVELOPMENT_CHAIN and "hold_back_days" not in told.model_fields_set:
            # Nobody who tries it out waits 30 days for test dollars.
            self.settings["TALLYMARK_HOLD_BACK_DAYS"] = "0"

    @property
    def address(self) -> str:
        """Where people reach it."""
        if environment().public_url:
            return environment().public_url
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def has_own_database(self) -> bool:
        """Whether DATABASE_URL names a server that we do not start."""
        return bool(environment().database_url)

    @property
    def has_own_chain(self) -> bool:
        """Whether CHAIN_RPC_URL names a node that we do not start."""
        return "chain_rpc_url" in environment().model_fields_set

    def use_database(self, server: postgres.Server) -> None:
        """Let everything connect to the embedded server."""
        self.settings |= {
            "DATABASE_URL": server.url("app"),
            "DATABASE_OWNER_URL": server.url("owner"),
            "DATABASE_BROKER_URL": server.url("broker"),
        }

    def check_database(self) -> None:
        """Refuse a server of one's own that cannot serve, before anything fails on it."""
        told = environment()
        if not told.database_owner_url or not (told.database_broker_url or told.broker_url):
            raise Unfit(
                "DATABASE_URL needs its companions: DATABASE_OWNER_URL (role tallymark_owner) and"
                " DATABASE_BROKER_URL (role tallymark_broker) or BROKER_URL. ./run database URL"
                " makes the roles and the database, and prints all three."
            )
        try:
            with psycopg.connect(told.database_url, connect_timeout=10) as connection:
                database.check_server(connection)
                database.check_prepared(connection)
        except psycopg.OperationalError as error:
            raise Unfit(f"DATABASE_URL cannot be reached: {error}") from error
        except database.UnfitDatabase as error:
            raise Unfit(str(error)) from error

    def choose_chain_port(self) -> int:
        """The embedded node's port: the last one if it is free."""
        known = int(self.folder.state().get("chain_port", 0))
        try:
            port = _free_port(LOOPBACK, known)
        except Unfit:
            port = _free_port(LOOPBACK, 0)
        self.folder.remember(chain_port=port)
        self.settings["CHAIN_RPC_URL"] = f"http://{LOOPBACK}:{port}"
        return port

    def command_environment(self) -> dict[str, str]:
        """What commands run with: all settings, the table owner's password among them."""
        paths = [str(ROOT), str(ROOT / "client"), os.environ.get("PYTHONPATH", "")]
        return {
            **os.environ,
            **self.settings,
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "PYTHONUNBUFFERED": "1",
        }

    def part_environment(self) -> dict[str, str]:
        """What parts run with: they never become the owner of the tables."""
        whole = self.command_environment()
        return {name: value for name, value in whole.items() if name not in OWNER_ONLY}

    def needs_migrating(self) -> bool:
        """Whether the schema may be older than the code."""
        if self.has_own_database:
            return True
        return bool(place.remembered(self.folder.postgres).get("schema") != schema_stamp())

    def note_migrated(self) -> None:
        """Remember, beside the cluster, what its schema was made of."""
        if not self.has_own_database:
            place.remember(self.folder.postgres, schema=schema_stamp())

    def needs_contracts(self) -> bool:
        """Whether a development chain may lack a contract; others are deployed to by hand."""
        if self.has_own_chain:
            return environment().chain_id == DEVELOPMENT_CHAIN
        return self._contract_note() != contract_stamp()

    def note_contracts(self, stamp: str) -> None:
        """Remember, beside the chain, what was deployed on it."""
        if not self.has_own_chain:
            write_private(self.folder.chain / "contracts", stamp)

    def _contract_note(self) -> str:
        try:
            return (self.folder.chain / "contracts").read_text("utf-8")
        except FileNotFoundError:
            return ""

    def wants_sample(self) -> bool:
        """Whether this is a first start that may show sample data."""
        if "sample" in self.folder.state():
            return bool(self.folder.state()["sample"] == "begun" and self.has_sample)
        self.folder.remember(sample="begun" if self.has_sample else "none")
        return self.has_sample

    def note_sample(self) -> None:
        """Remember that the sample data is whole."""
        self.folder.remember(sample="loaded")

    def announce(self) -> None:
        """Tell other programs of ours where the service is."""
        facts: dict[str, Any] = {
            "pid": os.getpid(),
            "address": self.address,
            "port": self.port,
            "chain": self.settings["CHAIN_RPC_URL"],
        }
        write_private(self.folder.service, json.dumps(facts))


def default_data() -> Path:
    """The data folder unless one is named."""
    return environment().data_folder


def default_host() -> str:
    """The address to serve on unless one is named."""
    return environment().host


def _free_port(host: str, port: int) -> int:
    """`port` if it is free, or any free one for 0; raises `Unfit`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unfit(
                f"port {port} of {host} cannot be used ({error.strerror}): name another one with"
                " --port, or let --port 0 choose."
            ) from error
        return int(probe.getsockname()[1])
