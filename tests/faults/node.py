"""`./run faults --node [--kills N] [--seed S]`: kill the embedded chain; it forgets nothing.

Three senders write to it while it is killed with -9 at random moments, now and then with its
derived state deleted or a torn last line in its log. What it has accepted or shown once must be
there after each start, unchanged; at the end every transfer has arrived exactly once.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from eth_account import Account

from deploy.environment import DEVELOPMENT_CHAIN, DEVELOPMENT_KEYS
from tests.bench.figures import Figures

SENDERS = [Account.from_key(key) for key in list(DEVELOPMENT_KEYS.values())[:3]]
BLOCK_SECONDS, IDLE_BLOCKS = "0.25", "4"
START_SECONDS = 300
"""A deleted state is made again from all that was ever written, beside other work."""
SHORTEST_LIFE, LONGEST_LIFE = 0.05, 1.2
LOOKED_AT_AGAIN = 100
GAS, MAX_FEE, TIP = 21_000, 10**11, 10**9
STATE_DELETED, LOG_TORN = 7, 3
EVERY = 10
BURST_EVERY, PAUSE_SECONDS = 4, 0.05
"""In one life of four senders write as fast as they can; in the others they wait in between, or
what is written, and so each start without a state, would outgrow the kills."""
TOLD_EVERY = 20


class Node:
    """The embedded chain in its own process, on one folder and port for all its lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def start(self) -> None:
        """Start it on what its folder holds, and wait until it answers."""
        command = [sys.executable, "-m", "deploy.embedded.chain", "--data", str(self.folder)]
        command += ["--port", str(self.port), "--block-time", BLOCK_SECONDS]
        command += ["--idle-blocks", IDLE_BLOCKS]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            assert self.process.poll() is None, "the node does not start on its own folder"
            try:
                self.call("eth_chainId")
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the node does not answer")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def call(self, method: str, *params: Any) -> Any:
        """One answer, over a connection of its own; OSError where none came."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
            try:
                connection.request("POST", "/", body, {"Content-Type": "application/json"})
                answer = json.loads(connection.getresponse().read())
            except (http.client.HTTPException, ValueError) as loss:
                raise OSError("cut off") from loss
        assert "result" in answer, f"{method}: {answer}"
        return answer["result"]


class Witness:
    """What was said to the node and what it said, and what of that no longer holds."""

    def __init__(self, node: Node, seed: int) -> None:
        self.node, self.dice = node, random.Random(seed)
        self.next_nonce = [0] * len(SENDERS)
        self.accepted: dict[str, int] = {}
        """By hash: the number of its sender."""
        self.receipts: dict[str, Any] = {}
        self.blocks: dict[str, str] = {}
        self.events: Counter[str] = Counter()
        self.forgotten: set[str] = set()
        self.changed: set[str] = set()

    def live_and_die(self, number: int) -> None:
        """One life of the node: three write, one reads, until it is killed."""
        stop = threading.Event()
        pause = 0 if number % BURST_EVERY == 0 else PAUSE_SECONDS
        work = [threading.Thread(target=self._write, args=(at, stop, pause)) for at in range(3)]
        work.append(threading.Thread(target=self._read, args=(stop,)))
        for one in work:
            one.start()
        time.sleep(self.dice.uniform(SHORTEST_LIFE, LONGEST_LIFE))
        self.node.kill()
        stop.set()
        for one in work:
            one.join()

    def damage(self, number: int) -> None:
        """Now and then, what a crash of the machine does: the derived state, or a torn line."""
        if number % EVERY == STATE_DELETED:
            for file in self.node.folder.glob("state.db*"):
                file.unlink()
            self.events["derived states deleted"] += 1
        if number % EVERY == LOG_TORN:
            with open(self.node.folder / "txlog", "ab") as log:
                log.write(b'deadbeef {"k":"tx","n":1,"ra')
            self.events["torn lines"] += 1

    def look(self) -> None:
        """Ask for what was accepted and shown."""
        call = self.node.call
        for tx_hash in self._some(set(self.accepted) - set(self.receipts)):
            if call("eth_getTransactionByHash", tx_hash) is None:
                self.forgotten.add(tx_hash)
        for tx_hash in self._some(self.receipts):
            if call("eth_getTransactionReceipt", tx_hash) != self.receipts[tx_hash]:
                self.changed.add(tx_hash)
        for number in self._some(self.blocks):
            if call("eth_getBlockByNumber", number, False)["hash"] != self.blocks[number]:
                self.changed.add(number)
        for at, sender in enumerate(SENDERS):
            count = int(call("eth_getTransactionCount", sender.address, "pending"), 16)
            if count < self.next_nonce[at]:
                self.forgotten.add(f"nonce {count} of {sender.address}")
            # What was not answered may have landed: the chain is asked, the same bytes sent again.
            self.events["landed unanswered"] += max(0, count - self.next_nonce[at])
            self.next_nonce[at] = max(count, self.next_nonce[at])

    def reckon(self) -> None:
        """When all blocks are made: every transfer has a receipt and arrived once."""
        until = time.monotonic() + START_SECONDS
        while int(self.node.call("node_info")["unsealed"]) and time.monotonic() < until:
            time.sleep(0.2)
        for tx_hash in self.accepted:
            receipt = self.node.call("eth_getTransactionReceipt", tx_hash)
            if receipt is None or receipt["status"] != "0x1":
                self.forgotten.add(tx_hash)
        for at in range(len(SENDERS)):
            got = int(self.node.call("eth_getBalance", _purse(at), "latest"), 16)
            due = sum(range(1, self.next_nonce[at] + 1))
            if got != due:
                self.changed.add(f"{_purse(at)} has {got} of {due}")

    def _write(self, at: int, stop: threading.Event, pause: float) -> None:
        while not stop.wait(pause):
            nonce = self.next_nonce[at]
            try:
                tx_hash = self.node.call("eth_sendRawTransaction", _transfer(at, nonce))
            except OSError:
                self.events["unanswered"] += 1
                return
            self.accepted[tx_hash] = at
            self.next_nonce[at] = nonce + 1

    def _read(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                block = self.node.call("eth_getBlockByNumber", "latest", False)
                for tx_hash in block["transactions"]:
                    self.receipts[tx_hash] = self.node.call("eth_getTransactionReceipt", tx_hash)
            except OSError:
                return
            self.blocks[block["number"]] = block["hash"]
            stop.wait(0.05)

    def _some(self, found: Any) -> list[str]:
        every = sorted(found)
        return self.dice.sample(every, min(LOOKED_AT_AGAIN, len(every)))


def _purse(at: int) -> str:
    """Where a sender's transfers go; each is of one wei more than the one before."""
    return f"0x{0xABC000 + at:040x}"


