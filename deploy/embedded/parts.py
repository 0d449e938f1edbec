"""The programs the supervisor keeps running: how each is started, seen to be ready, and ended."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from deploy.embedded.folder import ROOT
from deploy.embedded.processes import dies_with_parent

# Every process of ours carries these, so that leftovers are found whatever became of their
# parents, and no stranger is mistaken for one.
TOKEN: Final = "TALLYMARK_SUPERVISOR"  # noqa: S105
PART: Final = "TALLYMARK_PART"
LARGEST_LOG_BYTES: Final = 20_000_000
TAIL_LINES: Final = 12

FIRST_DELAY_SECONDS: Final = 0.5
LONGEST_DELAY_SECONDS: Final = 30.0
# A part that ran this long has not failed for the reason it failed for before.
HEALTHY_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Part:
    """One program: its command, and how to tell that it is ready."""

    name: str
    command: tuple[str, ...]
    is_ready: Callable[["Running"], bool]
    patience_seconds: float = 20.0


@dataclass
class Running:
    """One part with its process, or waiting to be started again."""

    part: Part
    log: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    log_start: int = 0
    started_at: float = 0.0
    due_at: float = 0.0
    failure_count: int = 0
    ended_with: int = field(default=0)

    def start(self) -> None:
        """Start the program, its output going to the log."""
        self.log_start = rotate(self.log)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.part.command,
                cwd=ROOT,
                env={**self.environment, PART: self.part.name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is ours to hear; parts stop in their order.
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGTERM),
            )
        self.started_at = time.monotonic()

    @property
    def is_alive(self) -> bool:
        """Whether the program runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def is_ready(self) -> bool:
        """Whether the program runs and does its work."""
        return self.is_alive and self.part.is_ready(self)

    def note_end(self, now: float) -> float:
        """Note that the program ended by itself; returns the seconds until it starts again."""
        assert self.process is not None, "only a program that was started can end"
        self.ended_with = self.process.returncode
        self.process = None
        if now - self.started_at > HEALTHY_SECONDS:
            self.failure_count = 0
        delay: float = min(FIRST_DELAY_SECONDS * 2**self.failure_count, LONGEST_DELAY_SECONDS)
        self.failure_count += 1
        self.due_at = now + delay
        return delay

    def written(self) -> str:
        """What the program has written since it was started."""
        with self.log.open("rb") as file:
            file.seek(self.log_start)
            return file.read().decode("utf-8", "replace")

    def tail(self) -> str:
        """The last lines of the log."""
        return "\n".join("    " + line for line in self.written().splitlines()[-TAIL_LINES:])


def chain(folder: Path, port: int) -> Part:
    """The embedded node."""
    command = (sys.executable, "-m", "deploy.embedded.chain", "--data", str(folder))
    return Part("chain", (*command, "--port", str(port)), lambda _: answers_rpc(port))


def web(host: str, port: int) -> Part:
    """Gunicorn with threads: uploads and statements are waits, not work."""
    command = (
        *(sys.executable, "-m", "gunicorn", "deploy.wsgi:application"),
        *("--bind", f"[{host}]:{port}" if ":" in host else f"{host}:{port}"),
        *("--worker-class", "gthread", "--threads", "12", "--timeout", "300"),
        *("--graceful-timeout", "10", "--no-control-socket"),
    )
    return Part("web", command, lambda _: web_faults(host, port) == "")


def worker(name: str, queue: str, concurrency: int, *, prefetch: int = 1) -> Part:
    """A Celery worker for one queue: long ingests must not keep sealing and payments waiting.

    `prefetch` is how many hints each process takes at a time: with one, a worker of short tasks
    fetches once a look and falls behind its clock.
    """
    command = (
        *(sys.executable, "-m", "celery", "-A", "deploy.celery", "worker"),
        *("--loglevel", "INFO", "--concurrency", str(concurrency)),
        *("--queues", queue, "--hostname", f"{name}@%h"),
        *("--prefetch-multiplier", str(prefetch)),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    )
    return Part(name, command, lambda running: " ready." in running.written())


def beat(schedule: Path) -> Part:
    """The Celery clock."""
    command = (
        *(sys.executable, "-m", "celery", "-A", "deploy.beat", "beat"),
        *("--loglevel", "INFO", "--schedule", str(schedule), "--pidfile="),
    )
    return Part("beat", command, lambda running: running.is_alive, patience_seconds=5.0)


def answers_rpc(port: int) -> bool:
    """Whether a node answers on `port` of this machine."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []})
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}", body.encode(), {"Content-Type": "application/json"}
    )
    try:
        with _direct().open(request, timeout=2) as reply:
            return "result" in json.load(reply)
    except (OSError, ValueError):
        return False


def web_faults(host: str, port: int) -> str:
    """What keeps the web from being ready; nothing when it is."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
    reach = everywhere.get(host, f"[{host}]" if ":" in host else host)
    try:
        with _direct().open(f"http://{reach}:{port}/readyz", timeout=5):
            return ""
    except urllib.error.HTTPError as error:
        with error:
            try:
                checks = json.load(error)["checks"].items()
            except (ValueError, KeyError, AttributeError):
                return f"status {error.code}"
        bad = [f"{name}: {check['detail']}" for name, check in checks if not check["ok"]]
        return ", ".join(bad) or f"status {error.code}"
    except OSError as error:
        return str(error)


def _direct() -> urllib.request.OpenerDirector:
    """A way to our own machine past any proxy that the environment names."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def marked(token: str, part: str | None = None) -> list[psutil.Process]:
    """Living processes that carry `token`, of one part or of all, other than ourselves."""
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.Error, OSError):
            continue
        if process.pid == os.getpid() or environment.get(TOKEN) != token:
            continue
        if part is None or environment.get(PART) == part:
            found.append(process)
    return found


def end_marked(token: str, part: str | None = None, *, patience_seconds: float = 5.0) -> int:
    """End such processes, asking first; returns how many there were."""
    processes = marked(token, part)
    for number in (signal.SIGTERM, signal.SIGKILL):
        _, alive = psutil.wait_procs(processes, timeout=0)
        for process in alive:
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(alive, timeout=patience_seconds)
    return len(processes)


def rotate(log: Path) -> int:
    """Keep one older log; return where new lines begin."""
    if log.exists() and log.stat().st_size > LARGEST_LOG_BYTES:
        shutil.move(log, log.with_suffix(".log.1"))
    return log.stat().st_size if log.exists() else 0
