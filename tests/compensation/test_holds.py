"""Holds set money aside, are posted in parts, and never post more than they hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import settings, strategies
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from compensation import holds, invariants, journal
from compensation.models import Account, Asset, Balance, Entry, Hold
from compensation.tasks import expire_holds
from tests.cast import NOON
from tests.compensation.books import move, outside, treasury

FAR = datetime(2126, 1, 1, tzinfo=UTC)


@pytest.fixture
def deposit(euro, lab):
    """A lab's account with a hundred units."""
    found = journal.account(Account.Kind.LAB, euro, party=lab)
    move(outside(euro), found, 100, "paid in")
    return found


def place(account, units, key="h", expires_at=FAR):
    return holds.place(
        target=account, amount_units=units, idempotency_key=key, expires_at=expires_at, at=NOON
    )


def post(account, units, entry_key, key="h", **more):
    return holds.post(
        key=key,
        to=[(account, units)],
        kind=Entry.Kind.ADJUSTMENT,
        effective_at=NOON,
        posted_at=NOON,
        idempotency_key=entry_key,
        **more,
    )


def held(account):
    found = Balance.objects.get(account=account)
    return found.posted, found.held


def test_what_is_held_cannot_be_spent_until_it_is_given_back(deposit, euro):
    assert place(deposit, 80) == place(deposit, 80)
    with pytest.raises(journal.NotEnoughMoney):
        move(deposit, treasury(euro), 21, "b")
    with pytest.raises(journal.NotEnoughMoney):
        place(deposit, 21, "another")
    assert holds.void(key="h")
    assert not holds.void(key="h")
    move(deposit, treasury(euro), 100, "b")
    assert held(deposit) == (0, 0)


def test_a_hold_is_posted_in_parts_and_the_rest_stays(deposit, euro):
    place(deposit, 80)
    first = post(treasury(euro), 30, "one")
    assert post(treasury(euro), 30, "one") == first
    assert held(deposit) == (70, 50)
    with pytest.raises(holds.HoldTooSmall, match="50 units are left"):
        post(treasury(euro), 51, "two")
    post(treasury(euro), 50, "two")
    assert held(deposit) == (20, 0)
    assert Hold.objects.get().state == Hold.State.POSTED
    with pytest.raises(holds.HoldNotOpen):
        post(treasury(euro), 1, "three")
    assert post(treasury(euro), 50, "two").pk == 3


def test_the_rest_is_given_back_with_the_last_part(deposit, euro):
    place(deposit, 80)
    post(treasury(euro), 30, "one", frees_rest=True)
    assert held(deposit) == (70, 0)
    with pytest.raises(holds.HoldNotOpen):
        post(treasury(euro), 1, "two")


def test_a_key_of_another_hold_or_entry_is_refused(deposit, euro):
    place(deposit, 10)
    place(deposit, 10, "other")
    with pytest.raises(journal.KeyMovedSomethingElse):
        place(deposit, 11)
    post(treasury(euro), 5, "one")
    with pytest.raises(journal.KeyMovedSomethingElse):
        post(treasury(euro), 6, "one")
    with pytest.raises(journal.KeyMovedSomethingElse):
        post(treasury(euro), 5, "one", key="other")
    assert held(deposit) == (95, 15)


def test_a_hold_ends_by_the_databases_clock_and_not_by_ours(deposit, euro):
    now = timezone.now()
    place(deposit, 10, "past", expires_at=now - timedelta(seconds=5))
    place(deposit, 10, "to come", expires_at=now + timedelta(hours=1))
    place(deposit, 10, "endless", expires_at=None)
    with pytest.raises(holds.HoldExpired):
        post(treasury(euro), 5, "too late", key="past")
    assert expire_holds() == 1
    assert expire_holds() == 0
    assert Hold.objects.get(idempotency_key="past").state == Hold.State.EXPIRED
    assert held(deposit) == (100, 20)


