"""`tallymark flush`: send the usage reports that could not be sent when they were made."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from tallymark.client import Client
from tallymark.delivery import flush
from tallymark.running import spool_folder

DELIVERED, KEPT = 0, 1


def add(subparsers: Any) -> None:
    """Add the subcommand's parser."""
    parser = subparsers.add_parser(
        "flush",
        help="send usage reports that are still in the spool",
        description="Sends what earlier jobs left in the spool. Exit status: 0 nothing is left, "
        "1 something stays in the spool. Jobs that still run are left alone.",
    )
    parser.add_argument("--url", default=None, help="the service (TALLYMARK_URL)")
    parser.add_argument("--key", default=None, help="the API key (TALLYMARK_KEY)")
    parser.add_argument("--spool", type=Path, default=None, help="the folder (TALLYMARK_SPOOL)")
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace) -> int:
    """Send what can be sent; returns the exit status."""
    folder = spool_folder(arguments.spool)
    done = flush(folder, Client(arguments.url, arguments.key))
    print(f"{done.delivered} spools delivered from {folder}.")
    if done.foreign:
        print(
            f"{done.foreign} were meant for another service or key, and stay there: "
            "flush with the TALLYMARK_URL and TALLYMARK_KEY that their jobs had.",
            file=sys.stderr,
        )
    if done.kept:
        print(f"{done.kept} could not be delivered and stay there.", file=sys.stderr)
    return KEPT if done.kept or done.foreign else DELIVERED
