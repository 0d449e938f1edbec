"""Counts what a training job uses, and never gets in its way.

`use` adds to counters in memory. One thread writes them to a spool on disk, another sends them;
neither a dead or slow service, nor a full disk, nor a wrong argument stops, slows or fails the job.
What was not sent is sent by the next run on the machine, or by `tallymark flush`.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import socket
import tempfile
import threading
import time
import uuid
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tallymark.client import Client, Problem, Unreachable, now
from tallymark.delivery import deliver, flush, identity
from tallymark.signing import CannotSign
from tallymark.spool import SUFFIX, Key, Spool

log = logging.getLogger("tallymark")

RUN_ID = "TALLYMARK_RUN_ID"
# Set beside a run id that this library made: the process that will end the run.
OWNER = "TALLYMARK_RUN_OWNER"
# Whose budget pays, where the job does not say.
PROJECT = "TALLYMARK_PROJECT"
WRITE_SECONDS = 1.0
SEND_SECONDS = 15.0
HEARTBEAT_SECONDS = 900.0
RETRY_SECONDS = 5.0
RETRY_LIMIT_SECONDS = 300.0
NETWORK_SECONDS = 10.0
EXIT_SECONDS = 3.0
MOST_NAMES = 200_000
"""So many records of one subject are named by a process; the counters go on without limit."""

_alive: weakref.WeakSet[Running] = weakref.WeakSet()


def run(
    purpose: str,
    name: str = "",
    *,
    url: str | None = None,
    key: str | None = None,
    run_id: str | None = None,
    spool: str | Path | None = None,
    quote: str | None = None,
    plan: Mapping[str, int | Mapping[str, int]] | None = None,
    project: str | None = None,
    cap_units: int | None = None,
    cap_asset: str | None = None,
) -> Running:
    """A training job, to be used as `with tallymark.run(purpose="pretrain") as run: ...`.

    `url` and `key` default to TALLYMARK_URL and TALLYMARK_KEY, `spool` to TALLYMARK_SPOOL. All
    processes with one TALLYMARK_RUN_ID report to one run; their counts add up. `quote` is the id of
    a quote that prices the job. `plan` names the datasets that it will use, each with the records
    in all, or as `{"records": 3000, "epochs": 3}`. `project` (or TALLYMARK_PROJECT) is whose budget
    pays; the job may cost `cap_units` of `cap_asset` before its usage waits for a higher cap.
    """
    return Running(
        purpose,
        name,
        url=url,
        key=key,
        run_id=run_id,
        spool=spool,
        quote=quote,
        plan=plan,
        project=project,
        cap_units=cap_units,
        cap_asset=cap_asset,
    )


class Running:
    """A job under way. Nothing here raises, except what the job itself raises."""

    def __init__(
        self,
        purpose: str,
        name: str = "",
        *,
        url: str | None = None,
        key: str | None = None,
        run_id: str | None = None,
        spool: str | Path | None = None,
        quote: str | None = None,
        plan: Mapping[str, int | Mapping[str, int]] | None = None,
        project: str | None = None,
        cap_units: int | None = None,
        cap_asset: str | None = None,
        exit_seconds: float = EXIT_SECONDS,
    ) -> None:
        self.purpose = str(purpose)
        self.name = str(name)[:200]
        self._client = Client(url, key, timeout_seconds=NETWORK_SECONDS)
        self._folder = spool_folder(spool)
        self._exit_seconds = exit_seconds
        self._has_address = bool(url or os.environ.get("TALLYMARK_URL"))
        self._given_id = run_id
        self._quote = str(quote) if quote else None
        # Whose budget pays, and what the job may cost before its usage waits.
        self._budget: dict[str, Any] = {
            "project": project or os.environ.get(PROJECT) or None,
            "cap_units": cap_units,
            "cap_asset": cap_asset,
        }
        self.id = ""
        self._parent: str | None = None
        self._ends_run = True
        self._warned: set[str] = set()
        self._plan = self._planned(plan)
        self._begin_counting()

    # ---- what a job calls ----

    def start(self) -> Running:
        """Begin; `with` does this."""
        try:
            self._place()
            self._start_threads()
            _alive.add(self)
            atexit.register(self.close)
        except Exception as error:
            self._warn("start", error)
        return self

    def use(
        self,
        subject: str,
        *,
        records: int = 0,
        tokens: int = 0,
        epochs: int = 0,
        fetches: int = 0,
        purpose: str = "",
        keys: Iterable[str] = (),
    ) -> None:
        """Count what was just used of a dataset version: its id, or `namespace/name@number`.

        `keys` names the records that were read, once for each time; their owners see by it what
        single works earned. Without `records`, they are counted.
        """
        try:
            key = (str(subject)[:300], purpose or self.purpose)
            read = [str(one)[:300] for one in keys if str(one)]
            records = records or len(read)
            added = (int(records), int(tokens), int(epochs), int(fetches))
            if min(added) < 0 or not key[0]:
                raise ValueError(
                    f"counts are never negative and subjects never empty: {key} {added}"
                )
            with self._lock:
                counts = self._counts.get(key)
                if counts is None:
                    counts = self._counts[key] = [0] * len(added)
                for place, more in enumerate(added):
                    counts[place] += more
                self._changed.add(key)
                self._name(key, read)
            if self._is_orphan:
                self._adopt()
        except Exception as error:
            self._warn("use", error)

    def _name(self, key: Key, read: list[str]) -> None:
        """Note which records were read; past MOST_NAMES of a subject only those known count on."""
        if not read:
            return
        counts = self._named.setdefault(key, {})
        for one in read:
            if one in counts or len(counts) < MOST_NAMES:
                counts[one] = counts.get(one, 0) + 1
                self._newly_named.setdefault(key, set()).add(one)

    def produced(self, name: str, version: str = "1", *, is_published: bool = False) -> None:
        """Name a model that came of this run; `is_published` lets owners of the data see it."""
        try:
            facts = {"name": str(name), "version": str(version), "is_published": bool(is_published)}
            with self._lock:
                self._models.append(facts)
            if self._is_orphan:
                self._adopt()
        except Exception as error:
            self._warn("produced", error)

    def close(self) -> None:
        """End it: write down and send what is left, for a few seconds at most."""
        try:
            atexit.unregister(self.close)
            self._finish()
        except Exception as error:
            self._warn("close", error)

    def __enter__(self) -> Running:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ---- beginning and ending ----

    def _begin_counting(self) -> None:
        """Fresh counters, locks and threads: at the start, and in a process forked off."""
        self._lock = threading.RLock()
        self._counts: dict[Key, list[int]] = {}
        self._changed: set[Key] = set()
        self._named: dict[Key, dict[str, int]] = {}
        self._newly_named: dict[Key, set[str]] = {}
        self._models: list[dict[str, Any]] = []
        self._closing = threading.Event()
        self._written = threading.Event()
        self._threads: list[threading.Thread] = []
        self._is_orphan = False
        host = "".join(c for c in socket.gethostname() if c.isalnum() or c in "-.")[:40]
        self._stream = f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
        self._spool = Spool(self._folder / f"{self._stream}{SUFFIX}")

    def _place(self) -> None:
        """Which run this is: a new one, one inside another of this process, or one joined."""
        inherited, owner = os.environ.get(RUN_ID, ""), os.environ.get(OWNER, "")
        is_inner = bool(inherited) and owner == str(os.getpid())
        if is_inner and not self._given_id:
            self._parent = _as_uuid(inherited)
        joins = self._given_id or ("" if is_inner else inherited)
        self.id = _as_uuid(joins) if joins else str(uuid.uuid4())
        # Of the processes that share a run, one ends it: the one that made it, or rank 0.
        is_first = os.environ.get("RANK", "0") == "0"
        self._ends_run = not joins or (is_first and (bool(self._given_id) or not owner))
        if not inherited:
            os.environ[RUN_ID], os.environ[OWNER] = self.id, str(os.getpid())

    def _planned(self, plan: Any) -> list[dict[str, Any]]:
        """A plan as the service takes it; one that makes no sense is left out."""
        try:
            return [
                {"subject": str(subject)[:300], **_expected(counts)}
                for subject, counts in (plan or {}).items()
            ]
        except Exception as error:
            self._warn("plan", error)
            return []

    def _start_threads(self) -> None:
        facts = {
            "run_id": self.id,
            "stream": self._stream,
            "purpose": self.purpose,
            "name": self.name,
            "parent": self._parent,
            # A quote holds for a whole job, so it is named at its top.
            "quote": None if self._parent else self._quote,
            "plan": [] if self._parent else self._plan,
            **({} if self._parent else self._budget),
            "started_at": now(),
            "for": identity(self._client) if self._has_address else {},
        }
        for work, words in ((self._write_down, (facts,)), (self._send, ())):
            thread = threading.Thread(target=work, args=words, name="tallymark", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _finish(self) -> None:
        """Give the threads a few seconds to write and send the rest."""
        if self._closing.is_set():
            return
        self._closing.set()
        until = time.monotonic() + self._exit_seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        if os.environ.get(RUN_ID) == self.id and os.environ.get(OWNER) == str(os.getpid()):
            del os.environ[RUN_ID], os.environ[OWNER]
        _alive.discard(self)

    def _forked(self) -> None:
        """This is a forked copy: it counts for itself, into the same run, and never ends it."""
        was_running = not self._closing.is_set() and bool(self._threads)
        self._begin_counting()
        self._ends_run = False
        self._is_orphan = was_running

    def _adopt(self) -> None:
        """Start the threads of a forked copy, now that it counts something."""
        with self._lock:
            if not self._is_orphan:
                return
            self._is_orphan = False
        self._start_threads()
        from multiprocessing.util import Finalize

        Finalize(self, self.close, exitpriority=100)  # such processes skip atexit

    # ---- the two threads ----

    def _write_down(self, facts: dict[str, Any]) -> None:
        """Bring changed counters and new models into the spool, every second and at the end."""
        try:
            self._spool.add({"run": facts})
            while not self._closing.wait(WRITE_SECONDS):
                self._write_counts()
            self._write_counts()
            self._spool.add({"closed": now(), "ends_run": self._ends_run})
        except Exception as error:
            self._warn("write", error)
        finally:
            self._written.set()

    def _write_counts(self) -> None:
        with self._lock:
            changed = [(key, list(self._counts[key])) for key in self._changed]
            self._changed.clear()
            made, self._models = self._models, []
            fresh, self._newly_named = self._newly_named, {}
            named = [
                {"named": [*key, {one: self._named[key][one] for one in names}]}
                for key, names in fresh.items()
            ]
        if made:
            self._spool.add(*({"model": facts} for facts in made))
        if not changed:
            return
        at = now()
        with self._spool.lock:
            self._spool.add(*(self._spool.count(key, counts, at) for key, counts in changed))
        if named:
            self._spool.add(*named)

    def _send(self) -> None:
        """Send what the spool has, now and then; and first what earlier jobs left behind."""
        failures, wait = 0, 0.0
        heard_at = time.monotonic()
        try:
            if not self._has_address:
                self._warn("address", Unreachable("TALLYMARK_URL is not set; reports are kept"))
                return
            self._try(lambda: flush(self._folder, self._client))
            while not self._closing.wait(wait):
                failures = 0 if self._try(self._deliver) else failures + 1
                if not failures and time.monotonic() - heard_at > HEARTBEAT_SECONDS:
                    self._try(lambda: self._client.heartbeat(self.id))
                    heard_at = time.monotonic()
                retry = min(RETRY_SECONDS * 2 ** min(failures, 10), RETRY_LIMIT_SECONDS)
                wait = retry if failures else SEND_SECONDS
            self._written.wait()
            if self._try(self._deliver) and self._spool.state.is_done:
                self._spool.remove()
        except Exception as error:
            self._warn("send", error)
        finally:
            self._written.wait()
            self._spool.close()

    def _deliver(self) -> None:
        if self._spool.state.run:
            deliver(self._spool, self._client)

    def _try(self, act: Any) -> bool:
        """Whether `act` could be done; what the network or the service says is only logged."""
        try:
            act()
        except (CannotSign, Problem, Unreachable) as error:
            self._warn("service", error)
            return False
        return True

    def _warn(self, what: str, error: Exception) -> None:
        """Say something once of each kind; a job's log is not ours to fill."""
        if what in self._warned:
            log.debug("tallymark: %s: %s", what, error)
            return
        self._warned.add(what)
        log.warning("tallymark: %s: %s (the job is not affected)", what, error)


def _expected(counts: Any) -> dict[str, int]:
    """Records and epochs of a plan's dataset; a bare number is records."""
    if not isinstance(counts, Mapping):
        return {"records": int(counts)}
    return {name: int(counts[name]) for name in ("records", "epochs") if name in counts}


def _as_uuid(name: str) -> str:
    """A run id as the service knows it; a scheduler's own job id gives always the same one."""
    try:
        return str(uuid.UUID(name))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tallymark:run:{name}"))


def spool_folder(given: str | Path | None = None) -> Path:
    """Where spools lie: as given, TALLYMARK_SPOOL, or below the home folder."""
    named = given or os.environ.get("TALLYMARK_SPOOL")
    if named:
        return Path(named)
    try:
        return Path.home() / ".tallymark" / "spool"
    except RuntimeError:  # no home folder, as in some containers
        return Path(tempfile.gettempdir()) / "tallymark-spool"


def _after_fork() -> None:
    for running in list(_alive):
        running._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
