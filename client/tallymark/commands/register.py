"""`tallymark register FILE --name NAME`: register texts by fingerprints; the texts stay here."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from tallymark.client import Client, Problem, Unreachable, UploadFailed
from tallymark.commands import fingerprint

DONE, SOME_SKIPPED, REFUSED = 0, 1, 2
WAIT_SECONDS = 3600.0
KINDS = ("text", "table", "code")


def add(subparsers: Any) -> None:
    """Add the subcommand's parser."""
    parser = subparsers.add_parser(
        "register",
        help="register texts by their fingerprints, without sending them",
        description="Fingerprints a file here and registers the fingerprints as a version of a "
        "dataset, which is made if you have none of that name. Exit status: 0 registered, "
        "1 registered but some rows were skipped, 2 not registered.",
    )
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="the texts, or with --prints prints"
    )
    parser.add_argument("--name", required=True, help="the dataset's short name")
    parser.add_argument("--title", default="", help="its title, when it is made now")
    parser.add_argument(
        "--kind",
        choices=KINDS,
        default=KINDS[0],
        help="table: each whole row is a record; code: each text is a source file",
    )
    parser.add_argument("--prints", action="store_true", help="FILE holds fingerprints already")
    parser.add_argument("--delta", action="store_true", help="FILE holds changes, by key")
    parser.add_argument("--text-column", default=None, help="which column or field is the text")
    parser.add_argument("--key-column", default=None, help="which one names the record")
    parser.add_argument("--url", default=None, help="the service (TALLYMARK_URL)")
    parser.add_argument("--key", default=None, help="the API key (TALLYMARK_KEY)")
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace) -> int:
    """Fingerprint, register and wait; returns the exit status."""
    client, status = Client(arguments.url, arguments.key), DONE
    with tempfile.TemporaryDirectory(prefix="tallymark-") as folder:
        file = arguments.file
        if not arguments.prints:
            file = Path(folder) / "prints.jsonl.gz"
            status = fingerprint.write(_for_fingerprint(arguments, file))
        if status == fingerprint.REFUSED:
            return REFUSED
        try:
            upload = _send(client, arguments, file)
        except TimeoutError as error:
            print(f"{error} Look at it later: nothing has to be sent again.", file=sys.stderr)
            return REFUSED
        except (Problem, Unreachable, UploadFailed, OSError) as error:
            print(f"Not registered: {error}", file=sys.stderr)
            return REFUSED
    print(_outcome(client, upload))
    return SOME_SKIPPED if status or upload["progress"]["bad_count"] else DONE


def _for_fingerprint(arguments: argparse.Namespace, output: Path) -> argparse.Namespace:
    """What `tallymark fingerprint` is asked."""
    return argparse.Namespace(
        file=arguments.file,
        output=output,
        text_column=arguments.text_column,
        key_column=arguments.key_column,
        # Of a text, a file of rows is still looked through for the column that has it.
        kind=None if arguments.kind == KINDS[0] else arguments.kind,
    )


def _send(client: Client, arguments: argparse.Namespace, file: Path) -> dict[str, Any]:
    """Send the prints as a version of the dataset, and wait for it."""
    found = list(client.pages("datasets", name=arguments.name))
    dataset = found[0] if found else None
    if dataset is None:
        dataset = client.register_dataset(
            arguments.name, arguments.title, kind=arguments.kind, is_fingerprint_only=True
        )
    mode = {"mode": "delta" if arguments.delta else "full"}
    upload = client.send_file(f"datasets/{dataset['id']}/prints", file, mode)
    return client.wait(upload["id"], timeout_seconds=WAIT_SECONDS)


def _outcome(client: Client, upload: dict[str, Any]) -> str:
    """What was registered, and what was found alike."""
    name, progress = upload["version"]["name"], upload["progress"]
    if upload["state"] == "ready":
        return (
            f"{name} is read and waits for your word: POST versions/{upload['version']['id']}/seal"
        )
    alike = client.overlaps(version=upload["version"]["id"])
    words = f"{name} is registered: {progress['record_count']} records, "
    words += f"{progress['bad_count']} rows skipped."
    if not alike:
        return f"{words} Nothing registered before is like it."
    lines = [
        f"  {one['matching_count']} records match {one['earlier']['name']}"
        + (f", {one['possible_count']} more possibly" if one["possible_count"] else "")
        for one in alike
        if one["later"]["id"] == upload["version"]["id"]
    ]
    return "\n".join([words, *lines])
