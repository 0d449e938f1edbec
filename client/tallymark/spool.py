"""What a process has to tell the service, kept in a file until the service has it.

A spool is a list of lines, and its state is what they add up to; a process that died is read back
from its file. Counters are cumulative and numbered. A number is used up when it is first sent:
until then a later count replaces it, so that a long silence of the service costs one report per
subject, and no gap shows.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows: a file counts as left behind when it was not written for an hour
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("tallymark")

SUFFIX = ".spool"
COMPACT_BYTES = 1 << 20
FSYNC_SECONDS = 10.0
LEFT_BEHIND_SECONDS = 3600.0

Key = tuple[str, str]
Line = dict[str, Any]


@dataclass(frozen=True)
class Report:
    """Counters of one subject for one purpose, as they stood at `used_at`."""

    subject: str
    purpose: str
    sequence: int
    records: int
    tokens: int
    epochs: int
    used_at: str
    fetches: int = 0


@dataclass
class State:
    """What the lines of a spool add up to."""

    run: Line = field(default_factory=dict)
    is_started: bool = False
    closed_at: str = ""
    ends_run: bool = False
    is_done: bool = False
    unsent: dict[Key, dict[int, Report]] = field(default_factory=dict)
    # Models that came of the run, by name and version, which the service does not have yet.
    models: dict[Key, Line] = field(default_factory=dict)
    # Records by key, with how often each was read, which the service does not have yet.
    named: dict[Key, dict[str, int]] = field(default_factory=dict)
    last_sequence: dict[Key, int] = field(default_factory=dict)
    # The highest number that may have reached the service; it is never given another count.
    sent_sequence: dict[Key, int] = field(default_factory=dict)

    def apply(self, line: Line) -> None:
        """Take one line in."""
        if "run" in line:
            self.run = line["run"]
        elif "started" in line:
            self.is_started = bool(line["started"])
        elif "report" in line:
            report = Report(**line["report"])
            key = (report.subject, report.purpose)
            self.unsent.setdefault(key, {})[report.sequence] = report
            self.last_sequence[key] = report.sequence
        elif "sent" in line:
            subject, purpose, sequence = line["sent"]
            key = (subject, purpose)
            self.unsent.get(key, {}).pop(sequence, None)
            self.last_sequence[key] = max(self.last_sequence.get(key, 0), sequence)
            self.sent_sequence[key] = max(self.sent_sequence.get(key, 0), sequence)
        elif "model" in line:
            self.models[line["model"]["name"], line["model"]["version"]] = line["model"]
        elif "model_sent" in line:
            name, version = line["model_sent"]
            self.models.pop((name, version), None)
        elif "named" in line:
            subject, purpose, counts = line["named"]
            self.named.setdefault((subject, purpose), {}).update(counts)
        elif "named_sent" in line:
            subject, purpose, counts = line["named_sent"]
            self._forget_names((subject, purpose), counts)
        elif "closed" in line:
            self.closed_at, self.ends_run = line["closed"], line["ends_run"]
        elif "done" in line:
            self.is_done = True

    def _forget_names(self, key: Key, counts: dict[str, int]) -> None:
        """The service has these counts: what has grown since stays."""
        waiting = self.named.get(key, {})
        for name, count in counts.items():
            if waiting.get(name) == count:
                del waiting[name]
        if not waiting:
            self.named.pop(key, None)

    def lines(self) -> Iterator[Line]:
        """The fewest lines that add up to this."""
        yield {"run": self.run}
        if self.is_started:
            yield {"started": True}
        for (subject, purpose), sequence in self.sent_sequence.items():
            yield {"sent": [subject, purpose, sequence]}
        for reports in self.unsent.values():
            for _, report in sorted(reports.items()):
                yield {"report": asdict(report)}
        for model in self.models.values():
            yield {"model": model}
        for (subject, purpose), counts in self.named.items():
            yield {"named": [subject, purpose, counts]}
        if self.closed_at:
            yield {"closed": self.closed_at, "ends_run": self.ends_run}

    def next_sequence(self, key: Key) -> int:
        """The number of the next count: the last one again while it was never sent."""
        last = self.last_sequence.get(key, 0)
        return last if last > self.sent_sequence.get(key, 0) else last + 1

    def is_empty(self) -> bool:
        """Whether the service has every report, model and name."""
        return not self.models and not self.named and not any(self.unsent.values())


class Spool:
    """One process's file in the spool folder; when the disk fails it lives in memory alone.

    Safe to use from several threads; `lock` is never held while the network is used.
    """

    def __init__(self, path: Path, state: State | None = None) -> None:
        self.path = path
        self.state = state or State()
        self.lock = threading.RLock()
        self._file: IO[str] | None = None
        self._synced_at = time.monotonic()
        self._size = 0
        self._is_warned = False
        # Lines that the disk did not take are written again, as a whole, when it does.
        self._is_behind = True

    def add(self, *lines: Line) -> None:
        """Take lines in, and write them down if the disk allows."""
        with self.lock:
            for line in lines:
                self.state.apply(line)
            try:
                if self._file is None or self._is_behind or self._size > COMPACT_BYTES:
                    self._rewrite()
                else:
                    self._write(self._file, lines)
            except OSError as error:
                self._is_behind = True
                self._warn(error)

    def count(self, key: Key, counts: Sequence[int], used_at: str) -> Line:
        """The line that says how far `key` has come: records, tokens, epochs and fetches."""
        sequence = self.state.next_sequence(key)
        records, tokens, epochs, fetches = counts
        report = Report(*key, sequence, records, tokens, epochs, used_at, fetches)
        return {"report": asdict(report)}

    def take(self, limit: int) -> list[Report]:
        """For each subject the earliest report the service lacks; their numbers are used up."""
        with self.lock:
            waiting = [reports[min(reports)] for reports in self.state.unsent.values() if reports]
            for report in waiting[:limit]:
                key = (report.subject, report.purpose)
                known = self.state.sent_sequence.get(key, 0)
                self.state.sent_sequence[key] = max(known, report.sequence)
            return waiting[:limit]

    def remove(self) -> None:
        """Everything was delivered: delete the file."""
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file, so that another process may deliver it."""
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError:
                log.debug("tallymark: closing %s failed", self.path)

    def _warn(self, error: OSError) -> None:
        """Say once that the disk does not take it."""
        if not self._is_warned:
            self._is_warned = True
            log.warning("tallymark: cannot write %s (%s); kept in memory", self.path, error)

    def _write(self, file: IO[str], lines: tuple[Line, ...] | list[Line]) -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        file.write(text)
        file.flush()
        self._size += len(text)
        if time.monotonic() - self._synced_at > FSYNC_SECONDS:
            os.fsync(file.fileno())
            self._synced_at = time.monotonic()

    def _rewrite(self) -> None:
        """Write the state anew beside the old file, and put it in its place."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self.path.with_suffix(".new")
        file = fresh.open("w", encoding="utf-8")
        try:
            _lock(file)
            self._size = 0
            self._write(file, list(self.state.lines()))
            fresh.replace(self.path)
        except BaseException:
            file.close()
            raise
        self.close()
        self._file, self._is_behind = file, False


def left_behind(folder: Path) -> Iterator[Spool]:
    """Spools in `folder` that no living process holds; each is held while it is looked at."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            file = path.open("r+", encoding="utf-8", errors="replace")
        except OSError:
            continue
        with file:
            if not _lock(file) or not _is_at(file, path):
                continue
            spool = Spool(path, _read(file))
            try:
                yield spool
            finally:
                spool.close()


def _read(file: IO[str]) -> State:
    """What a file's lines add up to; a line cut short by a crash is left out."""
    state = State()
    for text in file:
        try:
            state.apply(json.loads(text))
        except (ValueError, TypeError, KeyError):
            log.debug("tallymark: a broken line in a spool was left out")
    return state


def _is_at(file: IO[str], path: Path) -> bool:
    """Whether `path` still names this file: its writer may have put a new one in its place."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _lock(file: IO[str]) -> bool:
    """Hold a file for as long as it is open; False where another process holds it."""
    if fcntl is None:
        return time.time() - os.fstat(file.fileno()).st_mtime > LEFT_BEHIND_SECONDS
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
