"""The ways to pay owners that `./run bench gas` compares, each as rows of its table."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from compensation.contracts import owner_payouts
from provenance import evm, merkle
from tests import npm
from tests.bench.gas import Row
from tests.ground import Contract, Done, Ground

OWNERS = 1000
AT_ONCE = 250
# Less than EIP-7825 lets one transaction have.
GAS = 16_000_000
EVENTS = 1_000_000
AMOUNT = 1_000_000
FUNDS = 10**15
LEAF_TYPES = ("bytes32", "address", "uint256")
DIGEST = b"\xd1" * 32
URI = "https://tallymark.example/api/v1/payout-trees/eip155:1:0x{}/{}/leaves"
UMA = ("@uma/contracts-node", "0.4.28")
UMA_FILE = (
    "dist/packages/core/artifacts/contracts/merkle-distributor/implementation/"
    "MerkleDistributor.sol/MerkleDistributor.json"
)
ROOT = Path(__file__).resolve().parents[2]
TEST_ARTEFACTS = ROOT / "tests" / "contracts" / "artefacts"


class Town:
    """The ground, a token in the administrator's hands, and the owners to be paid."""

    def __init__(self, ground: Ground, seed: int) -> None:
        self.ground = ground
        self.token = ground.deploy(evm.development_token())
        self.token.send("mint", ground.admin, FUNDS, gas=GAS)
        chance = random.Random(seed)
        self.payees = [chance.randbytes(32) for _ in range(OWNERS)]
        self._chance = chance

    def strangers(self) -> list[str]:
        """As many addresses that never held the token."""
        return [evm.checksum("0x" + self._chance.randbytes(20).hex()) for _ in range(OWNERS)]

    def funded(self, contract: Contract) -> Contract:
        """The contract, allowed to take the administrator's tokens."""
        self.token.send("approve", contract.address, FUNDS, gas=GAS)
        return contract


def anchored(ground: Ground) -> int:
    """Gas of anchoring a million events, on a ledger that has begun."""
    ledger = ground.deploy(evm.lineage_anchor(), ground.admin, ground.anna)
    head, gas = bytes(32), 0
    for batch in (1, 2, 3):
        root = merkle.keccak(batch.to_bytes(32, "big"))
        done = ledger.send("anchor", batch, head, root, EVENTS, by=ground.anna, gas=GAS)
        head, gas = ledger.ask("headHash"), done.gas_used
    return gas


def both_times(pay: Callable[[int], Sequence[Done]]) -> tuple[float, float]:
    """Gas an owner of `pay`, called with 1 and with 2: first, returning."""
    first, again = (sum(one.gas_used for one in pay(time)) for time in (1, 2))
    return first / AT_ONCE, again / AT_ONCE


def transfers(town: Town) -> Row:
    who = town.strangers()[:AT_ONCE]

    def pay(_: int) -> list[Done]:
        return [town.token.send("transfer", one, AMOUNT, gas=GAS) for one in who]

    return ("a transfer for each", *both_times(pay), None)


def multi_send(town: Town) -> Row:
    sender = town.ground.deploy(evm.load_artefact(TEST_ARTEFACTS / "MultiSend.json"))
    town.funded(sender)
    who, amounts = town.strangers()[:AT_ONCE], [AMOUNT] * AT_ONCE

    def pay(_: int) -> list[Done]:
        return [sender.send("send", town.token.address, who, amounts, gas=GAS)]

    return (f"multi-send, {AT_ONCE} at once", *both_times(pay), None)


