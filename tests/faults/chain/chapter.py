"""One chapter of a campaign: facts, workers and faults, until all is calm; then the reckoning."""

from __future__ import annotations

import random
import traceback
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import connections

from compensation import journal
from compensation.models import Account, Asset
from provenance import evm, ledger, restore
from provenance.models import Party
from tests.anvil import Anvil
from tests.compensation import books
from tests.faults.chain import checks, jobs
from tests.faults.chain.jobs import Wage
from tests.faults.chain.model import Model, Outcome
from tests.faults.chain.proxy import Proxy
from tests.faults.chain.world import CALM_BASE_FEE, CONFIRMATIONS, START, World
from tests.faults.money import workers
from tests.faults.money.place import Place
from tests.faults.money.workers import Failpoint, Job, Worker

BACKUP = "backup"
# How often each of these is a step, in parts of all.
FACTS = ("earn", "promise", "record")
ACTS = {"earn": 6, "promise": 12, "record": 8, "tell": 10, "send": 34, "anchor": 8, "pay": 12}
MANNERS = {
    "in peace": 60,
    "on a bad wire": 20,
    "killed": 9,
    "killed before it broadcasts": 2,
    "killed after it broadcast": 3,
    "twice at once": 6,
}
TROUBLES = {"none": 860, "wiped": 40, "fees": 50, "reorg": 30, "revert": 16, "rollback": 4}
# Where a fault is looked for, more goes wrong in fewer steps, and more die at the wire.
BUSY_MANNERS = MANNERS | {
    "in peace": 45,
    "killed": 12,
    "killed before it broadcasts": 4,
    "killed after it broadcast": 12,
}
BUSY = {"none": 780, "wiped": 60, "fees": 70, "reorg": 45, "revert": 25, "rollback": 20}
LOSING = (0.3, 0.6, 0.9)
BASE_FEES_GWEI = (1, 1, 7, 40, 160, 400)
LONGEST_STEP = timedelta(seconds=20)
# Some deaths come while a word is being answered.
DURING, LONGEST_SECONDS = 0.4, 0.006
WORDS_AT_FIRST = 60
DOOMED = 0.04
TOO_MUCH = 10**30
PATIENCE_ROUNDS = 30


@dataclass
class Tally:
    """What was done to it."""

    steps: int = 0
    kills: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    outcome: Outcome = field(default_factory=Outcome)

    def add(self, other: Tally) -> None:
        self.steps += other.steps
        self.kills += other.kills
        self.troubles += other.troubles
        self.outcome.add(other.outcome)


