"""LineageAnchor keeps one unbroken history; TestToken exists on the development chain only."""

from __future__ import annotations

import json
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from provenance import anchor, evm, merkle
from tests.ground import Ground

ROOT = Path(__file__).resolve().parents[2]
ARTEFACTS = sorted(
    path for path in ROOT.glob("*/contracts/artefacts/*.json") if ".input." not in path.name
)
ZERO, ROOT_ONE, ROOT_TWO = bytes(32), b"\x01" * 32, b"\x02" * 32


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    with Ground.start(tmp_path_factory.mktemp("ground")) as started:
        yield started


@pytest.fixture
def ledger(ground):
    return ground.deploy(evm.lineage_anchor(), ground.admin, ground.anna)


def head_after(ledger, previous, batch, root, first_sequence, event_count):
    return anchor.next_head_hash(
        chain_id=31337,
        contract=ledger.address,
        previous=previous,
        batch=batch,
        root=root,
        first_sequence=first_sequence,
        event_count=event_count,
    )


def test_batches_are_numbered_chained_and_kept(ground, ledger):
    assert ledger.send("anchor", 1, ZERO, ROOT_ONE, 5, by=ground.anna)
    head = head_after(ledger, ZERO, 1, ROOT_ONE, 1, 5)
    assert ledger.ask("headHash") == head
    assert ledger.send("anchor", 2, head, ROOT_TWO, 2, by=ground.anna)
    assert ledger.ask("headHash") == head_after(ledger, head, 2, ROOT_TWO, 6, 2)
    assert ledger.ask("head")[:2] == [2, 8]
    assert [ledger.ask("rootOf", number) for number in (1, 2, 3)] == [ROOT_ONE, ROOT_TWO, ZERO]


def test_the_same_batch_again_changes_nothing(ground, ledger):
    ledger.send("anchor", 1, ZERO, ROOT_ONE, 5, by=ground.anna)
    before = ledger.ask("headHash"), ledger.ask("head")
    assert ledger.send("anchor", 1, ZERO, ROOT_ONE, 5, by=ground.anna).logs == []
    assert (ledger.ask("headHash"), ledger.ask("head")) == before


def test_a_conflict_a_gap_and_a_wrong_predecessor_are_refused(ground, ledger):
    ledger.send("anchor", 1, ZERO, ROOT_ONE, 5, by=ground.anna)
    head = ledger.ask("headHash")
    refusals = {
        ("anchor", 1, ZERO, ROOT_TWO, 5): "Conflict",
        ("anchor", 3, head, ROOT_TWO, 5): "WrongBatch",
        ("anchor", 0, head, ROOT_TWO, 5): "WrongBatch",
        ("anchor", 2, ZERO, ROOT_TWO, 5): "WrongPrevious",
        ("anchor", 2, head, ZERO, 5): "EmptyBatch",
        ("anchor", 2, head, ROOT_TWO, 0): "EmptyBatch",
    }
    for call, name in refusals.items():
        assert ledger.refusal(*call, by=ground.anna) == name


def test_only_the_anchorer_anchors(ground, ledger):
    call = ("anchor", 1, ZERO, ROOT_ONE, 5)
    for stranger in (ground.admin, ground.ben):
        assert ledger.refusal(*call, by=stranger) == "AccessControlUnauthorizedAccount"


def test_the_contract_confirms_an_event_where_it_stands_and_nowhere_else(ground, ledger):
    events = [(number, bytes([number]) * 32) for number in range(1, 6)]
    tree = merkle.Tree.of(anchor.LEAF_TYPES, events, sort_leaves=False)
    ledger.send("anchor", 1, ZERO, tree.root, len(events), by=ground.anna)
    proof = tree.proof(2)
    assert ledger.ask("verify", 1, 3, events[2][1], proof) is True
    for wrong in ((2, 3, events[2][1]), (0, 3, events[2][1]), (1, 4, events[2][1]), (1, 3, ZERO)):
        assert ledger.ask("verify", *wrong, proof) is False
    assert ledger.ask("verify", 1, 3, events[2][1], proof[:-1]) is False


def test_anchoring_costs_what_the_design_says(ground, ledger):
    head = ZERO
    for batch in (1, 2, 3):
        receipt = ledger.send("anchor", batch, head, ROOT_ONE, 1_000_000, by=ground.anna)
        head = ledger.ask("headHash")
    assert receipt.gas_used <= 61_000


def test_play_money_is_minted_by_its_deployer_alone(ground):
    token = ground.deploy(evm.development_token())
    assert token.ask("decimals") == 6
    assert token.ask("symbol") == "TUSD"
    token.send("mint", ground.ben, 7, by=ground.admin)
    assert token.ask("balanceOf", ground.ben) == 7
    assert token.refusal("mint", ground.ben, 7, by=ground.ben) == "OwnableUnauthorizedAccount"


@pytest.mark.parametrize("path", ARTEFACTS, ids=lambda path: path.stem)
def test_an_artefact_is_what_its_digests_say(path):
    found = json.loads(path.read_text())
    digests = found["sha256"]
    assert sha256(bytes.fromhex(found["bytecode"][2:])).hexdigest() == digests["bytecode"]
    runtime = bytes.fromhex(found["runtimeBytecode"][2:])
    assert sha256(runtime).hexdigest() == digests["runtimeBytecode"]
    assert sha256(found["metadata"].encode()).hexdigest() == digests["metadata"]
    source = path.with_name(f"{path.stem}.input.json")
    assert sha256(source.read_bytes()).hexdigest() == digests["input"]
    own = json.loads(source.read_text())["sources"][f"{path.stem}.sol"]["content"]
    assert own == (path.parent.parent / f"{path.stem}.sol").read_text(), "rebuild the artefacts"


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("node") is None or not (ROOT / ".node" / "node_modules" / "solc").exists(),
    reason="solc from npm is not installed here; `./run contracts` installs it",
)
def test_the_artefacts_are_what_the_compiler_makes_of_the_sources():
    command = ["node", str(ROOT / "provenance" / "contracts" / "build.mjs"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
