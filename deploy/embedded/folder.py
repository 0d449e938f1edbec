"""The data folder of one service: what lies where, who holds it, what is known about it."""

import fcntl
import hashlib
import json
import os
import secrets
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from deploy.embedded import place
from deploy.embedded.processes import make_folder, write_private

ROOT: Final = Path(__file__).resolve().parents[2]
STATE: Final = "state.json"


class NotOurs(Exception):
    """The folder cannot serve as a data folder; the message says what to do."""


class Held(Exception):
    """A living supervisor holds the folder; the message says where it serves."""


@dataclass(frozen=True)
class DataFolder:
    """Everything one service keeps, under one path."""

    path: Path

    @property
    def postgres(self) -> Path:
        """The embedded database."""
        return self.path / "postgres"

    @property
    def chain(self) -> Path:
        """The embedded chain."""
        return self.path / "chain"

    @property
    def logs(self) -> Path:
        """One log for each part."""
        return self.path / "logs"

    @property
    def users(self) -> Path:
        """The sample users with their passwords, written by `load_sample`."""
        return self.path / "sample-users.json"

    @property
    def service(self) -> Path:
        """Where the running service is to be reached, for other programs of ours."""
        return self.path / "service.json"

    @property
    def settings(self) -> Path:
        """The environment of the service, as lines that a shell can read."""
        return self.path / "service.env"

    def open(self) -> None:
        """Make the folder if need be; refuses one that holds something else."""
        if self.path.exists() and not (self.path / STATE).exists():
            try:
                strangers = [entry.name for entry in self.path.iterdir()]
            except NotADirectoryError as error:
                raise NotOurs(f"{self.path} is a file: name a folder with --data.") from error
            if strangers:
                raise NotOurs(
                    f"{self.path} holds {strangers[0]} and is no data folder of Tallymark: name"
                    " an empty or new one with --data."
                )
        # The user PostgreSQL runs as must pass through; others see no names.
        make_folder(self.path, 0o711 if os.geteuid() == 0 else 0o700)
        make_folder(self.logs, 0o700)
        if not (self.path / STATE).exists():
            token, secret_key = secrets.token_hex(16), secrets.token_urlsafe(48)
            write_private(
                self.path / STATE, json.dumps({"token": token, "secret_key": secret_key}, indent=1)
            )

    def hold(self) -> IO[str]:
        """Keep other supervisors out until the returned file is closed or we die."""
        file = (self.path / "lock").open("a", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            running = self.running()
            where = running.get("address", "its address is not known yet")
            raise Held(
                f"Tallymark already runs on {self.path}: {where} (process"
                f" {running.get('pid', 'unknown')}). Stop that one with Ctrl-C, or give this one"
                " another folder and port: ./run up --data OTHER --port 8001"
            ) from error
        return file

    def running(self) -> dict[str, Any]:
        """What the supervisor that holds the folder says of itself."""
        try:
            found: dict[str, Any] = json.loads(self.service.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return found

    def state(self) -> dict[str, Any]:
        """What was remembered."""
        found: dict[str, Any] = json.loads((self.path / STATE).read_text("utf-8"))
        return found

    def remember(self, **facts: object) -> None:
        """Add `facts` to what is remembered."""
        write_private(self.path / STATE, json.dumps(self.state() | facts, indent=1))

    def write_settings(self, settings: Mapping[str, str]) -> None:
        """Keep the environment of the service for `./run manage`."""
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in sorted(settings.items())]
        write_private(self.settings, "".join(lines))

    def read_settings(self) -> dict[str, str]:
        """The environment of the service as `write_settings` kept it."""
        words = shlex.split(self.settings.read_text("utf-8"))
        return {name: value for name, _, value in (word.partition("=") for word in words)}

    def clear(self) -> None:
        """Delete everything, wherever it stands."""
        if self.postgres.exists():
            place.discard(self.postgres)
        shutil.rmtree(self.path)


def schema_stamp() -> str:
    """A digest of all that migrations are made of: equal stamps need no migrating."""
    digest = hashlib.sha256((ROOT / "deploy" / "requirements.lock").read_bytes())
    for app in ("provenance", "ingest", "compensation"):
        for path in sorted((ROOT / app).rglob("*")):
            if (
                path.suffix in (".py", ".sql") and "migrations" in path.parts
            ) or path.suffix == ".sql":
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def contract_stamp() -> str:
    """A digest of the contracts' artefacts: equal stamps need no deploying."""
    digest = hashlib.sha256()
    for app in ("provenance", "compensation"):
        for path in sorted((ROOT / app / "contracts").rglob("*.json")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
