"""`./run up`: start every part in order, keep it running, and leave nothing behind.

It starts children from its main thread only and waits in one loop, in which whatever died is
started again; so a part that dies while another is waited for is not forgotten.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Final

from deploy.embedded import parts, postgres, service, welcome
from deploy.embedded.folder import ROOT, DataFolder, Held, NotOurs, contract_stamp
from deploy.embedded.parts import Part, Running
from deploy.embedded.place import CannotStart
from deploy.embedded.processes import dies_with_parent, end, write_private
from deploy.embedded.service import Options, Service

PAUSE_SECONDS: Final = 0.1
READY_SECONDS: Final = 180.0
FAILURES_BEFORE_READY: Final = 3
# What the other parts use stops after them.
STOPS_LAST: Final = ("chain",)


class Stopped(BaseException):
    """Somebody asked us to stop; raised by the signal wherever we are."""


class StartFailed(Exception):
    """A part does not come up; the message holds the end of its log."""


class Supervisor:
    """The parts of one service and the database under them."""

    def __init__(self, folder: DataFolder, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.say = say
        self.token = str(folder.state()["token"])
        self.running: dict[str, Running] = {}
        self.server: postgres.Server | None = None
        self.is_up = False
        self._seen_ready: set[str] = set()
        self._database_due_at = 0.0

    def start_database(self, port: int | None = None) -> postgres.Server:
        """Start the embedded PostgreSQL, or start it again on its port."""
        self.server = postgres.start(self.folder.postgres, port, say=self.say)
        return self.server

    def begin(self, part: Part, environment: dict[str, str]) -> None:
        """Start `part` and keep it running from now on."""
        log = self.folder.logs / f"{part.name}.log"
        running = Running(part, log, {**environment, parts.TOKEN: self.token})
        self.running[part.name] = running
        running.start()
        self._tell_processes()

    def tick(self) -> None:
        """Start again whatever has ended, when its time has come."""
        now = time.monotonic()
        self._revive_database(now)
        for name, running in self.running.items():
            if running.process is None and now >= running.due_at:
                # What a killed parent left would do the same work beside the new one.
                parts.end_marked(self.token, name)
                running.start()
                self._tell_processes()
            elif running.process is not None and not running.is_alive:
                delay = running.note_end(now)
                if not self.is_up and running.failure_count >= FAILURES_BEFORE_READY:
                    raise StartFailed(
                        f"{name} ended {running.failure_count} times (status"
                        f" {running.ended_with}). Its log ends:\n{running.tail()}\n"
                        f"  All of it: {running.log}"
                    )
                self.say(f"{name} ended (status {running.ended_with}); again in {delay:g} s")

    def _revive_database(self, now: float) -> None:
        server = self.server
        if server is None or server.running or now < self._database_due_at:
            return
        self.say("PostgreSQL ended; starting it again")
        server.stop()
        try:
            self.start_database(server.port)
        except CannotStart as error:
            self.server = server
            self._database_due_at = now + 5.0
            self.say(f"PostgreSQL does not start: {error}")

    def wait_ready(self, *names: str) -> None:
        """Return when the parts named are ready; the others are kept alive meanwhile."""
        deadline = time.monotonic() + READY_SECONDS
        waiting = [name for name in names if name not in self._seen_ready]
        while waiting:
            self.tick()
            for name in [name for name in waiting if self.running[name].is_ready]:
                waiting.remove(name)
                self._seen_ready.add(name)
                self.say(f"{name} ready")
            if waiting and time.monotonic() > deadline:
                running = self.running[waiting[0]]
                raise StartFailed(
                    f"{waiting[0]} is not ready after {READY_SECONDS:.0f} s. Its log ends:\n"
                    f"{running.tail()}"
                )
            time.sleep(PAUSE_SECONDS)

    def run(self, name: str, environment: dict[str, str], *arguments: str) -> bool:
        """Run a Django command to its end, its output going to a log; False if it failed."""
        log_path = self.folder.logs / f"{name}.log"
        with log_path.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", name, *arguments],
                cwd=ROOT,
                env={**environment, parts.TOKEN: self.token, parts.PART: name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGTERM),
            )
        try:
            while process.poll() is None:
                self.tick()
                time.sleep(PAUSE_SECONDS)
        finally:
            end(process, [(signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)])
        return process.returncode == 0

    def stop(self) -> None:
        """End every part in its order, then the database; then whatever is left of ours."""
        for is_last in (False, True):
            alive = [each for name, each in self.running.items() if (name in STOPS_LAST) == is_last]
            for running in alive:
                if running.process is not None and running.is_alive:
                    running.process.terminate()
            for running in alive:
                self._await_end(running)
        count = parts.end_marked(self.token, patience_seconds=2.0)
        if count:
            self.say(f"ended {count} processes that their parents had left")
        if self.server is not None:
            self.server.stop()
            self.say("PostgreSQL stopped")

    def _await_end(self, running: Running) -> None:
        if running.process is None:
            return
        try:
            running.process.wait(running.part.patience_seconds)
            self.say(f"{running.part.name} stopped")
        except subprocess.TimeoutExpired:
            running.process.kill()
            running.process.wait()
            self.say(f"{running.part.name} killed: it did not stop in time")

    def _tell_processes(self) -> None:
        pids = {
            name: running.process.pid for name, running in self.running.items() if running.process
        }
        if self.server is not None and self.server.process is not None:
            pids["postgres"] = self.server.process.pid
        write_private(self.folder.path / "processes.json", json.dumps(pids))


def main() -> int:
    """Parse the command line and serve until told to stop."""
    options = _options()
    narrator = welcome.Narrator()
    try:
        with ExitStack() as stack:
            serve(options, stack, narrator)
    except (Stopped, KeyboardInterrupt):
        return 0
    except (CannotStart, Held, NotOurs, StartFailed, service.Unfit) as error:
        print(f"\nTallymark cannot start: {error}", file=sys.stderr)
        return 1
    return 0


def serve(options: Options, stack: ExitStack, say: welcome.Narrator) -> None:
    """Bring everything up and keep it up; ends by `Stopped`."""
    folder = DataFolder(options.data.absolute())
    if options.is_fresh:
        welcome.clear(folder, is_agreed=options.is_agreed)
    folder.open()
    # From here on, whatever any part writes is for our eyes only.
    os.umask(0o077)
    stack.enter_context(folder.hold())
    say.keep(stack.enter_context((folder.logs / "supervisor.log").open("a", encoding="utf-8")))
    _listen()
    planned = Service.plan(folder, options)
    supervisor = Supervisor(folder, say)
    left = parts.end_marked(supervisor.token)
    if left:
        say(f"ended {left} processes that an earlier run had left behind")
    folder.service.unlink(missing_ok=True)
    stack.callback(folder.service.unlink, missing_ok=True)
    stack.callback(supervisor.stop)
    stack.callback(_stop_once, say)
    say(f"data folder {folder.path}")
    _bring_up(supervisor, planned)
    supervisor.is_up = True
    planned.announce()
    sample = _load_sample(supervisor, planned)
    say.plainly(welcome.text(planned, has_sample=sample))
    while True:
        supervisor.tick()
        time.sleep(PAUSE_SECONDS)


def _bring_up(supervisor: Supervisor, planned: Service) -> None:
    """Start each part as soon as what it needs is there."""
    if planned.has_own_database:
        planned.check_database()
    else:
        planned.use_database(supervisor.start_database())
        supervisor.say("PostgreSQL ready")
    if not planned.has_own_chain:
        port = planned.choose_chain_port()
        supervisor.begin(parts.chain(planned.folder.chain, port), planned.part_environment())
    planned.folder.write_settings(planned.settings)
    command_environment = planned.command_environment()
    if planned.needs_migrating():
        supervisor.say("migrating the database")
        arguments = ("--database", "owner", "--no-input")
        if not supervisor.run("migrate", command_environment, *arguments):
            raise StartFailed(f"migrating failed: {_last(planned.folder, 'migrate')}")
        planned.note_migrated()
    if planned.needs_contracts():
        if not planned.has_own_chain:
            supervisor.wait_ready("chain")
        supervisor.say("deploying the contracts")
        if not supervisor.run("deploy_contracts", command_environment):
            raise StartFailed(
                f"deploying the contracts failed: {_last(planned.folder, 'deploy_contracts')}"
            )
        planned.note_contracts(contract_stamp())
    environment = planned.part_environment()
    for part in (
        parts.web(planned.host, planned.port),
        parts.worker("worker", "celery", 1, prefetch=16),
        parts.worker("ingest", "ingest", planned.worker_count),
        parts.beat(planned.folder.path / "beat-schedule"),
    ):
        supervisor.begin(part, environment)
    supervisor.wait_ready(*supervisor.running)


def _load_sample(supervisor: Supervisor, planned: Service) -> bool:
    """Load the sample data on a first start; whether it is there."""
    if planned.wants_sample():
        supervisor.say("loading sample data")
        if supervisor.run("load_sample", planned.command_environment()):
            planned.note_sample()
        else:
            supervisor.say(
                "the sample data is not complete; ./run manage load_sample goes on with it. "
                + _last(planned.folder, "load_sample")
            )
    return planned.folder.users.exists()


def _last(folder: DataFolder, name: str) -> str:
    """The end of a command's log."""
    log = folder.logs / f"{name}.log"
    lines = log.read_text("utf-8", "replace").splitlines()[-parts.TAIL_LINES :]
    return "\n" + "\n".join("    " + line for line in lines) + f"\n  All of it: {log}"


def _listen() -> None:
    """Let the first signal stop us, wherever we are."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def _stop_once(say: Callable[[str], None]) -> None:
    """Further signals must not interrupt the stopping, which ends by itself in time."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    say("stopping")


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="./run up", description="Start Tallymark and stay.")
    parser.add_argument(
        "--data", type=Path, default=service.default_data(), help="the data folder (%(default)s)"
    )
    parser.add_argument(
        "--host", default=service.default_host(), help="address to serve on (%(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=None, help="port to serve on (8000); 0 takes a free one"
    )
    parser.add_argument(
        "--workers", type=int, default=1, help="files ingested at a time (%(default)s)"
    )
    parser.add_argument("--no-sample", action="store_true", help="load no sample data")
    parser.add_argument("--fresh", action="store_true", help="delete the data folder first")
    parser.add_argument("--yes", action="store_true", help="do not ask before deleting")
    given = parser.parse_args()
    return Options(
        data=given.data,
        host=given.host,
        port=given.port,
        worker_count=given.workers,
        has_sample=not given.no_sample,
        is_fresh=given.fresh,
        is_agreed=given.yes,
    )


if __name__ == "__main__":
    sys.exit(main())
