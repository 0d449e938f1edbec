"""`tallymark screen FILE --purpose P`: may I train on this? In words, with a signed report."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tallymark.client import Client, Problem, ScreeningFailed, Unreachable
from tallymark.secp256k1 import NotSigned
from tallymark.signed import signer_of

FREE, ASK, FAILED = 0, 1, 2
NO_PRICE = "–"
PURPOSES = ("pretrain", "finetune", "evaluate", "retrieve", "research")
KINDS = ("exact", "near", "contained", "possible")
WORDS = {
    "nothing_found": "like nothing registered",
    "possible": "possibly like something registered: have a person look",
    "usable": "like data that you may use",
    "on_offer": "like data that is on offer",
    "reserved": "like data that you may not use",
}


def add(subparsers: Any) -> None:
    """Add the subcommand's parser."""
    parser = subparsers.add_parser(
        "screen",
        help="ask whether a file may be trained on",
        description="Sends a candidate file, waits, prints the report in words and keeps it, "
        "signed, as JSON. The service deletes the file when the report is there. Exit status: "
        "0 nothing stands in the way, 1 somebody must be asked, 2 not screened.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="what you are about to train on")
    parser.add_argument("--purpose", required=True, choices=PURPOSES, help="what you want it for")
    parser.add_argument(
        "-o", "--output", type=Path, default=None, help="where the report goes (FILE.report.json)"
    )
    parser.add_argument("--kind", default="", choices=("", "text", "table", "image", "code"))
    parser.add_argument("--text-column", default="", help="which column or field is the text")
    parser.add_argument(
        "--watch-days",
        type=int,
        default=0,
        help="let fingerprints, not content, be kept so long, and be told of later registrations",
    )
    parser.add_argument("--url", default=None, help="the service (TALLYMARK_URL)")
    parser.add_argument("--key", default=None, help="the API key (TALLYMARK_KEY)")
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace) -> int:
    """Send, wait, tell and keep; returns the exit status."""
    if not arguments.file.is_file():
        print(f"Not screened: there is no file {arguments.file}.", file=sys.stderr)
        return FAILED
    client = Client(arguments.url, arguments.key)
    try:
        screening = client.screen_file(
            arguments.file,
            arguments.purpose,
            kind=arguments.kind,
            text_column=arguments.text_column,
            watch_days=arguments.watch_days,
        )
        document = client.wait_for_report(screening["id"], on_progress=_tell)
        output = arguments.output or Path(f"{arguments.file.name}.report.json")
        output.write_text(json.dumps(document, ensure_ascii=False, indent=1))
    except (Problem, Unreachable, ScreeningFailed, TimeoutError, OSError) as error:
        print(f"\nNot screened: {error}", file=sys.stderr)
        return FAILED
    print(file=sys.stderr)
    print(in_words(document))
    print(f"The report is in {output}; `tallymark verify {output}` checks it.")
    rows = document["report"]["rows"]
    return ASK if rows["possible"] or rows["on_offer"] or rows["reserved"] else FREE


def _tell(screening: dict[str, Any]) -> None:
    """One line on standard error that is written over as the work goes on."""
    progress = screening["progress"]
    words = f"{screening['stage']}: {progress['record_count']} rows"
    if progress["records_per_second"]:
        words += f", {progress['records_per_second']:.0f} a second"
    if progress["remaining_seconds"] is not None:
        words += f", about {progress['remaining_seconds']} s left"
    print(f"\r{words:<78}", end="", file=sys.stderr, flush=True)


def in_words(document: dict[str, Any]) -> str:
    """The report for people."""
    report = document["report"]
    lines = [
        f"{report['file']['name']}: {report['rows']['compared']} rows compared with everything "
        f"registered up to event {report['corpus']['sequence']}, for {report['purpose']}."
    ]
    for answer, words in WORDS.items():
        if count := report["rows"][answer]:
            lines.append(f"  {count} {'row is' if count == 1 else 'rows are'} {words}")
    lines += [_dataset(row) for row in report["datasets"]]
    lines += [f"Not checked: {words}" for words in report["not_checked"]]
    try:
        lines.append(f"Signed by {signer_of(document)}.")
    except NotSigned as error:
        lines.append(f"Not signed: {error}.")
    return "\n".join(lines)


def _dataset(row: dict[str, Any]) -> str:
    name = row["dataset"]["name"] if row["dataset"] else "a registered dataset"
    counts = ", ".join(f"{row['rows'][kind]} {kind}" for kind in KINDS if row["rows"][kind])
    price = "" if row["price"] == NO_PRICE else f" Price: {row['price']}."
    return f"  {name} ({counts}): {row['words']}{price}"
