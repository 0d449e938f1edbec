"""The supervisor: what dies is started again, what is stopped is gone, what is left is found."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded import parts
from deploy.embedded.folder import ROOT, DataFolder, Held, NotOurs
from deploy.embedded.parts import Part, Running
from deploy.embedded.processes import wait_until
from deploy.embedded.supervisor import StartFailed, Supervisor
from tests.processes import is_alive


@pytest.fixture
def folder() -> Iterator[DataFolder]:
    """A data folder that the user PostgreSQL runs as may enter, unlike pytest's own."""
    outer = Path(tempfile.mkdtemp(prefix="tallymark-test-"))
    outer.chmod(0o711)
    data = DataFolder(outer / "data")
    data.open()
    yield data
    parts.end_marked(data.state()["token"])
    data.clear()
    shutil.rmtree(outer)


def program(text: str, name: str = "part") -> Part:
    command = (sys.executable, "-c", textwrap.dedent(text))
    return Part(name, command, lambda running: "ready" in running.written(), patience_seconds=2.0)


SLEEPER = "import time; print('ready', flush=True); time.sleep(600)"
STUBBORN = """
    import signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print('ready', flush=True)
    time.sleep(600)
"""
PARENT = """
    import subprocess, sys, time
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print('ready', flush=True)
    time.sleep(600)
"""


@pytest.fixture
def supervisor(folder: DataFolder) -> Iterator[Supervisor]:
    supervisor = Supervisor(folder, lambda _: None)
    yield supervisor
    supervisor.stop()
    assert parts.marked(supervisor.token) == []


def begin(supervisor: Supervisor, part: Part) -> Running:
    supervisor.begin(part, dict(os.environ))
    supervisor.wait_ready(part.name)
    supervisor.is_up = True
    return supervisor.running[part.name]


def test_a_killed_part_is_started_again(supervisor: Supervisor) -> None:
    running = begin(supervisor, program(SLEEPER))
    assert running.process is not None
    first = running.process.pid
    running.process.kill()

    def is_back() -> bool:
        supervisor.tick()
        return running.is_ready

    running.process.wait()
    assert wait_until(is_back, timeout_seconds=10)
    assert running.process.pid != first


def test_what_a_killed_part_left_is_ended_before_it_is_started_again(
    supervisor: Supervisor,
) -> None:
    running = begin(supervisor, program(PARENT))
    assert running.process is not None
    assert wait_until(lambda: len(parts.marked(supervisor.token)) == 2, timeout_seconds=5)
    before = {process.pid for process in parts.marked(supervisor.token)}
    running.process.kill()
    running.process.wait()

    def is_back() -> bool:
        supervisor.tick()
        return running.is_ready

    assert wait_until(is_back, timeout_seconds=10)
    assert not any(is_alive(pid) for pid in before)


def test_a_part_that_keeps_failing_waits_longer_each_time() -> None:
    running = Running(program(SLEEPER), Path("unused"), {})
    delays = []
    for moment in range(9):
        running.process = subprocess.Popen(["true"])
        running.process.wait()
        running.started_at = float(moment)
        delays.append(running.note_end(float(moment)))
    assert delays[:4] == [0.5, 1.0, 2.0, 4.0]
    assert delays[-1] == 30.0


def test_a_part_that_never_comes_up_ends_the_start_with_its_log(supervisor: Supervisor) -> None:
    supervisor.begin(program("raise SystemExit('no port')"), dict(os.environ))
    with pytest.raises(StartFailed, match="no port"):
        supervisor.wait_ready("part")


def test_a_part_that_will_not_stop_is_killed(supervisor: Supervisor) -> None:
    running = begin(supervisor, program(STUBBORN))
    process = running.process
    assert process is not None
    supervisor.stop()
    assert process.returncode == -signal.SIGKILL


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(NotOurs, match=r"thesis\.txt"):
        DataFolder(tmp_path).open()


def test_settings_come_back_as_they_were_kept(folder: DataFolder) -> None:
    settings = {"A": "plain", "B": "with 'quotes' and $signs and spaces", "C": ""}
    folder.write_settings(settings)
    assert folder.read_settings() == settings
    assert folder.settings.stat().st_mode & 0o077 == 0


def test_a_folder_is_held_by_one(folder: DataFolder) -> None:
    with folder.hold(), pytest.raises(Held, match="already runs"):
        folder.hold()


class Up:
    """`./run up` as a process of its own."""

    def __init__(self, folder: DataFolder, *options: str) -> None:
        self.folder = folder
        self.output = (folder.path.parent / "output").open("w+")
        command = [sys.executable, "-m", "deploy.embedded.supervisor", "--data", str(folder.path)]
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [*command, "--port", "0", "--no-sample", "--workers", "1", *options],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client'}"},
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )

    def wait(self) -> "Up":
        is_up = wait_until(
            # An older file may lie there still, left by one that was killed.
            lambda: (
                self.folder.running().get("pid") == self.process.pid
                or self.process.poll() is not None
            ),
            timeout_seconds=180,
        )
        assert is_up, self.said()
        assert self.process.poll() is None, self.said()
        self.ready_seconds = time.monotonic() - self.began
        return self

    def said(self) -> str:
        self.output.flush()
        return Path(self.output.name).read_text()

    def pids(self) -> dict[str, int]:
        found: dict[str, int] = json.loads((self.folder.path / "processes.json").read_text())
        return found

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.folder.running()['address']}/readyz", timeout=5):
                return True
        except OSError:
            return False

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        status = self.process.wait(90)
        self.output.close()
        return status


@pytest.fixture
def ups() -> Iterator[list[Up]]:
    """The supervisors of a test, ended with it."""
    started: list[Up] = []
    yield started
    for up in started:
        if up.process.poll() is None:
            up.end(signal.SIGINT)
        up.output.close()


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.service
def test_a_whole_service_survives_kills_and_leaves_nothing(
    folder: DataFolder, ups: list[Up]
) -> None:
    ups.append(Up(folder))
    up = ups[0].wait()
    second = subprocess.run(
        [sys.executable, "-m", "deploy.embedded.supervisor", "--data", str(folder.path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert folder.running()["address"] in second.stderr

    before = up.pids()
    for name in ("web", "worker", "postgres"):
        os.kill(before[name], signal.SIGKILL)
    assert wait_until(
        lambda: all(up.pids().get(n, before[n]) != before[n] for n in ("web", "worker")),
        timeout_seconds=60,
    )
    assert wait_until(up.is_ready, timeout_seconds=60), up.said()

    up.process.kill()
    up.end(signal.SIGKILL)
    ups.append(Up(folder))
    again = ups[1].wait()
    assert again.is_ready()
    assert again.ready_seconds < 60, "a second start needs no migrating"
    everything: list[Any] = list(again.pids().values())
    assert again.end(signal.SIGINT) == 0
    assert parts.marked(folder.state()["token"]) == []
    assert not any(is_alive(pid) for pid in everything)
