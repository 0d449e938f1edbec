"""What the database refuses, whoever asks: see compensation/sql/guards.sql."""

from datetime import UTC, datetime

import psycopg
import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError, IntegrityError

from compensation import journal
from compensation.models import Account, Asset, Balance, Entry, JournalHead, Line

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FACTS = ["entry", "line", "charge", "account", "weight", "cell", "deposit", "payout", "balance"]


@pytest.fixture
def euro(db):
    return Asset.objects.create(code="iso4217:EUR", symbol="EUR", scale=6)


@pytest.fixture
def two_accounts(euro, lab):
    return (
        journal.account(Account.Kind.EXTERNAL, euro),
        journal.account(Account.Kind.LAB, euro, party=lab),
    )


def pay_in(two_accounts, amount, key="a"):
    outside, deposit = two_accounts
    return journal.post(
        kind=Entry.Kind.DEPOSIT,
        lines=[(outside, -amount), (deposit, amount)],
        effective_at=NOON,
        posted_at=NOON,
        idempotency_key=key,
        facts={"why": "test"},
    )


def refused(statement, *params):
    words = r"permission denied|is refused|must be owner"
    with (
        pytest.raises(DatabaseError, match=words),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, params)


def test_a_posted_entry_moves_balances_and_the_head(two_accounts):
    entry = pay_in(two_accounts, 700)
    assert [balance.posted for balance in Balance.objects.order_by("account_id")] == [-700, 700]
    head = JournalHead.objects.get()
    assert (head.number, bytes(head.hash)) == (entry.pk, bytes(entry.hash))


def test_the_same_key_posts_once_and_another_amount_under_it_is_refused(two_accounts):
    first = pay_in(two_accounts, 700)
    assert pay_in(two_accounts, 700) == first
    with pytest.raises(journal.KeyMovedSomethingElse):
        pay_in(two_accounts, 701)
    assert Entry.objects.count() == 1


def test_an_unbalanced_entry_is_refused(two_accounts):
    outside, deposit = two_accounts
    with pytest.raises(IntegrityError, match="unbalanced"):
        journal.post(
            kind=Entry.Kind.DEPOSIT,
            lines=[(outside, -7), (deposit, 8)],
            effective_at=NOON,
            posted_at=NOON,
            idempotency_key="b",
        )


def test_a_lab_cannot_spend_what_it_has_not(two_accounts, euro):
    _, deposit = two_accounts
    pay_in(two_accounts, 5)
    fee = journal.account(Account.Kind.PLATFORM_FEE, euro)
    spend = {"effective_at": NOON, "posted_at": NOON, "kind": Entry.Kind.ADJUSTMENT}
    with pytest.raises(journal.NotEnoughMoney):
        journal.post(lines=[(deposit, -6), (fee, 6)], idempotency_key="c", **spend)
    journal.set_floor(target=deposit, limit_units=1, reason="invoiced", at=NOON)
    journal.post(lines=[(deposit, -6), (fee, 6)], idempotency_key="c", **spend)
    with pytest.raises(journal.NotEnoughMoney):
        journal.set_floor(target=deposit, limit_units=0, reason="prepaid again", at=NOON)
    assert Balance.objects.get(account=deposit).posted == -1


def test_more_than_fits_is_refused_in_words(two_accounts):
    pay_in(two_accounts, 2**63 - 1)
    with pytest.raises(journal.AmountTooLarge):
        pay_in(two_accounts, 2**63 - 1, key="b")


def test_an_account_of_another_asset_is_refused(two_accounts):
    dollar = Asset.objects.create(code="iso4217:USD", symbol="USD", scale=6)
    with pytest.raises(IntegrityError, match="another asset"):
        journal.post(
            kind=Entry.Kind.DEPOSIT,
            lines=[(two_accounts[0], -7), (journal.account(Account.Kind.TREASURY, dollar), 7)],
            effective_at=NOON,
            posted_at=NOON,
            idempotency_key="b",
        )


@pytest.mark.parametrize("table", FACTS)
def test_the_application_can_change_no_fact(two_accounts, table):
    pay_in(two_accounts, 5)
    refused(f"DELETE FROM compensation_{table}")
    refused(f"TRUNCATE compensation_{table} CASCADE")
    column = "posted" if table == "balance" else "id"
    refused(f"UPDATE compensation_{table} SET {column} = {column}")


