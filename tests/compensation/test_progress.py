"""A payee sees where each payout stands and why, and exactly what it pays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compensation import bank_files, journal, payees, progress, terms
from compensation.models import Account, BankPayout, Entry, PayoutMethod, Schedule
from tests.cast import NOON
from tests.compensation.banking import (
    LATER,
    account,
    camt053,
    debit,
    earn,
    our_account,
    pain002,
    returned,
    run_of,
)
from tests.compensation.conftest import held

__all__ = ["our_account"]

pytestmark = pytest.mark.django_db

Kind = Account.Kind


def gathering(party, asset, at=LATER):
    return {
        (one.state, one.amount_units): one.words
        for one in progress.gathering(party=party, asset=asset, at=at)
    }


def test_what_gathers_says_what_it_waits_for(ada, euro):
    pending = journal.account(Kind.OWNER_PENDING, euro, party=ada)
    journal.post(
        kind=Entry.Kind.ADJUSTMENT,
        lines=[(pending, 500), (journal.account(Kind.EXTERNAL, euro), -500)],
        effective_at=NOON,
        posted_at=NOON,
        idempotency_key="pending",
        matures_at=NOON + timedelta(days=30),
    )
    assert "2026-03-31" in gathering(ada, euro)["accrued", 500]
    earn(ada, euro, 7_000_000)
    assert "name a bank account" in gathering(ada, euro)["held", 7_000_000]
    shown = [one.shown for one in progress.gathering(party=ada, asset=euro, at=LATER)]
    assert "waiting" in shown, "nobody holds what waits for its owner"
    made = account(ada, euro)
    assert "2026-03-04 12:00" in gathering(ada, euro, NOON)["held", 7_000_000]
    assert "next payment run" in gathering(ada, euro)["payable", 7_000_000]
    terms.set_terms(
        party=ada, asset=euro, threshold_units=8_000_000, schedule=Schedule.AT_ONCE, at=NOON
    )
    assert "8.00 EUR have gathered" in gathering(ada, euro)["payable", 7_000_000]
    terms.set_terms(
        party=ada, asset=euro, threshold_units=1, schedule=Schedule.WEEKLY, day=1, at=LATER
    )
    assert "2026-03-16" in gathering(ada, euro)["payable", 7_000_000]
    payees.flag_method(method=made, words="Closed (AC04).", at=LATER)
    assert "AC04" in gathering(ada, euro)["held", 7_000_000]


def test_a_payout_says_each_state_with_its_day_and_reason(ada, euro, our_account):
    account(ada, euro)
    earn(ada, euro, 10_000_000)
    run = run_of(euro)
    payout = BankPayout.objects.get()

    def take(content):
        bank_files.take_file(content=content, name="", at=LATER + timedelta(days=2))
        return progress.payout_of(party=ada, reference=payout.reference)

    answered = take(pain002(run, [(payout.reference, "ACCP", "")]))
    assert [one.state for one in answered.stages] == ["accrued", "held", "payable", "sent", "sent"]
    assert answered.stages[1].shown == "waiting period"
    paid = take(camt053([debit(payout, on=(LATER + timedelta(days=1)).date())]))
    assert (paid.state, paid.settled_at.date()) == ("paid", (LATER + timedelta(days=1)).date())
    back = take(camt053([returned(payout, "AC04")], statement="2"))
    assert back.state == "returned"
    assert "AC04" in back.words
    assert [one.reference for one in progress.payouts_of(party=ada)] == [payout.reference]


def test_nobody_finds_another_ones_payout(ada, ben, euro, our_account):
    account(ada, euro)
    earn(ada, euro, 10_000_000)
    run_of(euro)
    reference = BankPayout.objects.get().reference
    assert progress.payout_of(party=ben, reference=reference) is None
    assert progress.payout_of(party=ada, reference="E99") is None
    assert progress.payouts_of(party=ben) == []


class _Undone(Exception):
    pass


@given(
    moves=st.lists(
        st.one_of(
            st.tuples(st.just("earn"), st.integers(1, 30_000_000)),
            st.tuples(st.just("run"), st.booleans()),
            st.tuples(st.just("adjust"), st.integers(1, 9_999)),
        ),
        max_size=12,
    )
)
@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_a_payout_lists_exactly_its_lines(ada, euro, our_account, moves):
    from django.db import transaction

    from compensation.payment_runs import NothingIsDue

    try:
        with transaction.atomic():
            account(ada, euro)
            earned = {}
            for number, (what, how) in enumerate([*moves, ("earn", 5_000_001), ("run", False)]):
                if what == "earn":
                    earned[earn(ada, euro, how).pk] = how
                elif what == "adjust":
                    adjust(ada, euro, how, number)
                else:
                    run_and_maybe_return(euro, is_returned=how)
            check_lines(ada, earned)
            raise _Undone
    except (_Undone, NothingIsDue):
        pass


def adjust(ada, euro, units, number):
    lines = [
        (journal.account(Kind.OWNER, euro, party=ada), units),
        (journal.account(Kind.EXTERNAL, euro), -units),
    ]
    journal.post(
        kind=Entry.Kind.ADJUSTMENT,
        lines=lines,
        effective_at=NOON,
        posted_at=NOON,
        idempotency_key=f"by hand {number}",
    )


def run_and_maybe_return(euro, *, is_returned):
    from compensation.payment_runs import NothingIsDue

    try:
        run = run_of(euro)
    except NothingIsDue:
        return
    if is_returned:
        (payout,) = run.payouts.all()
        content = camt053([debit(payout), returned(payout)], statement=f"S{run.number}")
        bank_files.take_file(content=content, name="", at=LATER)
        payees.confirm_method(method=PayoutMethod.objects.get(), at=LATER)


def check_lines(ada, earned):
    """Each payout is the sum of its lines, and each earning stands in exactly one payout."""
    found = {}
    for made in progress.payouts_of(party=ada):
        lines = progress.lines_of(made)
        assert sum(one.amount_units for one in lines) == made.amount_units
        for line in lines:
            if line.words.startswith("Earned"):
                assert line.entry_id not in found
                found[line.entry_id] = line.amount_units
    assert found == earned


def test_what_a_conflict_took_meanwhile_is_said_where_it_was_earned(ada, ben, euro, our_account):
    account(ada, euro)
    earn(ada, euro, 10_000_000)
    journal.post(
        kind=Entry.Kind.RESTATEMENT,
        lines=[
            (journal.account(Kind.RECEIVABLE, euro, party=ada), -2_000_000),
            (journal.account(Kind.AWAITED, euro, party=ben), 2_000_000),
        ],
        effective_at=NOON,
        posted_at=NOON,
        idempotency_key="owed",
    )
    run_of(euro)
    (made,) = progress.payouts_of(party=ada)
    lines = {one.words: one.amount_units for one in progress.lines_of(made)}
    assert lines == {"Earned: adjustment": 10_000_000, "Recovered from a later payout": -2_000_000}
    assert made.amount_units == 8_000_000
    assert held(euro, Kind.OWNER, ada) == 0
