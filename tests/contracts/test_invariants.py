"""Whatever anybody does in any order, OwnerPayouts pays what was funded and owed, and that once.

A model walks at random over the real contract on the embedded node, with a token that misbehaves.
`./run contracts --invariants` walks for longer.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from compensation.contracts import owner_payouts
from provenance import evm, merkle
from tests.ground import Ground

TYPES = ("bytes32", "address", "uint256")
HOSTILE = Path(__file__).resolve().parent / "artefacts" / "HostileToken.json"
PAYEES = 5
DELAY = 60
DIGEST = b"\xd1" * 32
# How a payment to the target fails: returns false, reverts, burns all gas, calls back and fails.
FAILURES = (1, 2, 6, 8)

payees = st.integers(0, PAYEES - 1)
some = st.lists(payees, min_size=1, max_size=PAYEES, unique=True)
amounts = st.integers(0, 1000)


class Tree:
    """What a root owes, by payee, and where."""

    def __init__(self, leaves):
        self.leaves = leaves
        self.tree = merkle.Tree.of(TYPES, leaves, sort_leaves=False)
        self.total = sum(leaf[2] for leaf in leaves)

    def claim(self, at):
        return (*self.leaves[at], self.tree.proof(at))

    def push(self, positions):
        multi = self.tree.multiproof(positions)
        columns = zip(*(self.leaves[at] for at in multi.order), strict=True)
        return [*map(list, columns), multi.proof, multi.flags]


class Payouts(RuleBasedStateMachine):
    """The contract beside what it must know; `ground` is set by the test."""

    ground: Ground

    @initialize(seed=st.integers(0, 2**32))
    def deploy(self, seed):
        dice, ground = random.Random(seed), self.ground
        self.token = ground.deploy(evm.load_artefact(HOSTILE))
        roles = (ground.admin, ground.anna, ground.ben)
        self.payouts = ground.deploy(owner_payouts(), self.token.address, DELAY, *roles)
        self.token.send("approve", self.payouts.address, 2**255)
        self.ids = [dice.randbytes(32) for _ in range(PAYEES)]
        self.accounts = [ground.stranger() for _ in range(PAYEES)]
        self.used = set(self.accounts)
        self.paid = [0] * PAYEES
        self.funded = self.epoch = self.owed = 0
        self.ever: list[Tree] = []
        self.pending: tuple[Tree, bool] | None = None
        self.active: Tree | None = None
        self.blocked: int | None = None

    @rule(amount=st.integers(0, 3000), takes_fee=st.booleans())
    def fund(self, amount, takes_fee):
        self._misbehave(takes_fee)
        self.payouts.send("fund", amount)
        self.funded += amount - amount // 100 if takes_fee else amount

    @rule(grown=st.lists(amounts, min_size=PAYEES, max_size=PAYEES))
    def propose(self, grown):
        before = self.ever[-1].leaves if self.ever else [(0, 0, 0)] * PAYEES
        rows = zip(self.ids, self.accounts, before, grown, strict=True)
        tree = Tree([(who, where, leaf[2] + more) for who, where, leaf, more in rows])
        self._propose(tree)

    @rule(shrunken=payees)
    def propose_a_tree_in_which_a_leaf_falls(self, shrunken):
        """Our service never does; a stolen proposer's key may."""
        if not self.ever:
            return
        leaves = list(self.ever[-1].leaves)
        taken, other = leaves[shrunken][2], (shrunken + 1) % PAYEES
        leaves[shrunken] = (*leaves[shrunken][:2], 0)
        leaves[other] = (*leaves[other][:2], leaves[other][2] + taken)
        self._propose(Tree(leaves))

    def _propose(self, tree):
        call = ("proposeRoot", self.epoch + 1, tree.tree.root, tree.total, DIGEST, "")
        if tree.total < self.owed:
            assert self.payouts.refusal(*call, by=self.ground.anna) == "Shrinking"
            return
        logs = self.payouts.send(*call, by=self.ground.anna).logs
        if self.pending and self.pending[0].tree.root == tree.tree.root:
            assert not logs, "a repeat changes nothing"
        else:
            self.pending = (tree, False)

    @rule(who=payees)
    def move(self, who):
        """A payee changes address; the next tree has it."""
        self.accounts[who] = self.ground.stranger()
        self.used.add(self.accounts[who])

    @precondition(lambda self: self.pending)
    @rule()
    def wait(self):
        self.ground.pass_time(DELAY + 1)
        self.pending = (self.pending[0], True)

    @rule()
    def activate(self):
        call = ("activateRoot", self.epoch + 1)
        if not self.pending:
            assert self.payouts.refusal(*call) == "NothingPending"
        elif not self.pending[1]:
            assert self.payouts.refusal(*call) == "NotReady"
        elif self.pending[0].total > self.funded:
            assert self.payouts.refusal(*call) == "Underfunded"
        else:
            self.payouts.send(*call)
            self.active, self.pending = self.pending[0], None
            self.ever.append(self.active)
            self.epoch, self.owed = self.epoch + 1, self.active.total

    @precondition(lambda self: self.pending)
    @rule()
    def veto(self):
        self.payouts.send("vetoRoot", self.pending[0].tree.root, by=self.ground.ben)
        self.pending = None

    @rule()
    def halt(self):
        self.payouts.send("halt", by=self.ground.ben)
        self.active = self.pending = None

    @rule(who=st.none() | payees, how=st.sampled_from(FAILURES))
    def block(self, who, how):
        """The token refuses one recipient, in one of its ways; or nobody."""
        self.blocked = who
        self._misbehave(takes_fee=False, how=how)

    def _misbehave(self, takes_fee, how=FAILURES[0]):
        target = self._account(self.blocked) if self.blocked is not None else "0x" + "00" * 20
        self.token.send("misbehave", target, how, takes_fee, self.payouts.address, [])

    def _account(self, who):
        return self.active.leaves[who][1] if self.active else self.accounts[who]

    @precondition(lambda self: self.ever)
    @rule(chosen=some, age=st.integers(0, 2))
    def claim(self, chosen, age):
        tree = self.ever[max(0, len(self.ever) - 1 - age)]
        claims = [tree.claim(at) for at in chosen]
        if tree is not self.active:
            assert self.payouts.refusal("claimMany", claims) == "BadProof"
        elif not self.payouts.refusal("claimMany", claims):
            self.payouts.send("claimMany", claims)
            self._book(tree, chosen)
            assert not self.payouts.send("claimMany", claims).logs, "a replay pays nothing"

    @precondition(lambda self: self.ever)
    @rule(chosen=some, age=st.integers(0, 2))
    def push(self, chosen, age):
        tree = self.ever[max(0, len(self.ever) - 1 - age)]
        call = ("push", *tree.push(chosen))
        if tree is not self.active:
            assert self.payouts.refusal(*call) == "BadProof"
            return
        self.payouts.send(*call, gas=3_000_000)
        paid = [at for at in chosen if self._claimed(at) > self.paid[at]]
        self._book(tree, paid)

    def _book(self, tree, chosen):
        for at in chosen:
            self.paid[at] = max(self.paid[at], tree.leaves[at][2])

    def _claimed(self, at):
        return self.payouts.ask("claimed", self.ids[at])

    @invariant()
    def what_is_paid_was_owed_funded_and_left_once(self):
        claimed = [self._claimed(at) for at in range(PAYEES)]
        assert claimed == self.paid, "claimed is the highest leaf ever paid, and never falls"
        highest = [max((tree.leaves[at][2] for tree in self.ever), default=0)
                   for at in range(PAYEES)]  # fmt: skip
        assert all(one <= most for one, most in zip(claimed, highest, strict=True))
        assert sum(claimed) <= self.funded == self.payouts.ask("totalFunded")
        held = self.token.ask("balanceOf", self.payouts.address)
        assert held == self.funded - sum(claimed)

    def teardown(self):
        received = sum(self.token.ask("balanceOf", where) for where in self.used)
        assert received == sum(self.paid)

    @invariant()
    def a_root_is_active_only_as_the_model_says(self):
        root = self.active.tree.root if self.active else bytes(32)
        assert self.payouts.ask("root") == root
        assert self.payouts.ask("epoch") == self.epoch
        assert self.payouts.ask("totalOwed") == self.owed


def test_no_order_of_calls_pays_twice_or_too_much():
    # Each step is a block on a real node: far fewer than of other properties.
    count = max(2, settings().max_examples // 33)
    with tempfile.TemporaryDirectory() as folder, Ground.start(Path(folder)) as ground:
        Payouts.ground = ground
        run_state_machine_as_test(
            Payouts,
            settings=settings(
                max_examples=count,
                stateful_step_count=15,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
