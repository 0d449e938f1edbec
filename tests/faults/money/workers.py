"""Workers as real processes: forked, armed with a failpoint, left to the shipped use cases."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import InterfaceError, OperationalError, connections

from deploy.embedded.processes import dies_with_parent
from tests.faults.failpoints import before_words, die, speaker

Say = Callable[[Any], None]
Job = Callable[[random.Random, Say], None]

FINISHED, FAILED, CUT_OFF = 0, 1, 3


@dataclass(frozen=True)
class Failpoint:
    """Where a worker dies: at one of its words, by number or by the step that says it."""

    number: int = 0
    apart_from: frozenset[str] = frozenset()
    """Steps whose words do not count."""
    step: str = ""
    after_seconds: float | None = None
    """None: before the word is said. Else so long after, while the server works on it."""


@dataclass
class Worker:
    """One forked process at its job."""

    name: str
    process_id: int
    reader: int
    exit_code: int | None = None
    said: list[Any] = field(default_factory=list)

    @property
    def was_killed(self) -> bool:
        return self.exit_code == -signal.SIGKILL

    @property
    def failure(self) -> str:
        """What it could not do, in its last words; empty if it was killed or finished."""
        return "".join(self._told("failed"))

    @property
    def steps(self) -> set[str]:
        """The steps that it came to."""
        return {step for steps in self._told("steps") for step in steps}

    @property
    def words(self) -> int:
        """How many words it took to do all there was."""
        return sum(self._told("words"))

    @property
    def died_at(self) -> str:
        """The step before which, or in which, it died by its failpoint."""
        return "".join(self._told("died_at"))

    def wait(self) -> Worker:
        """Until it has ended, however; keeps what it said."""
        with os.fdopen(self.reader) as lines:
            text = lines.read()
        self.exit_code = os.waitstatus_to_exitcode(os.waitpid(self.process_id, 0)[1])
        # A worker that is killed may have said half a line.
        whole = text[: text.rfind("\n") + 1]
        self.said = [json.loads(line) for line in whole.splitlines()]
        return self

    def _told(self, what: str) -> list[Any]:
        return [one[what] for one in self.said if isinstance(one, dict) and what in one]


def start(
    name: str, job: Job, *, seed: int, log: Path, failpoint: Failpoint | None = None
) -> Worker:
    """Fork a worker for `job`, which dies at its failpoint if it comes to it."""
    connections.close_all()
    reader, writer = os.pipe()
    ask_to_die = dies_with_parent(signal.SIGKILL)
    child = os.fork()
    if child:
        os.close(writer)
        return Worker(name, child, reader)
    # Whatever happens in here, the copy of the driver that we are must not go on.
    code = FAILED
    try:
        ask_to_die()
        os.close(reader)
        _silence(log)
        code = _work(job, random.Random(seed), writer, failpoint or Failpoint())
    finally:
        os._exit(code)


def _silence(log: Path) -> None:
    """What a worker logs is no figure."""
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(target, 1)
    os.dup2(target, 2)


def _work(job: Job, dice: random.Random, writer: int, failpoint: Failpoint) -> int:
    def say(what: Any) -> None:
        os.write(writer, json.dumps(what).encode() + b"\n")

    steps: Counter[str] = Counter()
    before_words(_armed(failpoint, steps, say))
    try:
        job(dice, say)
    except (OperationalError, InterfaceError) as lost:
        say({"failed": f"{type(lost).__name__}: {lost}"})
        return CUT_OFF
    except BaseException:
        say({"failed": traceback.format_exc()})
        return FAILED
    say({"steps": sorted(steps), "words": steps.total()})
    return FINISHED


def _armed(failpoint: Failpoint, steps: Counter[str], say: Say) -> Callable[[str], None]:
    """Counts the words of each step in `steps`, and kills this process at the failpoint."""

    count = 0

    def hear(word: str) -> None:
        nonlocal count
        step = speaker(word)
        steps[step] += 1
        is_counted = step not in failpoint.apart_from
        count += is_counted
        if not (is_counted and count == failpoint.number) and step != failpoint.step:
            return
        say({"steps": sorted(steps), "died_at": step})
        if failpoint.after_seconds is None:
            die()
        else:
            threading.Timer(failpoint.after_seconds, die).start()

    return hear
