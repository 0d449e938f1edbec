"""Any order of what can happen to money, held against a plain model after each step.

Hypothesis chooses what happens: deposits, reports, corrections, batches of any size, conflicts and
their ends, hold-backs that pass, payouts, reversals.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from itertools import count

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from compensation import billing, deposits, holdback, invariants, journal, payees, payouts, weights
from compensation.models import Asset, Deposit, PayoutEpoch, PlatformFee
from provenance import conflicts, evm, signers, usage
from provenance.models import ChainContract, Conflict, DatasetVersion, Party, Rate, Run, User
from provenance.registry import records_of
from tests import factories
from tests.cast import NOON
from tests.compensation.conftest import grant, priced, texts
from tests.faults.money import checks
from tests.faults.money.model import Model, Terms, Version

EXAMPLES, STEPS = 12, 14
DISPUTED = 4
FEE = 333
TOKEN = "0x" + "70" * 20
BASES = {
    "essays": (Rate.Basis.PER_1K_RECORDS, 1_000_003),
    "letters": (Rate.Basis.PER_1M_TOKENS, 15_485_863),
    "copies": (Rate.Basis.PER_1K_RECORDS, 999_983),
}
OUTCOMES = ("to_earlier", "to_later", "shared")
SHARED = 2_500


class Scene:
    """Two owners, a lab and three priced versions, of which one holds copies."""

    def __init__(self, ada: Party, ben: Party, lab: Party, olga: User) -> None:
        self.lab, self.olga = lab, olga
        code = f"{evm.caip2(signers.DEVELOPMENT_CHAIN)}/erc20:{evm.checksum(TOKEN)}"
        self.asset: Asset = deposits.register_asset(
            code=code, symbol="USD", scale=6, token_decimals=6
        )
        # With a fee nothing divides without a rest.
        PlatformFee.objects.create(basis_points=FEE, valid_from=NOON - timedelta(days=1))
        self._pay_on_chain(ada, ben)
        words = {
            "essays": (ada, texts(9)),
            "letters": (ada, [text + " word" * place for place, text in enumerate(texts(7, "a"))]),
            "copies": (ben, [*texts(DISPUTED), *texts(8, "own")]),
        }
        self.versions: dict[str, DatasetVersion] = {}
        for name, (owner, lines) in words.items():
            basis, price = BASES[name]
            made = factories.version(factories.dataset(owner, name), lines)
            self.versions[name] = priced(made, self.asset, price_units=price, basis=basis)
            grant(lab, made)
        self.disputed = [
            factories.record(self.versions["copies"], text).pk for text in texts(DISPUTED)
        ]

    def _pay_on_chain(self, *owners: Party) -> None:
        ChainContract.objects.create(
            chain_id=signers.DEVELOPMENT_CHAIN,
            kind=ChainContract.Kind.OWNER_PAYOUTS,
            address=evm.checksum("0x" + "71" * 20),
            token_address=evm.checksum(TOKEN),
            block_number=1,
            deployed_at=NOON,
        )
        for number, owner in enumerate(owners, 1):
            payees.add_method(
                party=owner,
                address=f"0x{number:040x}",
                chain_id=signers.DEVELOPMENT_CHAIN,
                at=NOON,
            )

    def model(self) -> Model:
        """What the model knows before anything happens."""
        return Model(
            FEE,
            {
                str(one.pk): Version(
                    owner=str(one.dataset.owner_id),
                    terms=self.terms(name),
                    asset=str(self.asset.pk),
                    token_counts=dict(records_of(one).values_list("pk", "token_count")),
                )
                for name, one in self.versions.items()
            },
        )

    def terms(self, name: str) -> Terms:
        """What the use of a version costs."""
        basis, price = BASES[name]
        one = self.versions[name]
        return Terms(basis, price, one.record_count, one.token_count)

    def open_conflict(self) -> Conflict:
        """Ben's copies are found, claimed, answered and replied to."""
        later, earlier = self.versions["copies"], self.versions["essays"]
        pairs = [(text, text) for text in texts(DISPUTED)]
        conflict = conflicts.open_from_overlap(
            overlap=factories.overlap(later, earlier, pairs), at=NOON
        )
        assert conflict is not None
        ada, ben = earlier.dataset.owner, later.dataset.owner
        conflicts.claim(conflict=conflict, claimant=ada, statement="Ours.", at=NOON)
        conflicts.answer(conflict=conflict, party=ben, text="No.", agrees=False, at=NOON)
        conflicts.reply(conflict=conflict, party=ada, text="Yes.", at=NOON)
        return conflict


