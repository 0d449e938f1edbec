"""OwnerPayouts pays each payee what its leaves say, once, whatever the token or anybody tries."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compensation.contracts import owner_payouts
from provenance import evm, merkle
from tests.anvil import AnvilMissing, anvil, program
from tests.ground import Contract, Ground

TYPES = ("bytes32", "address", "uint256")
HOSTILE = Path(__file__).resolve().parents[1] / "contracts" / "artefacts" / "HostileToken.json"
DIGEST = b"\xd1" * 32
NOBODY = "0x" + "00" * 20
MODES = {
    1: "returns false",
    2: "reverts",
    3: "returns nothing",
    4: "calls back",
    5: "returns sixty kilobytes",
    6: "burns all gas",
    7: "returns two",
    8: "calls back, then returns false",
}
PAYS_ALL_THE_SAME = {3, 4}


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    with Ground.start(tmp_path_factory.mktemp("ground")) as started:
        yield started


@pytest.fixture(scope="module")
def token(ground):
    made = ground.deploy(evm.development_token())
    made.send("mint", ground.admin, 10**15)
    return made


@pytest.fixture
def payouts(ground, token):
    return open_for(ground, token)


@pytest.fixture
def hostile(ground):
    return ground.deploy(evm.load_artefact(HOSTILE))


def open_for(ground: Ground, token: Contract, delay: int = 0, fund: int = 10**12) -> Contract:
    """A payouts contract for a token: Anna proposes, Ben guards."""
    roles = (ground.admin, ground.anna, ground.ben)
    made = ground.deploy(owner_payouts(), token.address, delay, *roles)
    token.send("approve", made.address, 2**255)
    if fund:
        made.send("fund", fund)
    return made


def leaves_for(ground, count, amount=100):
    return [(os.urandom(32), ground.stranger(), amount + at) for at in range(count)]


def tree_of(leaves):
    return merkle.Tree.of(TYPES, leaves)


def propose(ground, payouts, number, root, total):
    return payouts.send("proposeRoot", number, root, total, DIGEST, "", by=ground.anna)


def activate(ground, payouts, leaves):
    """Propose and activate the root of `leaves` as the next epoch."""
    tree, number = tree_of(leaves), payouts.ask("epoch") + 1
    propose(ground, payouts, number, tree.root, sum(leaf[2] for leaf in leaves))
    payouts.send("activateRoot", number)
    return tree


def pushed(tree, leaves, positions):
    multi = tree.multiproof(positions)
    columns = zip(*(leaves[at] for at in multi.order), strict=True)
    return ("push", *map(list, columns), multi.proof, multi.flags)


def claim(payouts, tree, leaves, at):
    return payouts.send("claim", *leaves[at], tree.proof(at))


def test_a_payee_is_paid_once_by_claim_and_by_push(ground, token, payouts):
    leaves = leaves_for(ground, 5)
    tree = activate(ground, payouts, leaves)
    claim(payouts, tree, leaves, 0)
    assert claim(payouts, tree, leaves, 0).logs == []
    payouts.send(*pushed(tree, leaves, range(5)))
    assert payouts.send(*pushed(tree, leaves, range(5))).logs == []
    assert [token.ask("balanceOf", leaf[1]) for leaf in leaves] == [leaf[2] for leaf in leaves]


def test_a_new_address_gets_only_the_rest_and_the_old_leaf_nothing(ground, token, payouts):
    (payee, old, _), other = leaves_for(ground, 2)
    first = [(payee, old, 100), other]
    old_tree = activate(ground, payouts, first)
    claim(payouts, old_tree, first, 0)
    new = ground.stranger()
    second = [(payee, new, 130), other]
    tree = activate(ground, payouts, second)
    claim(payouts, tree, second, 0)
    assert (token.ask("balanceOf", old), token.ask("balanceOf", new)) == (100, 30)
    assert payouts.refusal("claim", *first[0], old_tree.proof(0)) == "BadProof"


def test_two_payees_may_share_an_address_and_a_shrunken_leaf_pays_nothing(ground, token, payouts):
    shared = ground.stranger()
    leaves = [(os.urandom(32), shared, 100), (os.urandom(32), shared, 50)]
    tree = activate(ground, payouts, leaves)
    payouts.send("claimMany", [(*leaf, tree.proof(at)) for at, leaf in enumerate(leaves)])
    assert token.ask("balanceOf", shared) == 150
    shrunken = [(leaves[0][0], shared, 60), (leaves[1][0], shared, 200)]
    tree = activate(ground, payouts, shrunken)
    assert claim(payouts, tree, shrunken, 0).logs == []
    assert payouts.ask("claimed", leaves[0][0]) == 100


def test_what_is_not_in_the_root_is_refused(ground, payouts):
    leaves = leaves_for(ground, 4)
    tree = activate(ground, payouts, leaves)
    payee, address, amount = leaves[1]
    for wrong in (
        (payee, address, amount + 1),
        (payee, leaves[2][1], amount),
        (leaves[2][0], address, amount),
    ):
        assert payouts.refusal("claim", *wrong, tree.proof(1)) == "BadProof"
    assert payouts.refusal("push", [], [], [], [], []) == "BadProof"
    assert payouts.refusal("push", [payee], [address], [], [], []) == "LengthMismatch"


def test_a_root_needs_its_role_its_turn_its_delay_and_its_money(ground, token):
    payouts = open_for(ground, token, delay=100, fund=0)
    leaves = leaves_for(ground, 1, amount=1000)
    root = tree_of(leaves).root
    call = ("proposeRoot", 1, root, 1000, DIGEST, "")
    assert payouts.refusal(*call, by=ground.cleo) == "AccessControlUnauthorizedAccount"
    refusals = {
        (2, root, 1000, DIGEST, ""): "WrongEpoch",
        (1, bytes(32), 1, DIGEST, ""): "EmptyRoot",
        (1, root, 1000, bytes(32), ""): "EmptyDigest",
    }
    for wrong, name in refusals.items():
        assert payouts.refusal("proposeRoot", *wrong, by=ground.anna) == name
    payouts.send(*call, by=ground.anna)
    assert payouts.send(*call, by=ground.anna).logs == [], "a repeat starts no new delay"
    assert payouts.refusal("activateRoot", 1) == "NotReady"
    ground.pass_time(101)
    assert payouts.refusal("activateRoot", 1) == "Underfunded"
    assert payouts.refusal("claim", *leaves[0], []) == "BadProof"
    payouts.send("fund", 1000)
    payouts.send("activateRoot", 1)
    assert payouts.send("activateRoot", 1).logs == []
    shrunken = ("proposeRoot", 2, root, 999, DIGEST, "")
    assert payouts.refusal(*shrunken, by=ground.anna) == "Shrinking"


def test_the_guardian_may_veto_the_named_root_and_halt_everything(ground, token):
    payouts = open_for(ground, token, delay=100)
    leaves = leaves_for(ground, 2)
    tree, total = tree_of(leaves), sum(leaf[2] for leaf in leaves)
    propose(ground, payouts, 1, tree.root, total)
    assert payouts.refusal("vetoRoot", b"\x01" * 32, by=ground.ben) == "NothingPending"
    assert payouts.refusal("vetoRoot", tree.root, by=ground.anna).startswith("AccessControl")
    payouts.send("vetoRoot", tree.root, by=ground.ben)
    ground.pass_time(101)
    assert payouts.refusal("activateRoot", 1) == "NothingPending"
    propose(ground, payouts, 1, tree.root, total)
    ground.pass_time(101)
    payouts.send("activateRoot", 1)
    assert payouts.refusal("halt", by=ground.anna).startswith("AccessControl")
    payouts.send("halt", by=ground.ben)
    assert payouts.refusal("claim", *leaves[0], tree.proof(0)) == "BadProof"
    assert payouts.refusal(*pushed(tree, leaves, [0])) == "BadProof"
    propose(ground, payouts, 2, tree.root, total)
    ground.pass_time(101)
    payouts.send("activateRoot", 2)
    claim(payouts, tree, leaves, 0)
    assert token.ask("balanceOf", leaves[0][1]) == leaves[0][2]


def test_without_a_delay_it_stands_on_the_development_chain_alone(ground):
    try:
        program()
    except AnvilMissing as missing:
        pytest.skip(str(missing))
    roles = (ground.admin, ground.anna, ground.ben)
    with anvil() as elsewhere:
        elsewhere.rpc("anvil_setChainId", 1)

        def creation(delay):
            data = evm.encode_constructor(owner_payouts(), NOBODY, delay, *roles)
            try:
                elsewhere.rpc("eth_call", {"from": ground.admin, "data": "0x" + data.hex()})
            except AssertionError as refused:
                return str(refused)
            return "created"

        too_short = merkle.keccak(b"DelayTooShort(uint64)")[:4].hex()
        assert too_short in creation(0)
        assert too_short in creation(86_399)
        assert creation(86_400) == "created"


@pytest.mark.parametrize("mode", MODES, ids=MODES.get)
def test_one_recipient_of_a_hostile_token_never_stops_the_others(ground, hostile, mode):
    payouts = open_for(ground, hostile)
    leaves = leaves_for(ground, 12, amount=1000)
    tree = activate(ground, payouts, leaves)
    doubled = [(payee, address, 2 * amount) for payee, address, amount in leaves]
    total = sum(leaf[2] for leaf in doubled)
    propose(ground, payouts, 2, tree_of(doubled).root, total)
    attacks = [
        payouts.data("claim", *leaves[5], tree.proof(5)),
        payouts.data("claim", *leaves[6], tree.proof(6)),
        payouts.data("claimMany", [(*leaves[5], tree.proof(5))]),
        payouts.data(*pushed(tree, leaves, [5, 6])),
        payouts.data("activateRoot", 2),
        payouts.data("fund", 0),
    ]
    hostile.send("misbehave", leaves[5][1], mode, False, payouts.address, attacks)
    payouts.send(*pushed(tree, leaves, range(12)), gas=2_000_000)
    is_paid = mode in PAYS_ALL_THE_SAME
    balances = [hostile.ask("balanceOf", leaf[1]) for leaf in leaves]
    assert balances == [leaf[2] if at != 5 or is_paid else 0 for at, leaf in enumerate(leaves)]
    assert payouts.ask("claimed", leaves[5][0]) == (leaves[5][2] if is_paid else 0)
    assert hostile.ask("callsThatSucceeded") == 0
    assert payouts.ask("epoch") == 1
    hostile.send("misbehave", NOBODY, 0, False, NOBODY, [])
    claim(payouts, tree, leaves, 5)
    assert hostile.ask("balanceOf", leaves[5][1]) == leaves[5][2], (
        "it stayed owed, and is paid once"
    )


def test_a_fee_on_transfer_counts_what_arrived(ground, hostile):
    payouts = open_for(ground, hostile, fund=0)
    hostile.send("misbehave", NOBODY, 0, True, NOBODY, [])
    payouts.send("fund", 1000)
    assert payouts.ask("totalFunded") == 990


def test_what_was_paid_is_what_left_the_contract(ground, token, payouts):
    leaves = leaves_for(ground, 9)
    for growth in (0, 7, 7, 40):
        leaves = [(payee, address, amount + growth) for payee, address, amount in leaves]
        tree = activate(ground, payouts, leaves)
        payouts.send(*pushed(tree, leaves, range(0, 9, 2)))
        claim(payouts, tree, leaves, 3)
    paid = sum(payouts.ask("claimed", leaf[0]) for leaf in leaves)
    held = token.ask("balanceOf", payouts.address)
    assert payouts.ask("totalFunded") - held == paid


def test_pushing_two_hundred_and_fifty_costs_what_the_design_says(ground, token, payouts):
    leaves = leaves_for(ground, 250)
    activate_and_push = activate(ground, payouts, leaves)
    payouts.send(*pushed(activate_and_push, leaves, range(250)), gas=29_000_000)
    leaves = [(payee, address, amount * 2) for payee, address, amount in leaves]
    tree = activate(ground, payouts, leaves)
    again = payouts.send(*pushed(tree, leaves, range(250)), gas=29_000_000)
    assert again.gas_used / 250 <= 19_500
