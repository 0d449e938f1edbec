"""Start child processes that die with us, and tell a process of ours from a stranger's."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

Say = Callable[[str], None]

PR_SET_PDEATHSIG: Final = 1
# Loaded here, because nothing may be loaded between fork and exec.
LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


def silent(_: str) -> None:
    """Say nothing."""


def dies_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """What a child does before it becomes its program: ask for `death_signal` if we die.

    Linux sends it when the *thread* that started the child ends, so children are started
    from the main thread only. Elsewhere leftovers are found by their pid files.
    """
    parent = os.getpid()

    def prepare() -> None:
        if LIBC is not None:
            LIBC.prctl(PR_SET_PDEATHSIG, int(death_signal))
            if os.getppid() != parent:
                os._exit(1)

    return prepare


def end(process: psutil.Process | subprocess.Popen[bytes], steps: list[tuple[int, float]]) -> bool:
    """Send each signal in turn and wait its seconds for `process` to go; False if it stays."""
    for number, seconds in steps:
        try:
            process.send_signal(number)
            process.wait(seconds)
        except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
            continue
        except (psutil.NoSuchProcess, ProcessLookupError):
            return True
        return True
    return False


def make_folder(path: Path, mode: int) -> None:
    """Make `path` with exactly `mode`, whatever the umask, unless it is there."""
    if not path.is_dir():
        path.mkdir(parents=True)
        path.chmod(mode)


def write_private(path: Path, text: str) -> None:
    """Write `path` for our eyes only, whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)


def wait_until(
    check: Callable[[], bool], *, timeout_seconds: float, pause_seconds: float = 0.05
) -> bool:
    """Ask `check` until it says yes; False when `timeout_seconds` have passed."""
    deadline = time.monotonic() + timeout_seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_seconds)
    return True
