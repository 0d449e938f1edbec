"""`tallymark reporting-key`: let the key of this machine sign the reports of your organisation."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from tallymark.client import Client, Problem, Unreachable
from tallymark.signing import CannotSign

DONE, FAILED = 0, 1


def add(subparsers: Any) -> None:
    """Add the subcommand's parser."""
    parser = subparsers.add_parser(
        "reporting-key",
        help="let a key sign your usage reports",
        description="Registers the key in TALLYMARK_SIGNING_KEY (or the file named by "
        "TALLYMARK_SIGNING_KEY_FILE): 32 random bytes as hexadecimal digits, such as those of "
        "`openssl rand -hex 32`. The key itself is never sent. Exit status: 0 done, 1 not.",
    )
    parser.add_argument("--name", default="", help="where the key is used")
    parser.add_argument("--url", default=None, help="the service (TALLYMARK_URL)")
    parser.add_argument("--key", default=None, help="the API key (TALLYMARK_KEY)")
    parser.add_argument(
        "--print", action="store_true", dest="prints", help="print what to paste, register nothing"
    )
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace) -> int:
    """Register the key, or print its introduction; returns the exit status."""
    client = Client(arguments.url, arguments.key)
    if not client.signing.is_on:
        print("There is no key: set TALLYMARK_SIGNING_KEY.", file=sys.stderr)
        return FAILED
    try:
        introduction = client.signing.introduction()
        if arguments.prints:
            print(json.dumps(introduction, indent=2))
            return DONE
        name = arguments.name or "usage reports"
        client.call("POST", "reporting-keys", {"name": name, **introduction})
    except (CannotSign, Problem, Unreachable) as error:
        print(str(error), file=sys.stderr)
        return FAILED
    print(f"{introduction['address']} signs your reports from now on.")
    return DONE
