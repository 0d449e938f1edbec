"""Where a journey walks: a service that runs already, or one of its own for the time.

Nothing of the service is imported: what a journey knows, any user could know.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 240


@dataclass(frozen=True)
class Place:
    """A service, the node of its chain, and the keys of the sample users by namespace."""

    url: str
    rpc: str
    keys: dict[str, str]
    passwords: dict[str, tuple[str, str]]
    data: Path
    # The same by first name, for two people of one party.
    people: dict[str, tuple[str, str]]

    @property
    def mail(self) -> Path:
        """Where letters lie as files."""
        return self.data / "mail"


def place_of(data: Path) -> Place:
    """The service that runs on the data folder; raises FileNotFoundError if none does."""
    service = json.loads((data / "service.json").read_text())
    users = json.loads((data / "sample-users.json").read_text())
    with urlopen(f"{service['address']}/healthz", timeout=10) as answer:
        assert answer.status == 200
    return Place(
        url=service["address"],
        rpc=service["chain"],
        keys={user["namespace"]: user["api_key"] for user in users},
        passwords={user["namespace"]: (user["email"], user["password"]) for user in users},
        data=data,
        people={user["name"]: (user["email"], user["password"]) for user in users},
    )


@contextmanager
def running(data: Path | None) -> Iterator[Place]:
    """The service on `data` if one runs there; else a temporary one, stopped afterwards."""
    folder = data or ROOT / ".tallymark"
    try:
        yield place_of(folder)
        return
    except (FileNotFoundError, OSError, ValueError):
        if data is not None:
            raise SystemExit(
                f"No service runs on {data}: start it with ./run up --data {data}"
            ) from None
    with temporary() as place:
        yield place


@contextmanager
def temporary() -> Iterator[Place]:
    """A service of its own on a folder of its own, with the sample data."""
    with tempfile.TemporaryDirectory(prefix="tallymark-journey-") as name:
        folder = Path(name) / "data"
        print("No service is running here; starting a temporary one.", flush=True)
        # Whoever runs PostgreSQL for us must be able to pass through.
        Path(name).chmod(0o711)
        process = start(folder)
        try:
            yield wait_until_ready(process, folder)
        finally:
            stop(process)


def start(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """`./run up` on the folder, on a free port, with its output in a log beside it."""
    with (folder.parent / "up.log").open("ab") as log:
        return subprocess.Popen(
            [
                *(sys.executable, str(ROOT / "run"), "up"),
                *("--data", str(folder), "--port", "0", *options),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # No journey waits for days: what is named to be paid at is paid at once.
            env={
                **os.environ,
                "PYTHONUNBUFFERED": "1",
                "TALLYMARK_PAYOUT_ACCOUNT_HOLD_HOURS": "0",
            },
            start_new_session=True,
        )


def wait_until_ready(process: subprocess.Popen[bytes], folder: Path) -> Place:
    """The place, once the supervisor has said that it is ready."""
    wait_for_words(process, folder)
    return place_of(folder)


def wait_for_words(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until the supervisor has said that everything runs."""
    log = folder.parent / "up.log"
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        if b"Tallymark is ready" in log.read_bytes():
            return
        time.sleep(0.2)
    raise SystemExit("The service did not start:\n" + log.read_text()[-4000:])


def manage(data: Path, *command: str) -> None:
    """One command of `./run manage` on the service that runs on the folder."""
    done = subprocess.run(
        (sys.executable, str(ROOT / "run"), "manage", *command),
        env={**os.environ, "TALLYMARK_DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ctrl-C, and patience until everything is down."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait(60)
