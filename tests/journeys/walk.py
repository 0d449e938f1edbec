"""`./run journey`: the main job, step by step, each with its proof.

Over HTTP, the client and JSON-RPC only: what is checked here, any user could check.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import tallymark
from tallymark.client import Client, Problem
from tallymark.rpc import Node
from tallymark.verify import verify

from tests.journeys.service import Place, running

OWN_COUNT, SHARED_COUNT, EPOCHS = 48, 12, 3
PATIENCE_SECONDS = 120
Found = TypeVar("Found")


class NotAsItShouldBe(Exception):
    """A step did not show what it must."""


def expect(actual: object, expected: object, what: str) -> None:
    """Raise NotAsItShouldBe unless both are equal."""
    if actual != expected:
        raise NotAsItShouldBe(f"{what}: expected {expected}, found {actual}")


def until(look: Callable[[], Found | None], what: str) -> Found:
    """What `look` finds, as soon as it finds something."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    raise NotAsItShouldBe(f"{what} did not come within {PATIENCE_SECONDS} s")


class Walk:
    """One walk from registering to a verified payment; every walk writes texts of its own."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.folder = place, folder
        self.ada, self.ben, self.lab, self.operator = (
            Client(place.url, place.keys[name])
            for name in ("aurora-archive", "birch-books", "cobalt-labs", "tallymark-operations")
        )
        self.node = Node(place.rpc)
        self.mark = secrets.token_hex(4)
        self.random = random.Random(self.mark)
        self.words = [_word(self.random) for _ in range(4000)]
        self.asset: dict[str, Any] = {}
        self.contract = ""

    def texts(self, count: int) -> list[str]:
        """`count` texts that nobody registered before."""
        return [" ".join(self.random.choices(self.words, k=60)) for _ in range(count)]

    def file(self, name: str, texts: list[str]) -> Path:
        """The texts as a JSONL file with keys."""
        path = self.folder / f"{name}.jsonl"
        rows = ({"id": f"{name}-{at}", "text": text} for at, text in enumerate(texts))
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def register(self) -> str:
        """Ada registers; nobody else sees it; its event is anchored and proved."""
        self.shared = self.texts(SHARED_COUNT)
        mine = self.shared + self.texts(OWN_COUNT)
        self.first = self.ada.register_dataset(f"notes-{self.mark}", "Notes of a journey")
        upload = self.ada.upload(self.first["id"], self.file("notes", mine))
        sealed = self.ada.wait(upload["id"])
        expect(sealed["progress"]["record_count"], len(mine), "records of Ada's version")
        expect(self.refused(self.ben, f"datasets/{self.first['id']}"), 404, "Ben's look at it")
        event = until(
            lambda: next(
                self.ada.events(kind="version.sealed", subject_id=sealed["version"]["id"]), None
            ),
            "the sealed event",
        )
        proof = until(lambda: self.anchored(event["sequence"]), "the anchor")
        self.checked(proof)
        proof["event"]["body"]["record_count"] = 1
        expect(verify(proof, node=self.node).is_true, False, "a changed proof")
        return f"{len(mine)} records sealed; event {event['sequence']} proved on the chain"

    def conflict(self) -> str:
        """Ben registers a dataset with some of Ada's records in it."""
        mine = self.texts(OWN_COUNT) + self.shared
        self.second = self.ben.register_dataset(f"reader-{self.mark}", "A reader of a journey")
        upload = self.ben.upload(self.second["id"], self.file("reader", mine))
        self.version = self.ben.wait(upload["id"])["version"]
        overlap = until(
            lambda: next(iter(self.ben.overlaps(dataset=self.second["id"])), None), "the overlap"
        )
        expect(overlap["exact_count"], SHARED_COUNT, "exact matches")
        expect(overlap["matching_count"], SHARED_COUNT, "matching records")
        found = until(
            lambda: [one for one in self.ada.conflicts() if one["overlap"] == overlap["id"]],
            "the conflict",
        )
        self.quarrel = found[0]
        expect(self.quarrel["state"], "open", "the conflict's state")
        expect(
            self.refused(self.lab, f"conflicts/{self.quarrel['id']}"), 404, "the lab's look at it"
        )
        return f"{SHARED_COUNT} of {len(mine)} records match Ada's, word for word"

    def grant(self) -> str:
        """Ben offers a licence with a rate; the lab asks; Ben gives."""
        self.asset = next(
            asset for asset in self.lab.pages("assets") if asset["code"].startswith("eip155:")
        )
        licence = self.ben.offer_licence(
            self.second["id"], "Training licence", ["pretrain"], text="Training, per record read."
        )
        self.price = 10 * 10 ** self.asset["scale"]
        self.ben.set_rate(
            licence["id"],
            basis="per_1k_records",
            price_units=self.price,
            asset=self.asset["code"],
        )
        asked = self.lab.request_grant(licence["id"], ["pretrain"], "For a journey.")
        expect(asked["state"], "requested", "the grant asked for")
        expect(self.refused(self.lab, f"grants/{asked['id']}/give", {}), 403, "the lab's own yes")
        given = self.ben.give_grant(asked["id"])
        expect(given["state"], "given", "the grant")
        return f"given until {given['valid_to'][:10]}, at 10 {self.asset['symbol']} per 1,000"

    def fund(self) -> str:
        """The operator books a deposit; the same reference again changes nothing."""
        body = {
            "lab": self.lab.me()["party"]["id"],
            "asset": self.asset["code"],
            "amount_units": 5 * 10 ** self.asset["scale"],
            "reference": f"journey-{self.mark}",
        }
        before = self.total(self.lab, "lab")
        for _ in range(2):
            self.operator.call("POST", "deposits", body)
        expect(self.total(self.lab, "lab") - before, body["amount_units"], "the deposit")
        expect(self.refused(self.lab, "deposits", body), 403, "the lab's own deposit")
        return f"5 {self.asset['symbol']} deposited, once"

    def run_and_use(self) -> str:
        """A training job reports through the client, with its spool."""
        count = (OWN_COUNT + SHARED_COUNT) * EPOCHS
        with tallymark.run(
            purpose="pretrain",
            name=f"journey-{self.mark}",
            url=self.place.url,
            key=self.lab.key,
            spool=self.folder / "spool",
        ) as run:
            for _ in range(EPOCHS):
                run.use(self.version["id"], records=count // EPOCHS, epochs=1)
        self.usage = until(
            lambda: next(
                (
                    one
                    for one in self.lab.pages("usages", run=str(run.id))
                    if one["record_count"] == count
                ),
                None,
            ),
            "the usage",
        )
        expect(self.usage["is_ungranted"], False, "the usage's grant")
        return f"{count} records reported in {EPOCHS} epochs"

    def charge(self) -> str:
        """The lab is charged; the contested share is held, the rest is Ben's."""
        count = (OWN_COUNT + SHARED_COUNT) * EPOCHS
        due = count * self.price // 1000
        charges = until(lambda: list(self.lab.charges(usage=self.usage["id"])), "the charge")
        expect(sum(one["amount_units"] for one in charges), due, "the charge")
        self.share = due * SHARED_COUNT // (OWN_COUNT + SHARED_COUNT)
        escrow = [
            account
            for account in self.operator.pages("accounts", kind="escrow")
            if account["conflict"] == self.quarrel["id"]
        ]
        expect(sum(one["posted_units"] for one in escrow), self.share, "the share that is held")
        return f"{self.money(due)} charged, {self.money(self.share)} of it held"

    def resolve(self) -> str:
        """Ada claims, Ben agrees; what was held goes to Ada, to the unit."""
        before = self.earned(self.ada)
        self.ada.act_in_conflict(
            self.quarrel["id"], "claim", statement="These notes are ours.", evidence="Our archive."
        )
        answered = self.ben.act_in_conflict(
            self.quarrel["id"], "answer", text="So they are.", agrees=True
        )
        expect(answered["resolutions"][0]["outcome"], "to_earlier", "the resolution")
        until(lambda: self.earned(self.ada) - before == self.share, "Ada's share")
        escrow = [
            account["posted_units"]
            for account in self.operator.pages("accounts", kind="escrow")
            if account["conflict"] == self.quarrel["id"]
        ]
        expect(sum(escrow), 0, "what is still held")
        return f"{self.money(self.share)} moved from the held share to Ada"

    def payout(self) -> str:
        """Ada names an address, and claims; the token's own books show the money."""
        self.address = "0x" + secrets.token_hex(20)
        self.ada.call("POST", "payout-methods", {"address": self.address})
        payable = until(self.claimable, "something to claim at the new address")
        self.cumulative = int(payable["leaf"]["cumulative"])
        self.contract = payable["leaf"]["contract"]
        before = self.tokens()
        self.ada.claim_payout(self.asset["code"])
        self.paid = until(
            lambda: next(
                (
                    one
                    for one in self.ada.pages("payouts", asset=self.asset["code"])
                    if one["address"].lower().endswith(self.address)
                ),
                None,
            ),
            "the payout",
        )
        grown = self.tokens() - before
        decimals = self.asset["scale"] - self.asset["token_decimals"]
        expect(grown * 10**decimals, self.paid["amount_units"], "tokens at Ada's address")
        if grown == 0:
            raise NotAsItShouldBe("nothing reached Ada's address")
        return (
            f"{self.money(self.paid['amount_units'])} at {self.address}, by {self.paid['tx_hash']}"
        )

    def prove(self) -> str:
        """One file from the training event to the payment, checked against the chain."""
        proof = until(lambda: self.payment_proof(), "the payment proof")
        self.checked(proof, self.contract)
        another = secrets.token_hex(20)
        text = re.sub(self.address[2:], another, json.dumps(proof), flags=re.IGNORECASE)
        expect(another in text, True, "Ada's address in the proof")
        changed = json.loads(text)
        expect(verify(changed, node=self.node).is_true, False, "a changed payment proof")
        seen = self.refused(self.ben, f"payouts/{self.paid['id']}/proof")
        expect(seen, 404, "Ben's look at Ada's proof")
        return "verified offline and against the node; a changed copy is refused"

    # ---- what the steps look at ----

    def refused(self, client: Client, path: str, body: Any = None) -> int:
        """The status with which a request is refused; 200 if it was not."""
        try:
            client.call("GET" if body is None else "POST", path, body)
        except Problem as problem:
            return problem.status
        return 200

    def anchored(self, sequence: int) -> dict[str, Any] | None:
        """The proof of an event once its anchor is on the chain."""
        try:
            proof = self.ada.proof(sequence)
        except Problem as problem:
            if problem.status == 409:
                return None
            raise
        return proof if verify(proof, node=self.node).is_true else None

    def payment_proof(self) -> dict[str, Any] | None:
        """Ada's payment proof once every event in it is anchored."""
        try:
            proof = self.ada.payout_proof(self.paid["id"])
        except Problem as problem:
            if problem.status == 409:
                return None
            raise
        return proof if verify(proof, node=self.node).is_true else None

    def checked(self, proof: dict[str, Any], contract: str = "") -> None:
        """The proof must hold, against the chain."""
        report = verify(proof, node=self.node, contract=contract)
        expect(report.failures, [], "the proof")

    def total(self, client: Client, *kinds: str) -> int:
        """The balance of the party's accounts of these kinds."""
        return sum(
            account["posted_units"]
            for account in client.balances()
            if account["kind"] in kinds and account["asset"]["code"] == self.asset["code"]
        )

    def earned(self, client: Client) -> int:
        """All that an owner has or was paid."""
        paid = client.pages("payouts", asset=self.asset["code"])
        kinds = ("owner", "owner_pending", "payouts_in_flight")
        return self.total(client, *kinds) + sum(one["amount_units"] for one in paid)

    def claimable(self) -> dict[str, Any] | None:
        """What Ada can claim at her new address."""
        for one in self.ada.call("GET", "payouts/claimable"):
            is_new = one["leaf"]["address"].lower().endswith(self.address)
            if is_new and one["open_units"] > 0 and one["leaf"]["asset"] == self.asset:
                return dict(one)
        return None

    def tokens(self) -> int:
        """The tokens at Ada's address, as the token's contract says."""
        token = self.asset["code"].rpartition(":")[2]
        word = bytes(12) + bytes.fromhex(self.address[2:])
        return int.from_bytes(self.node.call(token, "balanceOf(address)", word), "big")

    def money(self, units: int) -> str:
        """An amount in words."""
        return f"{units / 10 ** self.asset['scale']:.6f} {self.asset['symbol']}"


def _word(source: random.Random) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return "".join(source.choices(letters, k=source.randint(4, 9)))


STEPS = (
    ("register", Walk.register),
    ("conflict", Walk.conflict),
    ("grant", Walk.grant),
    ("deposit", Walk.fund),
    ("run and usage", Walk.run_and_use),
    ("charge", Walk.charge),
    ("resolution", Walk.resolve),
    ("payout claim", Walk.payout),
    ("verified proof", Walk.prove),
)


def walk(place: Place) -> bool:
    """Take every step; whether each was as it should be."""
    print(f"Walking the main job on {place.url}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tallymark-walk-") as folder:
        walker = Walk(place, Path(folder))
        for number, (name, step) in enumerate(STEPS, 1):
            started = time.monotonic()
            try:
                proof = step(walker)
            except (NotAsItShouldBe, Problem, OSError) as error:
                print(f"  {number}. {name:<15} FAILED  {error}", flush=True)
                return False
            spent = time.monotonic() - started
            print(f"  {number}. {name:<15} ok  {spent:5.1f} s  {proof}", flush=True)
    print(f"All {len(STEPS)} steps were checked.")
    return True


def main() -> int:
    """Exit status 0 only if every step was checked."""
    parser = argparse.ArgumentParser(prog="./run journey", description=__doc__)
    parser.add_argument("--data", type=Path, help="the data folder of a running service")
    arguments = parser.parse_args()
    with running(arguments.data) as place:
        return 0 if walk(place) else 1


if __name__ == "__main__":
    sys.exit(main())