class Chapter:
    """A copy of the world to which everything happens; a seed makes the same plan again."""

    def __init__(self, place: Place, world: World, anvil: Anvil, proxy: Proxy, seed: int) -> None:
        self.place, self.world, self.anvil, self.proxy = place, world, anvil, proxy
        self.troubles, self.manners = TROUBLES, MANNERS
        self.dice = random.Random(seed)
        self.now = START
        self.model = Model()
        self.untold: list[Wage] = []
        self.base_fee = CALM_BASE_FEE
        self.tally = Tally()
        self._words: dict[str, int] = {}
        # Whether what happens now will be forgotten, because a backup is restored.
        self._is_doomed = False
        # The newest block that senders have seen: what lay so deep under it was final for them.
        # What the chain was loaded with has no states before, so that it cannot go back there.
        self._seen = self._head() + CONFIRMATIONS
        # The last chapter's chain is gone.
        evm._connect.cache_clear()

    def run(self, steps: int) -> Tally:
        """So many steps, then calm, then the reckoning; it ends early where a worker failed."""
        for _ in range(steps):
            self._step()
            if self.tally.outcome.failed:
                return self.tally
        self._calm_down()
        if not self.tally.outcome.failed:
            self.tally.outcome.add(checks.outcome(self.world, self.model, self.anvil))
        return self.tally

    def _step(self) -> None:
        self.tally.steps += 1
        trouble = self._choose(self.troubles)
        if trouble != "none":
            self.tally.troubles[trouble] += 1
            getattr(self, f"_{trouble}")()
        act = self._choose(ACTS)
        if act in FACTS:
            getattr(self, f"_{act}")()
        else:
            self._act(act, self._choose(self.manners))
        self.anvil.mine(self.dice.choice([0, 0, 1, 1, 2]), base_fee=self.base_fee)
        self.now += self.dice.random() * LONGEST_STEP

    # Facts.

    def _earn(self) -> None:
        """An owner's share of a charge became payable."""
        name, units = self.dice.choice(sorted(self.world.owners)), self.dice.randint(1, 10**6)
        self.model.earned[name] += units
        asset = Asset.objects.get()
        owner = Party.objects.get(pk=self.world.owners[name])
        target = journal.account(Account.Kind.OWNER, asset, party=owner)
        key = f"earned:{self.model.earned.total()}:{self.tally.steps}"
        books.move(books.outside(asset), target, units, key, effective_at=START, posted_at=self.now)

    def _promise(self) -> None:
        number = len(self.model.wages)
        wage = Wage(
            number=number,
            role=self.dice.choice(["deployer", "treasury"]),
            address=evm.checksum(f"0x{0xB000_0000 + number:040x}"),
            tokens=self.dice.randint(1, 10**6),
        )
        if self.dice.random() < DOOMED:
            wage = Wage(number, "treasury", wage.address, TOO_MUCH, is_doomed=True)
        self.model.wages.append(wage)
        self.untold.append(wage)

    def _record(self) -> None:
        self.model.events += 1
        ledger.record("test.happened", at=self.now, body={"number": self.model.events})

    # What workers do.

    def _act(self, act: str, manner: str) -> None:
        match manner:
            case "on a bad wire":
                self.proxy.losing = self.dice.choice(LOSING)
                settings.CHAIN_RPC_URL = self.proxy.url
                self._here(act)
                settings.CHAIN_RPC_URL = self.anvil.url
            case "killed":
                self._wait([self._fork(act, self._failpoint(act))])
            case "killed before it broadcasts" | "killed after it broadcast":
                is_after = manner == "killed after it broadcast"
                dying = jobs.dying_at_a_broadcast(jobs.send(self.now), is_after=is_after)
                self._wait([("send", self._start(dying))])
            case "twice at once":
                other = self.dice.choice([act, act, "send"])
                dies = self.dice.random() < 0.3
                first = self._fork(act, self._failpoint(act) if dies else None)
                self._wait([first, self._fork(other, None)])
            case _:
                self._here(act)

    def _job(self, act: str) -> Job:
        match act:
            case "tell":
                # Said more often than once, because an answer may be lost.
                old = self.dice.sample(self.model.wages, min(1, len(self.model.wages)))
                return jobs.tell([*old, *self.untold], self.world.token, self.now)
            case "send":
                return jobs.send(self.now)
            case "anchor":
                return jobs.anchor_events(self.now, may_seal=not self._is_doomed)
        return jobs.pay(self.now, may_propose=not self._is_doomed)

    def _here(self, act: str) -> None:
        """In this process."""
        try:
            self._job(act)(self.dice, self._heard)
        except Exception:
            self._failed(act, traceback.format_exc())

    def _fork(self, act: str, failpoint: Failpoint | None) -> tuple[str, Worker]:
        """In a process of its own."""
        return act, self._start(self._job(act), failpoint)

    def _start(self, job: Job, failpoint: Failpoint | None = None) -> Worker:
        seed, log = self.dice.getrandbits(32), self.place.log
        return workers.start("worker", job, seed=seed, log=log, failpoint=failpoint)

    def _wait(self, forked: list[tuple[str, Worker]]) -> None:
        for act, worker in forked:
            worker.wait()
            for said in worker.said:
                self._heard(said)
            if worker.was_killed:
                self.tally.kills += 1
            elif worker.exit_code:
                self._failed(act, worker.failure)
            elif worker.words:
                self._words[act] = worker.words

    def _failpoint(self, act: str) -> Failpoint:
        is_during = self.dice.random() < DURING
        return Failpoint(
            number=self.dice.randint(1, self._words.get(act, WORDS_AT_FIRST)),
            after_seconds=self.dice.uniform(0, LONGEST_SECONDS) if is_during else None,
        )

    def _heard(self, said: object) -> None:
        """A wage's number acknowledges it; everything else is the worker's own affair."""
        if isinstance(said, int):
            self.untold = [one for one in self.untold if one.number != said]

    def _failed(self, act: str, words: str) -> None:
        self.tally.outcome.failed.append(f"{act} failed: {words.strip()}")

    # What befalls the chain and the books.

    def _wiped(self) -> None:
        self.anvil.rpc("anvil_dropAllTransactions")

    def _fees(self) -> None:
        self.base_fee = self.dice.choice(BASE_FEES_GWEI) * evm.GWEI

    def _reorg(self) -> None:
        """The last blocks are replaced by empty ones; what was in them is forgotten."""
        depth = self.dice.randint(1, CONFIRMATIONS)
        depth = min(depth, self._head() - (self._seen - CONFIRMATIONS))
        if depth > 0:
            self.anvil.rpc("anvil_reorg", depth, [])

    def _revert(self) -> None:
        """The node falls back by a few blocks, which senders have seen."""
        before = self.anvil.rpc("evm_snapshot")
        for _ in range(self.dice.randint(1, CONFIRMATIONS)):
            self.anvil.mine(base_fee=self.base_fee)
            self._here("send")
        self._seen = max(self._seen, self._head())
        self.anvil.rpc("evm_revert", before)

    def _head(self) -> int:
        return int(self.anvil.rpc("eth_blockNumber"), 16)

    def _rollback(self) -> None:
        """A backup is restored: the books forget what the chain has seen since.

        Wages are out of the way: sent with a nonce that the books forgot, one cannot be told from
        one that was never sent. What the service sends itself is harmless twice. Events of after
        the backup are not on the chain yet: else the ledger would be forked, and stay read-only.
        """
        self._calm_down()
        for _ in range(self.dice.randint(1, 3)):
            self._earn()
            self._record()
        ledger.seal()
        self._acts(self.dice.randint(0, 8))
        ledger.seal()
        self._copy_database(self.place.database, BACKUP)
        self._is_doomed = True
        self._acts(self.dice.randint(2, 14))
        self._is_doomed = False
        self._copy_database(BACKUP, self.place.database)
        self._reconcile()

    def _acts(self, count: int) -> None:
        for _ in range(count):
            self._act(
                self.dice.choice(["send", "send", "anchor", "pay"]), self._choose(self.manners)
            )
            self.anvil.mine(self.dice.randint(0, 2), base_fee=self.base_fee)
            self.now += self.dice.random() * LONGEST_STEP

    def _copy_database(self, source: str, target: str) -> None:
        connections.close_all()
        self.place.server.drop_database(target)
        self.place.server.create_database(target, source)

    def _reconcile(self) -> None:
        """What an operator does: look, and let the service put its books in step, in the end."""
        try:
            for _ in range(PATIENCE_ROUNDS):
                restore.look(at=self.now)
                try:
                    restore.reconcile(at=self.now)
                except restore.StillOnTheWay:
                    self.anvil.mine(base_fee=CALM_BASE_FEE)
                else:
                    return
            self._failed("reconcile_restore", "what was on its way never came")
        except Exception:
            self._failed("reconcile_restore", traceback.format_exc())

    def _calm_down(self) -> None:
        """Nothing goes wrong any more, for as long as something moves."""
        for _ in range(PATIENCE_ROUNDS):
            for act in ("tell", "pay", "anchor", "send"):
                self._here(act)
            self.anvil.mine(base_fee=self.base_fee)
            self._here("send")
            self.anvil.mine(CONFIRMATIONS, base_fee=self.base_fee)
            for act in ("send", "anchor", "pay"):
                self._here(act)
            self.now += LONGEST_STEP
            if self.tally.outcome.failed or (not self.untold and checks.is_at_rest()):
                return

    def _choose(self, table: dict[str, int]) -> str:
        return self.dice.choices(list(table), table.values())[0]
