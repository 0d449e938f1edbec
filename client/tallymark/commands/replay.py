"""`tallymark replay EXPORT`: recompute an export of the journal without asking the service."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tallymark.replay import Difference, NotAnExport, Outcome, replay

AGREES, DIFFERS, UNDECIDED = 0, 1, 2


def add(subparsers: Any) -> None:
    """Add the subcommand's parser."""
    parser = subparsers.add_parser(
        "replay",
        help="recompute an export of the journal, to the unit",
        description="Recomputes every price, total, share, line and balance of an export, offline, "
        "and names the first difference. Exit status: 0 it agrees, 1 it differs, 2 it could not be "
        "read.",
    )
    parser.add_argument("export", type=Path, metavar="EXPORT", help="the export (zip)")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace) -> int:
    """Recompute and print the outcome; returns the exit status."""
    try:
        outcome = replay(arguments.export)
    except (OSError, NotAnExport) as error:
        print(f"Could not be replayed: {error}", file=sys.stderr)
        return UNDECIDED
    if arguments.json:
        print(json.dumps(_plain(outcome), indent=2))
    else:
        _show(outcome)
    return AGREES if outcome.agrees else DIFFERS


def _plain(outcome: Outcome) -> dict[str, Any]:
    return {
        "agrees": outcome.agrees,
        "difference": _place(outcome.first),
        "wrong_files": [_place(one) for one in outcome.wrong_files],
        "counts": outcome.counts,
        "facts": outcome.facts,
        "not_checked": outcome.not_checked,
    }


def _place(one: Difference | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "file": one.file, "line": one.line, "field": one.field, "expected": one.expected,
        "found": one.found,
    }  # fmt: skip


def _show(outcome: Outcome) -> None:
    for fact in outcome.facts:
        print(f"  fact    {fact}")
    for open_point in outcome.not_checked:
        print(f"  open    Not checked: {open_point}.")
    for wrong in outcome.wrong_files:
        print(f"  CHANGED {wrong}")
    if outcome.first is not None:
        print(f"DIFFERS: {outcome.first}")
        return
    counts = outcome.counts
    print(
        f"AGREES to the unit: {counts['charges']} charges, {counts['entries']} entries, "
        f"{counts['lines']} lines, {counts['leaves']} leaves, {counts['accounts']} accounts."
    )
