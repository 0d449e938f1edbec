"""`tallymark watch`: compute each proposed payout again, and report or veto what does not match."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tallymark.proofs import NotAProof
from tallymark.rpc import Node, NodeFailed
from tallymark.watching.contract import Contract
from tallymark.watching.guardian import Guardian, NotAGuardian
from tallymark.watching.roots import Ledger
from tallymark.watching.service import Service, Withheld
from tallymark.watching.watcher import SOUND, WRONG, Verdict, Watcher

MATCHES, WRONG_FOUND, UNDECIDED = 0, 1, 2
PATIENCE_SECONDS = 6 * 3600
PASSWORD = "TALLYMARK_GUARDIAN_PASSWORD"  # noqa: S105  (a variable's name)


def add(subparsers: Any) -> None:
    """Add the subcommand's parser."""
    parser = subparsers.add_parser(
        "watch",
        help="check payouts before they are paid, and veto wrong ones",
        description="Computes each payout root on the chain again from what the service "
        "publishes and from what its ledger committed to. Exit status with --once: 0 all match, "
        "1 something is wrong, 2 could not be decided.",
    )
    parser.add_argument("--rpc", required=True, metavar="URL", help="a node of the payouts' chain")
    parser.add_argument("--service", required=True, metavar="URL", help="the Tallymark service")
    parser.add_argument(
        "--contract",
        action="append",
        default=[],
        metavar="CAIP10",
        help="a payouts' contract that you know; else those that the service names",
    )
    parser.add_argument(
        "--anchor", default="", metavar="CAIP10", help="the ledger's contract, as you know it"
    )
    parser.add_argument(
        "--anchor-rpc", default="", metavar="URL", help="a node of its chain, if it is another"
    )
    parser.add_argument(
        "--guardian-key-file", type=Path, metavar="FILE", help="veto wrong roots with this key"
    )
    parser.add_argument(
        "--patience-seconds",
        type=int,
        default=PATIENCE_SECONDS,
        help="how long after its proposal a missing file makes a root wrong",
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep copies of what was found right"
    )
    parser.add_argument("--once", action="store_true", help="look once and end")
    parser.add_argument("--interval-seconds", type=float, default=60.0, help="between two looks")
    parser.add_argument("--json", action="store_true", help="print one JSON document a look")
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace) -> int:
    """Watch, and print what is found; returns the exit status."""
    watcher: Watcher | None = None
    said: list[dict[str, Any]] | None = None
    while True:
        try:
            watcher = watcher or _watcher(arguments)
            verdicts = list(watcher.look())
        except (NotAGuardian, OSError) as error:
            print(f"A file cannot be used: {error}.", file=sys.stderr)
            return UNDECIDED
        except (NodeFailed, Withheld, NotAProof) as error:
            print(f"Could not be checked: {error}.", file=sys.stderr)
            verdicts, status = None, UNDECIDED
        if verdicts is not None:
            status = _status(verdicts)
            now = [one.as_json() for one in verdicts]
            if now != said:
                _say(verdicts, as_json=arguments.json)
            said = now
        if arguments.once:
            return status
        time.sleep(arguments.interval_seconds)


def _watcher(arguments: argparse.Namespace) -> Watcher:
    """The watcher that the arguments ask for.

    Raises NotAGuardian, OSError, NodeFailed, Withheld, or NotAProof for a name that is none.
    """
    service, node = Service(arguments.service), Node(arguments.rpc)
    anchor = arguments.anchor or next(iter(service.index().get("anchors") or [""]))
    if not anchor:
        raise Withheld("the service does not say where its ledger is anchored: give --anchor")
    anchor_node = Node(arguments.anchor_rpc) if arguments.anchor_rpc else node
    watcher = Watcher(
        service=service,
        node=node,
        ledger=Ledger(anchor_node, anchor),
        patience_seconds=arguments.patience_seconds,
        named=[Contract(name, node) for name in arguments.contract],
        keep=arguments.keep,
    )
    if not arguments.contract or not arguments.anchor:
        watcher.notes.append(
            "whether the contracts are the service's own: it named them itself; give those that "
            "you know with --contract and --anchor"
        )
    if arguments.guardian_key_file:
        watcher.guardian = _guardian(arguments.guardian_key_file)
        for one in watcher.contracts():
            watcher.guardian.require_role(node, one.address)
    return watcher


def _guardian(path: Path) -> Guardian:
    """The guardian's key; a keystore's password comes from the environment or is asked for."""
    is_keystore = path.read_text().lstrip().startswith("{")
    password = os.environ.get(PASSWORD, "")
    if is_keystore and not password and sys.stdin.isatty():
        password = getpass.getpass(f"Password of {path}: ")
    return Guardian.from_file(path, password)


def _status(verdicts: list[Verdict]) -> int:
    found = {one.verdict for one in verdicts}
    return WRONG_FOUND if WRONG in found else MATCHES if found <= {SOUND} else UNDECIDED


def _say(verdicts: list[Verdict], *, as_json: bool) -> None:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    if as_json:
        document = {"looked_at": at, "roots": [one.as_json() for one in verdicts]}
        print(json.dumps(document), flush=True)
        return
    print(f"{at}  " + ("" if verdicts else "No root is proposed, and none pays."), flush=True)
    for one in verdicts:
        _say_one(one)


def _say_one(one: Verdict) -> None:
    root = one.root
    state = "active" if root.is_active else "proposed"
    if one.ready_at is not None:
        state += f", ready {datetime.fromtimestamp(one.ready_at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    print(f"{one.verdict.upper():6} epoch {root.epoch} of {root.contract} ({state})")
    print(f"  root 0x{root.root.hex()}, {one.leaf_count} leaves, total {root.total}")
    for fault in one.faults:
        print(f"  {fault.kind:10} {fault.words}")
    for words in one.not_checked:
        print(f"  open       Not checked: {words}.")
    if one.veto_tx_hash:
        print(f"  VETOED     in {one.veto_tx_hash}; the service must propose a right root.")
    elif one.veto_problem:
        print(f"  NOT VETOED {one.veto_problem}")
    elif one.verdict == WRONG and root.is_active:
        print("  what now   It pays already: a guardian stops all claims with halt().")
    elif one.verdict == WRONG:
        print("  what now   Veto it before it is ready: --guardian-key-file, or vetoRoot by hand.")
    sys.stdout.flush()