def test_a_hold_never_posts_to_its_own_account_or_a_negative_amount(deposit, euro):
    place(deposit, 10)
    for target, units in ((deposit, 5), (treasury(euro), -5), (treasury(euro), 0)):
        with pytest.raises(Exception, match="posted"), transaction.atomic():
            post(target, units, "x")
    assert held(deposit) == (100, 10)


def test_more_than_fits_is_refused_in_words(deposit):
    with pytest.raises(journal.AmountTooLarge):
        place(deposit, 2**63)


def test_the_application_cannot_touch_a_hold_by_itself(deposit):
    place(deposit, 10)
    for statement in (
        "UPDATE compensation_hold SET remaining_units = 0",
        "INSERT INTO compensation_holdpart (hold_id, entry_id, amount_units) VALUES (1, 1, 1)",
        "SELECT compensation_hold_release(1, 'void')",
    ):
        with (
            pytest.raises(Exception, match="permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


class Holding(RuleBasedStateMachine):
    """Any sequence of holding, posting, giving back and expiring, against a model of it."""

    @initialize()
    def begin(self) -> None:
        self.example = transaction.atomic()
        self.example.__enter__()
        euro = Asset.objects.create(code="iso4217:EUR", symbol="EUR", scale=6)
        self.account = journal.account(Account.Kind.ESCROW, euro)
        self.target = treasury(euro)
        move(outside(euro), self.account, 1_000, "paid in")
        self.posted, self.left, self.made = 1_000, {}, {}
        self.expired = set()

    keys = strategies.sampled_from(["a", "b", "c"])
    entries = strategies.sampled_from([f"entry {number}" for number in range(6)])
    amounts = strategies.integers(1, 700)

    @rule(key=keys, units=amounts, is_past=strategies.booleans())
    def place(self, key: str, units: int, is_past: bool) -> None:
        fits = self.posted - sum(self.left.values()) >= units
        is_new = key not in self.left
        try:
            found = place(self.account, units, key, NOON if is_past else FAR)
        except journal.NotEnoughMoney:
            assert is_new
            assert not fits
        except journal.KeyMovedSomethingElse:
            assert not is_new
        else:
            if is_new:
                assert fits
                self.left[key] = units
                self.expired |= {key} if found.expires_at == NOON else set()

    @rule(key=keys, entry=entries, units=amounts, frees=strategies.booleans())
    def post(self, key: str, entry: str, units: int, frees: bool) -> None:
        left = self.left.get(key, 0)
        may = entry not in self.made and units <= left and key not in self.expired
        try:
            post(self.target, units, entry, key, frees_rest=frees)
        except (holds.HoldNotOpen, holds.HoldTooSmall, holds.HoldExpired):
            assert not may
        except journal.KeyMovedSomethingElse:
            assert self.made[entry] != (key, units)
        else:
            if entry in self.made:
                assert self.made[entry] == (key, units)
                return
            assert may
            self.made[entry] = (key, units)
            self.posted -= units
            self.left[key] = 0 if frees else left - units

    @rule(key=keys)
    def void(self, key: str) -> None:
        is_open = Hold.objects.filter(idempotency_key=key, state="open").exists()
        assert holds.void(key=key) == is_open
        if is_open:
            self.left[key] = 0

    @rule()
    def expire(self) -> None:
        due = Hold.objects.filter(state="open", expires_at=NOON)
        keys = list(due.values_list("idempotency_key", flat=True))
        assert holds.expire() == len(keys)
        self.left |= dict.fromkeys(keys, 0)

    @invariant()
    def the_database_agrees(self) -> None:
        if hasattr(self, "account"):
            assert held(self.account) == (self.posted, sum(self.left.values()))

    def teardown(self) -> None:
        assert list(invariants.broken()) == []
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)


@pytest.mark.django_db
def test_any_sequence_holds_and_posts_what_a_model_of_it_says():
    found = settings(max_examples=30, stateful_step_count=20, deadline=None)
    run_state_machine_as_test(Holding, settings=found)
