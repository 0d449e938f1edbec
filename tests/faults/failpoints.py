"""Failpoints without a change of the product: a process hears its own words, and dies at one.

A word is a statement, a row of COPY or a commit that goes to the database, and what is sent to a
chain. Between two words nothing reaches the outside, so dying before each word in turn is dying
between every two steps.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import requests

ROOT = Path(__file__).resolve().parents[2]
WORDS: Sequence[tuple[type, tuple[str, ...]]] = (
    (psycopg.Cursor, ("execute", "copy")),
    (psycopg.Copy, ("write",)),
    (psycopg.Connection, ("commit",)),
    (requests.Session, ("send",)),
)
# Whose lines are steps: the product's, and those of jobs, where a use case begins and ends.
SPEAKERS = ("compensation", "provenance", "tests/faults/money/jobs.py")


def before_words(act: Callable[[str], None]) -> None:
    """From now on, call `act` before each word of this process, with the kind of word."""

    def heard(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            act(name)
            return original(*given, **named)

        return call

    for owner, names in WORDS:
        for name in names:
            setattr(owner, name, heard(name, getattr(owner, name)))


def speaker(word: str) -> str:
    """The step that says this word: the innermost line of ours and the one that called it."""
    found: list[str] = []
    frame = sys._getframe(1)
    while frame is not None and len(found) < 2:
        path = frame.f_code.co_filename
        if path.startswith(f"{ROOT}/"):
            place = path[len(str(ROOT)) + 1 :]
            if place.startswith(SPEAKERS):
                found.insert(0, f"{place}:{frame.f_lineno}")
        frame = frame.f_back
    return f"{' > '.join(found)} {word}"


def die(*victims: int) -> None:
    """SIGKILL for `victims`, and for this process."""
    for victim in (*victims, os.getpid()):
        os.kill(victim, signal.SIGKILL)
