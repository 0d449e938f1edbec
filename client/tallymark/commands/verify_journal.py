"""`tallymark verify-journal FILE`: prove an export of the journal, offline."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tallymark.audit import prove

SOUND, BROKEN, UNREADABLE = 0, 1, 2


def add(subparsers: Any) -> None:
    """Add the subcommand's parser."""
    parser = subparsers.add_parser(
        "verify-journal",
        help="prove an export of the journal",
        description="Recomputes the hash chain and every sum of an export made by "
        "`./run manage verify_journal --export`. Exit status: 0 sound, 1 broken, 2 unreadable.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the export (JSON lines)")
    parser.add_argument(
        "--head", default="", metavar="HASH", help="the hash that a `journal.sealed` event anchored"
    )
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace) -> int:
    """Prove the file and say what was found; returns the exit status."""
    try:
        proof = prove(rows_of(arguments.file))
    except (OSError, ValueError) as error:
        print(f"{arguments.file} cannot be read: {error}", file=sys.stderr)
        return UNREADABLE
    if arguments.head and arguments.head.removeprefix("0x").lower() != proof.head.hex():
        proof.wrong.append(f"The last entry's hash is {proof.head.hex()}, not the one named.")
    for words in proof.wrong:
        print(words)
    if not proof.is_sound:
        print("BROKEN: this is not the journal as it was kept.")
        return BROKEN
    print(f"{proof.number} entries, the last with the hash {proof.head.hex()}.")
    if proof.sealed:
        print(f"The ledger's events say the same of their lines, up to entry {proof.sealed}.")
    if proof.closed:
        print(f"Months that have closed: {', '.join(sorted(proof.closed))}.")
    print("SOUND: the chain is whole and every sum holds.")
    return SOUND


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of an export, one at a time. Raises ValueError where a line is no JSON object."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number} is not JSON: {error}") from error
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no object")
            yield row
