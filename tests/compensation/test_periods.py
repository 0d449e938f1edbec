"""Periods close in order; nothing enters a closed one, and late entries keep their date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import uuid4

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.utils import IntegrityError

from compensation import journal, periods
from compensation.models import Entry, Period, PeriodTotal, Stage
from provenance.models import Event
from tests.compensation.books import move, outside, treasury

JANUARY, MARCH, MAY = (datetime(2026, month, 10, tzinfo=UTC) for month in (1, 3, 5))
JUNE = datetime(2026, 6, 2, tzinfo=UTC)


@pytest.fixture
def pay(euro):
    """A way to bring money in at a moment, under a key."""
    return lambda at, key: move(outside(euro), treasury(euro), 7, key, effective_at=at)


def test_an_entry_belongs_to_the_month_it_is_effective_in(pay):
    last = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert pay(last, "a").period_id == "2026-01"
    assert pay(last + timedelta(microseconds=1), "b").period_id == "2026-02"


def test_a_late_entry_goes_to_the_open_month_and_keeps_its_date(pay):
    pay(JANUARY, "a")
    pay(MARCH, "b")
    periods.close_period(name="2026-01", at=JUNE)
    assert periods.open_period(JANUARY) == "2026-02"
    late = pay(JANUARY, "late")
    assert (late.period_id, late.effective_at) == ("2026-02", JANUARY)
    assert pay(datetime(2025, 7, 1, tzinfo=UTC), "older than all").period_id == "2026-02"
    assert pay(MARCH, "in time").period_id == "2026-03"


def test_months_close_in_order_when_they_are_over(pay):
    pay(MARCH, "a")
    pay(MAY, "b")
    with pytest.raises(periods.EarlierPeriodOpen, match="2026-03 is open"):
        periods.close_period(name="2026-05", at=JUNE)
    with pytest.raises(periods.PeriodNotOver):
        periods.close_period(name="2026-03", at=MARCH)
    with pytest.raises(periods.NoSuchPeriod):
        periods.close_period(name="2026-04", at=JUNE)
    periods.close_period(name="2026-03", at=datetime(2026, 4, 1, tzinfo=UTC))
    periods.close_period(name="2026-05", at=JUNE)


def test_closing_twice_changes_nothing_and_is_told_to_the_ledger_once(pay, euro):
    last = pay(MARCH, "a")
    first = periods.close_period(name="2026-03", at=JUNE)
    again = periods.close_period(name="2026-03", at=JUNE + timedelta(days=9))
    assert (again.closed_at, again.last_number) == (first.closed_at, last.pk)
    event = Event.objects.get(kind="period.closed")
    assert event.body["hash"] == bytes(last.hash).hex()
    assert (event.body["period"], event.body["number"]) == ("2026-03", last.pk)


def test_a_closed_month_has_its_totals(pay, euro):
    pay(MARCH, "a")
    pay(MARCH, "b")
    periods.close_period(name="2026-03", at=JUNE)
    rows = {one.kind: one for one in PeriodTotal.objects.filter(period="2026-03")}
    assert (rows["treasury"].credited_units, rows["treasury"].debited_units) == (14, 0)
    assert (rows["external"].credited_units, rows["external"].debited_units) == (0, 14)


@pytest.mark.django_db
def test_nothing_closes_while_usages_are_staged(pay, lab):
    pay(MARCH, "a")
    Stage.objects.create(
        batch=uuid4(), usage_id=uuid4(), revision=1, kind="free", lab=lab, record_count=0,
        token_count=0, used_at=MARCH,
    )  # fmt: skip
    with pytest.raises(periods.UsagesStaged):
        periods.close_period(name="2026-03", at=JUNE)


def test_the_zone_of_the_months_is_the_databases(pay, euro):
    with connection.cursor() as cursor:
        cursor.execute("SELECT zone FROM compensation_calendar")
        assert cursor.fetchone() == ("UTC",)


def test_the_database_itself_refuses_what_the_use_case_refuses(pay):
    pay(MARCH, "a")
    pay(MAY, "b")
    for name, at, words in (
        ("2026-05", JUNE, "is open"),
        ("2026-03", MARCH, "not over"),
    ):
        with (
            pytest.raises(IntegrityError, match=words),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT compensation_close_period(%s, %s, NULL)", [name, at])


@pytest.mark.django_db(transaction=True)
def test_nobody_puts_an_entry_into_a_closed_month_or_opens_it_again(pay, as_table_owner):
    pay(MARCH, "a")
    periods.close_period(name="2026-03", at=JUNE)
    run = as_table_owner.execute
    with pytest.raises(psycopg.errors.RestrictViolation, match="cannot enter period 2026-03"):
        run(
            "INSERT INTO compensation_entry (id, kind, effective_at, posted_at, idempotency_key,"
            " facts_text, line_count, charge_count, charges_digest, previous_hash, hash, asset_id,"
            " period_id) SELECT 2, kind, effective_at, posted_at, 'b', facts_text, 0, 0,"
            " charges_digest, hash, hash, asset_id, period_id FROM compensation_entry"
        )
    for change in ("closed_at = NULL, last_number = NULL", "ends_at = ends_at + interval '1 day'"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            run(f"UPDATE compensation_period SET {change}")
    for statement in ("DELETE FROM compensation_period", "TRUNCATE compensation_period CASCADE"):
        with pytest.raises(psycopg.Error, match="refused"):
            run(statement)
    with pytest.raises(psycopg.errors.RestrictViolation):
        run("UPDATE compensation_calendar SET zone = 'Europe/Paris'")


def test_the_command_closes_a_month_and_says_why_it_will_not(pay):
    pay(MARCH, "a")
    pay(MAY, "b")
    said = StringIO()
    with pytest.raises(CommandError, match="2026-03 is open"):
        call_command("close_period", "2026-05", stdout=said)
    call_command("close_period", "2026-03", stdout=said)
    assert "2026-03 is closed" in said.getvalue()
    assert Period.objects.get(name="2026-03").closed_by is None


def test_a_reversal_goes_to_the_open_month(pay):
    entry = pay(MARCH, "a")
    periods.close_period(name="2026-03", at=JUNE)
    # Even where somebody's clock is behind.
    reversal = journal.reverse(entry=entry, reason="bounced", at=MARCH)
    assert (reversal.period_id, reversal.effective_at) == ("2026-04", MARCH)


@pytest.mark.parametrize("kind", Entry.Kind.values)
def test_only_deposits_and_adjustments_are_reversed_by_hand(pay, euro, kind):
    if kind == Entry.Kind.CONVERSION:
        with pytest.raises(IntegrityError, match="compensation_convert"):
            move(outside(euro), treasury(euro), 7, "a", kind=kind)
        return
    entry = move(outside(euro), treasury(euro), 7, "a", kind=kind)
    if kind in {Entry.Kind.DEPOSIT, Entry.Kind.ADJUSTMENT}:
        reversal = journal.reverse(entry=entry, reason="wrong", at=JUNE)
        assert reversal.reverses == entry
        assert journal.reverse(entry=entry, reason="again", at=JUNE) == reversal
        assert Event.objects.filter(kind="entry.reversed").count() == 1
        assert treasury(euro).balance.posted == 0
    else:
        with pytest.raises(journal.CannotReverse) as refused:
            journal.reverse(entry=entry, reason="wrong", at=JUNE)
        assert refused.value.next_step


def test_a_reversal_that_is_not_the_exact_opposite_is_refused(pay, euro):
    entry = pay(MARCH, "a")
    with pytest.raises(IntegrityError, match="the other way"):
        journal.post(
            kind=Entry.Kind.REVERSAL,
            lines=[(outside(euro), 6), (treasury(euro), -6)],
            effective_at=MARCH,
            posted_at=MARCH,
            idempotency_key="half",
            reverses=entry,
        )
