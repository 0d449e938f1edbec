"""`tallymark fingerprint FILE`: fingerprints of texts that never leave this machine."""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tallymark.fingerprint import prints, sources
from tallymark.fingerprint.sources import Record, Skipped, SourceRefused

DONE, SOME_SKIPPED, REFUSED = 0, 1, 2
SHOWN_SKIPS = 10
PROGRESS_RECORDS = 10_000


def add(subparsers: Any) -> None:
    """Add the subcommand's parser."""
    parser = subparsers.add_parser(
        "fingerprint",
        help="fingerprint texts without sending them",
        description="Reads JSONL, CSV, TSV or plain text (also .gz) or a zip of texts, and writes "
        "one line of fingerprints a record, to be registered instead of the texts. Exit status: "
        "0 done, 1 done but some rows were skipped, 2 the file cannot be read.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the texts")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("prints.jsonl.gz"), help="default: %(default)s"
    )
    parser.add_argument("--text-column", default=None, help="which column or field is the text")
    parser.add_argument("--key-column", default=None, help="which one names the record")
    parser.add_argument(
        "--kind",
        choices=("text", "table", "code"),
        default=None,
        help="table: each whole row is a record; code: each text is a source file",
    )
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace) -> int:
    """Write the prints and tell where they are; returns the exit status."""
    status = write(arguments)
    if status != REFUSED:
        print(f"They are in {arguments.output}.")
    return status


def write(arguments: argparse.Namespace) -> int:
    """Write the prints; returns the exit status."""
    skips = _Skips()
    found = sources.records(
        arguments.file,
        kind="text" if arguments.kind == "code" else arguments.kind,
        text_column=arguments.text_column,
        key_column=arguments.key_column,
    )
    unfinished = arguments.output.with_name(arguments.output.name + ".part")
    try:
        count = _write(unfinished, skips.passed(found), are_code=arguments.kind == "code")
    except (SourceRefused, OSError) as error:
        unfinished.unlink(missing_ok=True)
        print(f"Nothing was written: {error}", file=sys.stderr)
        return REFUSED
    unfinished.replace(arguments.output)
    print(f"{count} records are fingerprinted; {skips.count} rows were skipped.")
    return SOME_SKIPPED if skips.count else DONE


class _Skips:
    """Takes the rows that are no records out of the stream, and shows the first of them."""

    def __init__(self) -> None:
        self.count = 0

    def passed(self, found: Iterator[Record | Skipped]) -> Iterator[Record]:
        for record in found:
            if isinstance(record, Record):
                yield record
                continue
            self.count += 1
            if self.count <= SHOWN_SKIPS:
                print(f"line {record.line} is skipped: {record.reason}", file=sys.stderr)


def _write(path: Path, records: Iterator[Record], *, are_code: bool) -> int:
    count = 0
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=6) as file:
        file.write(json.dumps(prints.header()) + "\n")
        for count, made in enumerate(prints.lines(records, are_code=are_code), 1):
            file.write(json.dumps(made, ensure_ascii=False) + "\n")
            if count % PROGRESS_RECORDS == 0:
                print(f"{count} records so far", file=sys.stderr)
    return count
