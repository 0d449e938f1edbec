"""`./run journey`: the main job, step by step, each with its proof.

Over HTTP, the client and JSON-RPC only: what is checked here, any user could check. On a chain
where money waits, for a hold or for a tree's delay, the walk says until when and ends with 75; with
`--state FILE` it goes on from there when it is walked again.
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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import tallymark
from eth_account import Account
from eth_account.messages import encode_defunct
from tallymark.client import Client, Problem
from tallymark.rpc import Node
from tallymark.verify import verify

from tests.journeys.service import Place, running

OWN_COUNT, SHARED_COUNT, EPOCHS = 48, 12, 3
PATIENCE_SECONDS = 120
# What a walk needs to go on.
KEPT = (
    "mark", "asset", "contract", "first", "second", "version", "quarrel", "price", "usage",
    "share", "address", "cumulative", "paid",
)  # fmt: skip
# As sysexits.h has it: not now, but later.
LATER = 75
Found = TypeVar("Found")


class NotAsItShouldBe(Exception):
    """A step did not show what it must."""


class NotYet(Exception):
    """Everything is as it should be, and money waits; the message says for what."""


def expect(actual: object, expected: object, what: str) -> None:
    """Raise NotAsItShouldBe unless both are equal."""
    if actual != expected:
        raise NotAsItShouldBe(f"{what}: expected {expected}, found {actual}")


def until(
    look: Callable[[], Found | None],
    what: str,
    why_not_yet: Callable[[bool], str] = lambda is_late: "",
) -> Found:
    """What `look` finds, as soon as it finds something; raises NotYet where it must wait."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        if waits := why_not_yet(False):
            raise NotYet(waits)
        time.sleep(0.5)
    if waits := why_not_yet(True):
        raise NotYet(waits)
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

    def keep(self) -> dict[str, Any]:
        """What the walk has found so far, for a later one."""
        return {name: getattr(self, name) for name in KEPT if hasattr(self, name)}

    def go_on(self, kept: dict[str, Any]) -> None:
        """Take up what an earlier walk has found."""
        for name, value in kept.items():
            setattr(self, name, value)

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

    def name_address(self) -> str:
        """Ada names an address, and proves that it is hers where that is asked for."""
        wallet = Account.create()
        self.address = wallet.address.lower()
        named = self.ada.call("POST", "payout-methods", {"address": self.address})
        if named["verified_at"] is not None:
            return f"{self.address}, at once on a development chain"
        signature = wallet.sign_message(encode_defunct(text=named["challenge"])).signature.hex()
        path = f"payout-methods/{named['id']}/verify"
        stranger = Account.create().sign_message(encode_defunct(text=named["challenge"]))
        body = {"signature": f"0x{stranger.signature.hex().removeprefix('0x')}"}
        expect(self.refused(self.ada, path, body) >= 400, True, "a stranger's signature refused")
        body = {"signature": f"0x{signature.removeprefix('0x')}"}
        proved = self.ada.call("POST", path, body)
        expect(proved["verified_at"] is None, False, "the address' proof")
        return f"{self.address}, proved by its key"

    def payout(self) -> str:
        """Ada claims; the token's own books show the money."""
        payable = until(self.claimable, "something to claim at the new address", self.why_not_yet)
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

    def why_not_yet(self, is_late: bool) -> str:
        """For what Ada's money waits, where that is known and long; else nothing."""
        methods = self.ada.pages("payout-methods")
        mine = next(one for one in methods if one["address"].lower().endswith(self.address))
        now = datetime.now(UTC)
        if mine["held_until"] and datetime.fromisoformat(mine["held_until"]) > now:
            return f"nothing is paid to a new address before {mine['held_until']}"
        place = next(
            one["contract"]
            for one in self.ada.call("GET", "payout-trees")["contracts"]
            if one["asset"] == self.asset["code"]
        )
        _, _, ready_at, _ = _words(self.node.call(place.rpartition(":")[2], "pending()"))
        wait = ready_at - self.node.newest("timestamp")
        if ready_at and wait > PATIENCE_SECONDS:
            at = datetime.fromtimestamp(ready_at, UTC)
            return f"a payout tree waits for its delay, until {at:%Y-%m-%d %H:%M} UTC"
        if is_late and self.total(self.ada, "owner_pending"):
            return "what was earned is held back for some days before it is payable"
        return ""

    def tokens(self) -> int:
        """The tokens at Ada's address, as the token's contract says."""
        token = self.asset["code"].rpartition(":")[2]
        word = bytes(12) + bytes.fromhex(self.address[2:])
        return int.from_bytes(self.node.call(token, "balanceOf(address)", word), "big")

    def money(self, units: int) -> str:
        """An amount in words."""
        return f"{units / 10 ** self.asset['scale']:.6f} {self.asset['symbol']}"


def _words(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32)]


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
    ("payout address", Walk.name_address),
    ("payout claim", Walk.payout),
    ("verified proof", Walk.prove),
)


def walk(place: Place, state: Path | None = None) -> int:
    """Take every step that `state` does not have yet; 0 if each was as it should be."""
    print(f"Walking the main job on {place.url}", flush=True)
    kept = json.loads(state.read_text()) if state and state.exists() else {"done": 0, "found": {}}
    with tempfile.TemporaryDirectory(prefix="tallymark-walk-") as folder:
        walker = Walk(place, Path(folder))
        walker.go_on(kept["found"])
        for number, (name, step) in enumerate(STEPS, 1):
            if number <= kept["done"]:
                print(f"  {number:2}. {name:<15} was checked before")
                continue
            status = _take(walker, number, name, step)
            if status:
                return status
            if state:
                state.write_text(json.dumps({"done": number, "found": walker.keep()}))
    print(f"All {len(STEPS)} steps were checked.")
    return 0


def _take(walker: Walk, number: int, name: str, step: Callable[[Walk], str]) -> int:
    """One step, told on a line; 0, 1 where it failed, or LATER."""
    started = time.monotonic()
    try:
        proof = step(walker)
    except (NotAsItShouldBe, Problem, OSError) as error:
        print(f"  {number:2}. {name:<15} FAILED  {error}", flush=True)
        return 1
    except NotYet as waits:
        print(f"  {number:2}. {name:<15} not yet: {waits}. Walk again then.", flush=True)
        return LATER
    spent = time.monotonic() - started
    print(f"  {number:2}. {name:<15} ok  {spent:5.1f} s  {proof}", flush=True)
    return 0


def main() -> int:
    """Exit status 0 only if every step was checked."""
    parser = argparse.ArgumentParser(prog="./run journey", description=__doc__)
    parser.add_argument("--data", type=Path, help="the data folder of a running service")
    parser.add_argument("--state", type=Path, help="a file that remembers what was checked")
    parser.add_argument(
        "--outside", action="store_true", help="on anvil, as a chain that is not ours, with a delay"
    )
    arguments = parser.parse_args()
    if arguments.outside:
        from tests.journeys import outside

        return outside.main()
    with running(arguments.data) as place:
        return walk(place, arguments.state)


if __name__ == "__main__":
    sys.exit(main())
