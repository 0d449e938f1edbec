"""What `./run up` says to people: what it is about to delete, and how to begin."""

import json
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TextIO

from deploy.embedded.folder import DataFolder
from deploy.embedded.service import Service, Unfit

FIRST_STEPS = (
    "Sign in as Ben and open Conflicts: pages of his reader match what Ada registered before.",
    "Sign in as Ada, open that conflict and claim the records; her statement shows what is held.",
    "Sign in as Cleo, a lab: her run, what it was charged, and the ingredients of her model.",
    "Take an event's proof from the event browser and drop it on {address}/verify",
    "In a second terminal: ./run journey checks every step from upload to payout.",
)


class Narrator:
    """Says what happens, with the seconds since the start; a closed terminal stops nothing."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._log: TextIO | None = None

    def keep(self, log: TextIO) -> None:
        """Write the same lines to `log`, with the time of day."""
        self._log = log

    def __call__(self, message: str) -> None:
        """Say one line."""
        self.plainly(f"[{time.monotonic() - self._began:5.1f} s] {message}")
        if self._log is not None:
            self._log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {message}\n")
            self._log.flush()

    def plainly(self, text: str) -> None:
        """Say `text` as it is, to people only."""
        with suppress(OSError):
            print(text, flush=True)


def clear(folder: DataFolder, *, is_agreed: bool) -> None:
    """Delete the data folder, if it is ours, idle, and somebody agrees."""
    if not folder.path.exists() or not any(folder.path.iterdir()):
        return
    # Both refuse what is not ours or in use.
    folder.open()
    folder.hold().close()
    if not is_agreed:
        if not sys.stdin.isatty():
            raise Unfit("--fresh deletes everything in the data folder: say --yes as well.")
        question = f"Delete every dataset, ledger and journal in {folder.path}? Type yes: "
        if input(question).strip() != "yes":
            raise Unfit("nothing was deleted.")
    folder.clear()


def text(service: Service, *, has_sample: bool) -> str:
    """What to do now that everything runs."""
    lines = ["", f"Tallymark is ready: {service.address}"]
    if has_sample:
        lines += ["", "Sign in as one of the sample users:", *_users(service.folder)]
        lines += ["", "What to try first:"]
        steps = (step.format(address=service.address) for step in FIRST_STEPS)
        lines += [f"  {place}. {step}" for place, step in enumerate(steps, 1)]
    else:
        lines += ["", "Make a first operator: ./run manage createsuperuser"]
    lines += ["", f"API: {service.address}/api/docs    logs: {service.folder.logs}"]
    lines += ["Ctrl-C stops everything.", ""]
    return "\n".join(lines)


def _users(folder: DataFolder) -> list[str]:
    rows = json.loads(folder.users.read_text("utf-8"))
    widths = [max(len(str(row[key])) for row in rows) for key in ("email", "password")]
    lines = []
    for row in rows:
        columns = f"{row['email']:<{widths[0]}}  {row['password']:<{widths[1]}}"
        lines.append(f"  {columns}  {row['party']} ({row['kind']})")
    return lines
