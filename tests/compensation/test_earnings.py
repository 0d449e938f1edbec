"""An owner's earnings add up to its statements, whichever way they are summed."""

from __future__ import annotations

import csv
import io

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from compensation import deposits, journal
from compensation.models import Account
from compensation.statements import earnings
from provenance.models import Party, User
from tests import factories
from tests.compensation.conftest import priced, texts
from tests.compensation.test_statements import MARCH, NOON, bill, of_owner

pytestmark = pytest.mark.django_db


def signed_in(party: Party) -> Client:
    email = f"who@{party.namespace}.example"
    client = Client()
    client.force_login(
        User.objects.filter(email=email).first() or factories.user(email, party=party)
    )
    return client


def earned(party, asset):
    return earnings.earned(party=party, asset=asset, first="2025-04", last=MARCH)


def test_every_way_of_summing_gives_what_the_statement_says(ada, rich_lab, essays, euro):
    notes = factories.version(factories.dataset(ada, "notes"), texts(7, "note"))
    priced(notes, euro, price_units=3_333_333)
    bill(rich_lab, essays, notes)
    rows = earned(ada, euro)
    stated = of_owner(ada, euro).earned_units
    assert stated > 0
    for by in earnings.GROUPINGS:
        assert sum(one.amount_units for one in earnings.grouped(rows, by)) == stated
    assert {row.dataset for row in rows} == {"Essays", "Notes"}
    assert {(row.month, row.lab, row.purpose) for row in rows} == {
        (MARCH, str(rich_lab), "Pre-training")
    }


def test_nobody_reads_what_another_earned(ada, ben, rich_lab, essays, euro):
    bill(rich_lab, essays)
    assert earned(ben, euro) == []
    page = reverse("admin:compensation_entry_earnings")
    for client in (signed_in(ben), signed_in(factories.party("Delta Data", is_owner=True))):
        assert "Essays" not in client.get(page, {"party": str(ada.pk)}).content.decode()
    assert signed_in(rich_lab).get(page).status_code == 403


def test_the_page_and_its_sheet_say_the_same_in_words(ada, rich_lab, essays, euro, monkeypatch):
    bill(rich_lab, essays)
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: NOON)
    client = signed_in(ada)
    page = client.get(reverse("admin:compensation_entry_earnings"))
    sheet = client.get(reverse("admin:compensation_entry_earnings_csv")).content.decode()
    monkeypatch.setattr(timezone, "now", now)
    assert "earned you 0.50 EUR" in page.content.decode()
    (row,) = csv.DictReader(io.StringIO(sheet))
    assert (row["dataset"], row["earned"], row["asset"]) == ("Essays", "0.50", "EUR")


def test_the_page_opens_on_what_use_is_charged_in_and_speaks_of_that_alone(
    ada, rich_lab, essays, euro
):
    aussie = deposits.register_asset(code="iso4217:AUD", symbol="AUD", scale=2)
    journal.account(Account.Kind.OWNER_PENDING, aussie, party=ada)
    bill(rich_lab, essays)
    address, client = reverse("admin:compensation_entry_earnings"), signed_in(ada)
    assert client.get(address).context["asked"].asset == euro
    other = client.get(address, {"asset": aussie.pk}).content.decode()
    assert "no use of your data was charged in AUD." in other


def test_who_has_earned_nothing_is_told_what_to_do_next(ada):
    page = signed_in(ada).get(reverse("admin:compensation_entry_earnings")).content.decode()
    assert "Nothing was earned yet" in page
    assert "To licences and prices" in page


def test_the_list_of_invoices_comes_as_a_sheet_of_ones_own(ada, ben):
    for party in (ada, ben):
        answer = signed_in(party).get(reverse("admin:compensation_invoice_csv"))
        assert answer["Content-Type"].startswith("text/csv")
        assert answer.content.decode().strip().startswith("number,kind,party,month")
