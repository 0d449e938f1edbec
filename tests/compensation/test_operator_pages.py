"""What the pages of operators say: each thing by its name, days as days, and nothing untrue."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from compensation.models import Asset, BankAccount, Difference
from provenance.models import Party, User
from provenance.templatetags.tallymark import day
from tests.compensation.banking import account, earn, our_account, run_of

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


def test_the_bounds_of_payees_and_the_first_day_of_a_rule_say_what_they_ask(office: Client) -> None:
    bounds = page(office, "compensation_paymentrun_list_verb", "bounds")
    assert "Least" in bounds
    rule = page(office, "compensation_taxrule_list_verb", "set")
    assert 'type="date"' in rule
    assert f"in the zone {settings.PERIOD_ZONE}" in rule