def _transfer(at: int, nonce: int) -> str:
    fields = {"chainId": DEVELOPMENT_CHAIN, "nonce": nonce, "gas": GAS, "value": nonce + 1}
    fields |= {
        "to": bytes.fromhex(_purse(at)[2:]),
        "maxFeePerGas": MAX_FEE,
        "maxPriorityFeePerGas": TIP,
    }
    return "0x" + bytes(SENDERS[at].sign_transaction(fields).raw_transaction).hex()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="./run faults --node", description=__doc__)
    parser.add_argument("--node", action="store_true", help="this harness")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    began, figures = time.monotonic(), Figures("faults")
    with tempfile.TemporaryDirectory(prefix="tallymark-node-") as folder:
        node = Node(Path(folder) / "chain")
        witness = Witness(node, given.seed)
        node.start()
        try:
            for number in range(given.kills):
                witness.live_and_die(number)
                witness.damage(number)
                node.start()
                witness.look()
                if (number + 1) % TOLD_EVERY == 0:
                    told = f"{number + 1} kills, {len(witness.accepted)} transactions"
                    print(f"{told} ({time.monotonic() - began:.0f} s)", file=sys.stderr)
            witness.reckon()
        finally:
            node.kill()
    for one in sorted(witness.forgotten | witness.changed):
        print(f"FAULT (seed {given.seed}): {one}", file=sys.stderr)
    how = ", ".join(f"{count} {name}" for name, count in sorted(witness.events.items()))
    figures.add(set="node", figure="kills", value=given.kills, note=how)
    figures.add(set="node", figure="accepted", value=len(witness.accepted))
    figures.add(set="node", figure="forgotten", value=len(witness.forgotten))
    figures.add(set="node", figure="changed", value=len(witness.changed))
    figures.add(set="node", figure="seconds", value=time.monotonic() - began, unit="s")
    figures.table()
    return 1 if witness.forgotten or witness.changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