class Money(RuleBasedStateMachine):
    """What may happen; all of it is rolled back when a run of the machine is over."""

    scene: Scene

    def __init__(self) -> None:
        super().__init__()
        self.point = transaction.savepoint()
        self.model = self.scene.model()
        self.now = NOON + timedelta(hours=1)
        self.said: list[tuple[Run, str]] = []
        self.numbers = count(1)
        self.conflict: Conflict | None = None
        self.undecided = list(self.scene.disputed)
        self.has_moved = True

    # Few rules with many arguments, and something of everything at the beginning: of many small
    # rules Hypothesis leaves most out of most runs, and then nothing meets anything.

    @initialize(
        units=st.sampled_from([10**4, 10**9]), records=st.integers(1, 60), is_disputed=st.booleans()
    )
    def begin(self, units: int, records: int, *, is_disputed: bool) -> None:
        """The lab has a little money, or enough, and uses everything; a dispute may be open."""
        self._deposit(units, "wire 0")
        if is_disputed:
            self.conflict = self.scene.open_conflict()
        for name in sorted(BASES):
            self._report(name, records, 0, is_ended=name != "letters")
        billing.bill_batch(2, at=self.now)

    @rule(units=st.integers(1, 10**7), number=st.integers(1, 3), is_back=st.booleans())
    def pay_in(self, units: int, number: int, *, is_back: bool) -> None:
        """Money arrives, perhaps again; or a deposit is taken back, unless it is spent."""
        reference = f"wire {number}"
        if is_back and reference in self.model.arrived - self.model.taken_back:
            self._reverse(reference)
        else:
            self._deposit(units, reference)

    @rule(
        again=st.integers(0, 9),
        name=st.sampled_from(sorted(BASES)),
        stream=st.sampled_from(["rank0", "rank1"]),
        sequence=st.integers(0, 6),
        records=st.integers(0, 90),
        tokens=st.integers(0, 10**5),
        is_ended=st.booleans(),
    )
    def use(
        self,
        again: int,
        name: str,
        stream: str,
        sequence: int,
        records: int,
        tokens: int,
        *,
        is_ended: bool,
    ) -> None:
        """A new run says what it used; or one says more: grown, repeated, late, out of order."""
        if again > 2:
            run, name = self.said[again % len(self.said)]
            self._say(run, name, stream, sequence, records, tokens)
            if is_ended:
                usage.end_run(run=run, at=self.now)
        else:
            self._report(name, records, tokens, is_ended=is_ended)

    @rule(limit=st.integers(1, 4), hours=st.sampled_from([0, 25]))
    def bill(self, limit: int, hours: int) -> None:
        """A batch; a day later, what goes on is charged too."""
        self.now += timedelta(hours=hours)
        self.has_moved |= bool(billing.bill_batch(limit, at=self.now))

    @rule(outcome=st.sampled_from(OUTCOMES), records=st.integers(1, DISPUTED))
    def dispute(self, outcome: str, records: int) -> None:
        """The copies are found; or an operator decides on some of the records."""
        if self.conflict is None:
            self.conflict = self.scene.open_conflict()
        elif self.undecided:
            self._decide(outcome, self.undecided[:records])
            self.has_moved |= bool(weights.apply_resolutions(at=self.now))

    @rule(days=st.integers(1, 40), is_paid=st.booleans())
    def pass_time(self, days: int, *, is_paid: bool) -> None:
        """Credits ripen; now and then what is payable goes into a tree, recoveries taken off."""
        self.now += timedelta(days=days)
        self.has_moved |= bool(holdback.mature_credits(at=self.now))
        if is_paid and not PayoutEpoch.objects.exists():
            self.has_moved |= bool(payouts.build_epoch(self.scene.asset, self.now))

    @invariant()
    def everything_holds(self) -> None:
        """Looked at after each step that may have moved money."""
        if not self.has_moved:
            return
        self.has_moved = False
        found = [
            *checks.charged(self.model),
            *checks.paid_in(self.model),
            *invariants.broken(),
        ]
        assert not found, found

    def teardown(self) -> None:
        """When all is worked off, nobody has a unit too few or too many."""
        try:
            self._work_off()
            found = [
                *checks.uncharged(self.model),
                *checks.charged(self.model),
                *checks.earned(self.model),
                *checks.torn(),
                *checks.broken_chain(),
                *invariants.broken(),
            ]
            assert not found, found
        finally:
            transaction.savepoint_rollback(self.point)

    def _deposit(self, units: int, reference: str) -> None:
        """A reference that comes again counts once, or is refused."""
        self.has_moved = True
        known = self.model.deposits.get(reference)
        again = (str(self.scene.lab.pk), str(self.scene.asset.pk), units)
        try:
            deposits.deposit(
                lab=self.scene.lab,
                asset=self.scene.asset,
                amount_units=units,
                reference=reference,
                at=self.now,
            )
        except deposits.ReferenceUsed:
            assert known not in (None, again)
            return
        assert known in (None, again)
        self.model.deposits[reference] = again
        self.model.arrived.add(reference)

    def _reverse(self, reference: str) -> None:
        self.has_moved = True
        entry = Deposit.objects.get(reference=reference).entry
        try:
            with transaction.atomic():
                journal.reverse(entry=entry, reason="Charged back.", at=self.now)
        except journal.NotEnoughMoney:
            return
        self.model.taken_back.add(reference)

    def _report(self, name: str, records: int, tokens: int, *, is_ended: bool) -> None:
        run = usage.start_run(
            lab=self.scene.lab,
            purpose="pretrain",
            run_id=uuid.UUID(int=next(self.numbers)),
            at=self.now,
        )
        self.said.append((run, name))
        self._say(run, name, "rank0", 1, records, tokens)
        if is_ended:
            usage.end_run(run=run, at=self.now)

    def _decide(self, outcome: str, chosen: list[int]) -> None:
        assert self.conflict is not None
        self.undecided = [record for record in self.undecided if record not in chosen]
        conflicts.decide(
            conflict=self.conflict,
            outcome=outcome,
            reasons="Dated.",
            filter={"record_ids": chosen},
            earlier_basis_points=SHARED,
            by=self.scene.olga,
            at=self.now,
        )
        ada, ben = (
            str(self.scene.versions[name].dataset.owner_id) for name in ("essays", "copies")
        )
        holders = {
            "to_earlier": {ada: 1},
            "to_later": {ben: 1},
            "shared": {ada: SHARED, ben: 10_000 - SHARED},
        }[outcome]
        version = self.model.versions[str(self.scene.versions["copies"].pk)]
        version.holders |= dict.fromkeys(chosen, holders)

    def _work_off(self) -> None:
        for run, _ in self.said:
            usage.end_run(run=run, at=self.now)
        if self.conflict is not None and self.undecided:
            self._decide("shared", self.undecided)
        self._deposit(10**12, "enough")
        while billing.bill_batch(1, at=self.now):
            pass
        while weights.apply_resolutions(at=self.now):
            pass
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")

    def _say(
        self, run: Run, name: str, stream: str, sequence: int, records: int, tokens: int
    ) -> None:
        subject = str(self.scene.versions[name].pk)
        usage.report_usage(
            run=run,
            subject=subject,
            purpose="pretrain",
            stream=stream,
            sequence=sequence,
            count=usage.Count(records=records, tokens=tokens, epochs=1),
            used_at=self.now,
            received_at=self.now,
        )
        numbers = (sequence, records, tokens)
        self.model.hear(str(run.pk), subject, self.scene.terms(name), stream, numbers)


@pytest.mark.slow
def test_no_order_of_events_gains_or_loses_a_unit(ada, ben, lab, olga):
    run_state_machine_as_test(
        type("Scened", (Money,), {"scene": Scene(ada, ben, lab, olga)}),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