class Ours:
    """OwnerPayouts with a tree of all owners; the epoch is the time of paying."""

    def __init__(self, town: Town) -> None:
        ground = town.ground
        self.ground, self.payees, self.accounts = ground, town.payees, town.strangers()
        roles = (ground.admin, ground.anna, ground.ben)
        self.contract = ground.deploy(owner_payouts(), town.token.address, 0, *roles)
        town.funded(self.contract).send("fund", FUNDS // 100, gas=GAS)
        self.leaves: list[tuple[bytes, str, int]] = []
        self.tree = merkle.Tree([bytes(32)])
        self.operator_gas: list[float] = []

    def next_epoch(self) -> None:
        """Propose and activate the tree in which everybody is owed once more."""
        number = len(self.operator_gas) + 1
        rows = zip(self.payees, self.accounts, strict=True)
        self.leaves = [(payee, account, AMOUNT * number) for payee, account in rows]
        self.tree = merkle.Tree.of(LEAF_TYPES, self.leaves, sort_leaves=False)
        where, total = URI.format("5a" * 20, number), AMOUNT * number * OWNERS
        proposal = (number, self.tree.root, total, DIGEST, where)
        proposed = self.contract.send("proposeRoot", *proposal, by=self.ground.anna, gas=GAS)
        activated = self.contract.send("activateRoot", number, by=self.ground.anna, gas=GAS)
        self.operator_gas.append((proposed.gas_used + activated.gas_used) / OWNERS)

    def push(self, positions: range) -> Done:
        proof = self.tree.multiproof(positions)
        columns = zip(*(self.leaves[at] for at in proof.order), strict=True)
        return self.contract.send("push", *map(list, columns), proof.proof, proof.flags, gas=GAS)

    def claim_many(self, positions: range) -> Done:
        claims = [(*self.leaves[at], self.tree.proof(at)) for at in positions]
        return self.contract.send("claimMany", claims, gas=GAS)

    def claim(self, at: int) -> Done:
        return self.contract.send("claim", *self.leaves[at], self.tree.proof(at), gas=GAS)


def ours(town: Town) -> tuple[list[Row], list[float]]:
    """The rows of OwnerPayouts, and the operator's gas for each owner, epoch by epoch."""
    payouts, pushed, many, alone = Ours(town), [], [], []
    for _ in range(2):
        payouts.next_epoch()
        pushed.append(payouts.push(range(AT_ONCE)).gas_used / AT_ONCE)
        many.append(payouts.claim_many(range(AT_ONCE, AT_ONCE + 50)).gas_used / 50)
        claims = [payouts.claim(at) for at in range(AT_ONCE + 50, AT_ONCE + 70)]
        alone.append(sum(one.gas_used for one in claims) / len(claims))
    later = payouts.operator_gas[1]
    return [
        (f"**OwnerPayouts**, pushed {AT_ONCE} at once", *pushed, later),
        ("**OwnerPayouts**, `claimMany`, 50 at once", *many, later),
        ("**OwnerPayouts**, each owner claims and pays it", *alone, later),
    ], payouts.operator_gas


def uma(town: Town) -> list[Row]:
    """The rows of a published distributor: a tree and a bitmap for each time."""
    found = json.loads((npm.modules(*UMA, alone=True) / UMA[0] / UMA_FILE).read_text())
    code = (found["bytecode"], found["deployedBytecode"])
    contract = town.funded(
        town.ground.deploy(evm.Artefact("MerkleDistributor", found["abi"], *code))
    )
    who, pushed, alone, operator = town.strangers(), [], [], []
    for window in (0, 1):
        packed = [
            bytes.fromhex(account[2:]) + AMOUNT.to_bytes(32, "big") + at.to_bytes(32, "big")
            for at, account in enumerate(who)
        ]
        tree = merkle.Tree([merkle.keccak(one) for one in packed])
        opening = (AMOUNT * OWNERS, town.token.address, tree.root, "ipfs://" + "a" * 46)
        opened = contract.send("setWindow", *opening, gas=GAS)
        operator.append(opened.gas_used / OWNERS)
        claims = [(window, AMOUNT, at, who[at], tree.proof(at)) for at in range(AT_ONCE + 20)]
        pushed.append(contract.send("claimMulti", claims[:AT_ONCE], gas=GAS).gas_used / AT_ONCE)
        singles = [contract.send("claim", one, gas=GAS) for one in claims[AT_ONCE:]]
        alone.append(sum(one.gas_used for one in singles) / len(singles))
    return [
        (f"UMA MerkleDistributor, `claimMulti`, {AT_ONCE} at once", *pushed, operator[1]),
        ("UMA MerkleDistributor, each owner claims and pays it", *alone, operator[1]),
    ]