def test_the_application_writes_no_line_entry_or_balance_by_itself(two_accounts):
    entry = pay_in(two_accounts, 5)
    account = two_accounts[1].pk
    refused(
        "INSERT INTO compensation_line (entry_id, account_id, amount_units) VALUES (%s, %s, 1)",
        entry.pk,
        account,
    )
    refused("INSERT INTO compensation_balance (account_id, posted, held) VALUES (99, 5, 0)")
    refused("UPDATE compensation_journalhead SET number = 0")
    refused("SELECT compensation_append('deposit', 1, '{}', '{}', now(), now(), 'x', '{}',"
            " NULL, NULL, 0, ''::bytea)")  # fmt: skip
    refused("CREATE TEMPORARY TABLE mine (a int)")
    refused("ALTER TABLE compensation_line DISABLE TRIGGER ALL")


@pytest.fixture
def a_journal(transactional_db):
    euro = Asset.objects.create(code="iso4217:EUR", symbol="EUR", scale=6)
    outside = journal.account(Account.Kind.EXTERNAL, euro)
    treasury = journal.account(Account.Kind.TREASURY, euro)
    return pay_in((outside, treasury), 50)


@pytest.mark.usefixtures("a_journal")
def test_even_the_owner_of_the_tables_is_refused(as_table_owner):
    run = as_table_owner.execute
    for table in FACTS:
        if table in {"entry", "line", "account", "balance"}:
            with pytest.raises(psycopg.Error, match="refused"):
                run(f"DELETE FROM compensation_{table}")
        with pytest.raises(psycopg.Error, match=r"refused|cannot truncate"):
            run(f"TRUNCATE compensation_{table} CASCADE")
    for table, column in (("entry", "kind"), ("line", "amount_units"), ("account", "kind")):
        with pytest.raises(psycopg.errors.RestrictViolation):
            run(f"UPDATE compensation_{table} SET {column} = {column}")
    with pytest.raises(psycopg.errors.RestrictViolation):
        run("UPDATE compensation_journalhead SET salt = sha256(salt)")
    with pytest.raises(psycopg.errors.RestrictViolation, match="only by the lines"):
        run("UPDATE compensation_balance SET posted = posted + 1")
    with pytest.raises(psycopg.errors.RestrictViolation, match="sealed"):
        run(
            "INSERT INTO compensation_account (kind, asset_id) SELECT 'rounding', asset_id FROM"
            " compensation_account LIMIT 1;"
            "INSERT INTO compensation_line (entry_id, account_id, amount_units)"
            " SELECT 1, max(id), 0 + 3 FROM compensation_account"
        )
    assert Line.objects.count() == 2


@pytest.mark.usefixtures("a_journal")
def test_an_entry_without_its_lines_is_refused_at_the_commit(as_table_owner):
    with pytest.raises(psycopg.errors.CheckViolation, match="lacks lines"):
        as_table_owner.execute(
            "INSERT INTO compensation_entry (id, kind, effective_at, posted_at, idempotency_key,"
            " facts_text, line_count, charge_count, charges_digest, previous_hash, hash, asset_id,"
            " period_id) SELECT 2, kind, effective_at, posted_at, 'other', facts_text, line_count,"
            " charge_count, charges_digest, hash, hash, asset_id, period_id"
            " FROM compensation_entry"
        )


def test_a_deposit_can_be_reversed_once_and_nothing_else_by_hand(two_accounts, noon):
    entry = pay_in(two_accounts, 9)
    reversal = journal.reverse(entry=entry, reason="bounced", at=noon)
    assert journal.reverse(entry=entry, reason="bounced", at=noon) == reversal
    assert journal.balance_at(two_accounts[1], noon) == 0
    with pytest.raises(journal.CannotReverse):
        journal.reverse(entry=reversal, reason="again", at=noon)


def test_a_key_of_two_lines_is_refused_because_headers_are_hashed_as_lines(two_accounts):
    with pytest.raises(journal.BadKey):
        pay_in(two_accounts, 5, key="a\nb")
    outside, deposit = two_accounts
    with (
        pytest.raises(IntegrityError, match="entry_header_reads_one_way"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT compensation_post('deposit', %s, %s, %s, now(), now(), %s, '{}', NULL, NULL)",
            [outside.asset_id, [outside.pk, deposit.pk], [-5, 5], "a\nb"],
        )
