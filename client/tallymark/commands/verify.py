"""`tallymark verify FILE`: check a proof without trusting the service that made it."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tallymark.report import Report
from tallymark.rpc import NodeFailed
from tallymark.verify import verify_file

VERIFIED, FALSE, UNDECIDED = 0, 1, 2


def add(subparsers: Any) -> None:
    """Add the subcommand's parser."""
    parser = subparsers.add_parser(
        "verify",
        help="check a proof file or a signed report",
        description="Checks a proof file or a signed screening report. Exit status: 0 true, "
        "1 false, 2 could not be checked.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the proof file (JSON)")
    parser.add_argument(
        "--rpc",
        action="append",
        default=[],
        metavar="URL",
        help="an Ethereum node to check against; again for each chain that the proof names",
    )
    parser.add_argument(
        "--contract", default="", metavar="ADDRESS", help="the service's contract, as you know it"
    )
    parser.add_argument(
        "--signer", default="", metavar="ADDRESS", help="the service's signing account, of a report"
    )
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace) -> int:
    """Check the file and print the outcome; returns the exit status."""
    try:
        report = verify_file(
            arguments.file,
            rpc_urls=arguments.rpc,
            contract=arguments.contract,
            signer=arguments.signer,
        )
    except (OSError, NodeFailed) as error:
        print(f"Could not be checked: {error}", file=sys.stderr)
        return UNDECIDED
    if arguments.json:
        print(json.dumps({"is_true": report.is_true} | asdict(report), indent=2))
    else:
        _show(report, is_on_chain=bool(arguments.rpc))
    return VERIFIED if report.is_true else FALSE


def _show(report: Report, *, is_on_chain: bool) -> None:
    for check in report.checks:
        print(f"  {'ok    ' if check.is_ok else 'FAILED'}  {check.words}")
    for fact in report.facts:
        print(f"  fact    {fact}")
    for open_point in report.not_checked:
        print(f"  open    Not checked: {open_point}.")
    if not report.is_true:
        print("FALSE: this proof does not hold.")
    elif is_on_chain:
        print("TRUE: the proof holds, and the chain agrees.")
    else:
        print("CONSISTENT: the file agrees with itself; the chain was not asked.")
