"""What the pages of operators say: each thing by its name, days as days, and nothing untrue."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from compensation import bank_files
from compensation.models import Asset, BankAccount, Difference
from provenance import deployment, parties
from provenance.models import AccessLog, ChainContract, OutboxTransaction, Party, User
from provenance.templatetags.tallymark import day
from tests.compensation.banking import (
    ADAS_IBAN,
    BENS_IBAN,
    LATER,
    account,
    camt053,
    debit,
    earn,
    our_account,
    run_of,
)

__all__ = ["our_account"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def office(olga: User) -> Client:
    """An operator's browser, who said why she looks."""
    client = Client()
    client.force_login(olga)
    client.post(reverse("admin:reason"), {"reason": "books"})
    return client


def page(office: Client, name: str, *args: object) -> str:
    answer = office.get(reverse(f"admin:{name}", args=args))
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_date_is_written_like_the_day_of_a_moment() -> None:
    assert "24 Nov 2026" in day(date(2026, 11, 24))


def test_a_difference_of_today_is_not_nought_days_old(office: Client, euro: Asset) -> None:
    now = timezone.now()
    made = Difference.objects.create(
        key="bank:1", side="bank", asset=euro, amount_units=7_000_000, words="The bank has more.",
        advice="Look for a booking.", since=now - timedelta(hours=1), first_seen_at=now,
        last_seen_at=now,
    )  # fmt: skip
    for shown in (
        page(office, "compensation_difference_changelist"),
        page(office, "compensation_difference_change", made.pk),
    ):
        assert "less than a day ago" in shown
        assert "0 days" not in shown
    assert "The bank has 7.00 EUR more than the journal." in shown


def test_an_entry_leads_to_the_payment_run_that_it_sent(
    office: Client, ada: Party, euro: Asset, our_account: BankAccount
) -> None:
    account(ada, euro)
    earn(ada, euro, 10_000_000)
    run = run_of(euro)
    shown = page(office, "compensation_entry_change", run.entry_id)
    assert f'/compensation/paymentrun/{run.pk}/">payment run 1</a>' in shown
    assert "<dt>Message</dt>" in shown
    shown = page(office, "compensation_paymentrun_change", run.pk)
    assert "<time" in shown


def test_a_file_of_the_bank_lists_what_it_tells_of_and_whose_it_is_can_read_of_the_look(
    office: Client, ada: Party, euro: Asset, our_account: BankAccount
) -> None:
    account(ada, euro)
    earn(ada, euro, 10_000_000)
    payout = run_of(euro).payouts.get()
    statement = camt053([debit(payout)], opening=1_000)
    made = bank_files.take_file(content=statement, name="November", at=LATER)
    shown = page(office, "compensation_bankfile_change", made.pk)
    assert payout.reference in shown
    assert "10.00 EUR" in shown
    assert AccessLog.objects.filter(party=ada, what__contains="November").exists()
    booked = made.bookings.get().booked_on
    assert f'datetime="{booked.isoformat()}"' in page(office, "compensation_bankfile_changelist")


def test_an_operators_list_of_payouts_says_what_it_is_and_leads_on(office: Client) -> None:
    shown = page(office, "compensation_payout_changelist")
    assert "What owners were paid on the chain." in shown
    assert reverse("admin:compensation_paymentrun_changelist") in shown.split("tm-before", 1)[1]


def test_what_a_transaction_does_is_said_in_words(office: Client) -> None:
    row = OutboxTransaction.objects.create(
        chain_id=31337, account="0x" + "1" * 40, purpose="deploy the contract test token",
        idempotency_key="x", data=b"", gas_limit=1, state="final", nonce=1234, created_at=LATER,
        gas_used=2_000_000, block_number=7, final_at=LATER,
    )  # fmt: skip
    assert deployment.NAMES[ChainContract.Kind.TEST_TOKEN] == "test token"
    shown = page(office, "provenance_outboxtransaction_change", row.pk)
    assert "2,000,000" in shown
    assert "1,234" in shown
    assert "2,000,000" in page(office, "provenance_outboxtransaction_changelist")


def test_a_form_that_sends_money_says_how_much_to_how_many(
    office: Client, ada: Party, euro: Asset, our_account: BankAccount
) -> None:
    order = ("compensation_paymentrun_list_verb", "order")
    assert "Nothing is due now." in page(office, *order)
    account(ada, euro)
    earn(ada, euro, 10_000_000)
    assert "10.00 EUR to 1 payee now." in page(office, *order)
    assert "Nothing is due now." in page(office, "compensation_payoutepoch_list_verb", "build")


def test_an_order_is_for_the_bank_until_the_bank_was_heard(
    office: Client, ada: Party, ben: Party, euro: Asset, our_account: BankAccount
) -> None:
    for one, iban in ((ada, ADAS_IBAN), (ben, BENS_IBAN)):
        account(one, euro, iban)
        earn(one, euro, 10_000_000)
    run = run_of(euro)
    first, second = run.payouts.order_by("reference")
    download = 'tm-btn primary" href="' + reverse(
        "admin:compensation_paymentrun_file", args=[run.pk]
    )
    shown = page(office, "compensation_paymentrun_change", run.pk)
    assert "give the file to the bank once" in shown
    assert download in shown
    for paid, words in (
        (first, "1 of 2 payments are booked."),
        (second, "Paid. The bank has booked it; do not give it the file again."),
    ):
        content = camt053([debit(paid)], statement=paid.reference, opening=5_000)
        bank_files.take_file(content=content, name="day.xml", at=LATER)
        shown = page(office, "compensation_paymentrun_change", run.pk)
        assert words in shown
        assert "give the file to the bank once" not in shown
        assert download not in shown


def test_the_bounds_of_payees_and_the_first_day_of_a_rule_say_what_they_ask(office: Client) -> None:
    bounds = page(office, "compensation_paymentrun_list_verb", "bounds")
    assert "Least" in bounds
    rule = page(office, "compensation_taxrule_list_verb", "set")
    assert 'type="date"' in rule
    assert f"in the zone {settings.PERIOD_ZONE}" in rule


def test_an_operator_reads_whose_a_key_is_and_who_earned(
    office: Client, ada: Party, olga: User, euro: Asset
) -> None:
    key, _secret = parties.issue_key(
        party=ada, name="uploads", scopes=["rights"], created_by=None, at=timezone.now()
    )
    assert str(ada) in page(office, "provenance_apikey_changelist")
    assert f"<dt>Party</dt><dd>{ada}</dd>" in page(office, "provenance_apikey_change", key.pk)
    earn(ada, euro, 10_000_000)
    address = reverse("admin:compensation_entry_statement")
    asked = {"party": str(ada.pk), "asset": str(euro.pk), "role": "owner"}
    shown = office.get(address, asked).content.decode()
    assert f"{ada} earned <b>" in shown
    assert "You earned" not in shown
