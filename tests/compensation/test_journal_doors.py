"""The journal's doors: what an operator may do, what a party sees, and what others never do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from compensation import conversions, deposits, holds, journal
from compensation.models import Account, Conversion, Entry, Hold, Period
from provenance.models import Event
from tests import doors, factories
from tests.cast import NOON

LONG_AGO = datetime(2020, 5, 5, 12, tzinfo=UTC)


@pytest.fixture
def paid_in(lab, euro):
    """The entry of a lab's deposit of a long time ago."""
    made = deposits.deposit(lab=lab, asset=euro, amount_units=700, reference="wire", at=LONG_AGO)
    return made.entry


@pytest.fixture
def account(paid_in, euro, lab):
    return journal.account(Account.Kind.LAB, euro, party=lab)


@pytest.fixture
def dollar(db):
    return deposits.register_asset(code="iso4217:USD", symbol="USD", scale=2)


@pytest.fixture
def held(account):
    return holds.place(
        target=account, amount_units=50, idempotency_key="h", expires_at=None, at=NOON
    )


def test_a_party_sees_its_own_lines_of_an_entry_and_no_others(paid_in, lab, ada, operator, olga):
    (seen,) = doors.of(lab).get("entries")["results"]
    assert [line["amount_units"] for line in seen["lines"]] == [700]
    assert (seen["number"], seen["period"]) == (paid_in.pk, "2020-05")
    whole = doors.of(operator, by=olga).get(f"entries/{paid_in.pk}")
    assert sum(line["amount_units"] for line in whole["lines"]) == 0
    assert len(whole["lines"]) == 2
    assert doors.of(ada).get("entries")["results"] == []
    doors.of(ada).get(f"entries/{paid_in.pk}", 404)
    assert doors.of(lab).get("entries?period=2020-06")["results"] == []


def test_only_an_operator_reverses_and_it_is_told_why_not(paid_in, lab, operator, olga):
    body = {"reason": "the bank called it back"}
    doors.of(lab).post(f"entries/{paid_in.pk}/reverse", body, 403)
    doors.read_only(operator).post(f"entries/{paid_in.pk}/reverse", body, 403)
    door = doors.of(operator, by=olga)
    made = door.post(f"entries/{paid_in.pk}/reverse", body, 201)
    assert (made["kind"], made["reverses"]) == ("reversal", paid_in.pk)
    assert door.post(f"entries/{paid_in.pk}/reverse", body, 201)["number"] == made["number"]
    refused = door.post(f"entries/{made['number']}/reverse", body, 409)
    assert refused["code"] == "cannot_reverse"
    assert Event.objects.get(kind="entry.reversed").body["by"] == olga.pk


def test_only_an_operator_closes_a_month(paid_in, lab, operator, olga):
    doors.of(lab).post("periods/2020-05/close", {}, 403)
    assert doors.of(lab).get("periods/2020-05")["closed_at"] is None
    closed = doors.of(operator, by=olga).post("periods/2020-05/close", {}, 200)
    assert closed["last_number"] == paid_in.pk
    assert Period.objects.get(name="2020-05").closed_by == olga
    now = f"{timezone.now():%Y-%m}"
    deposits.deposit(lab=lab, asset=paid_in.asset, amount_units=1, reference="n", at=timezone.now())
    refused = doors.of(operator, by=olga).post(f"periods/{now}/close", {}, 409)
    assert refused["code"] == "period_not_over"
    assert doors.of(operator, by=olga).post("periods/1999-01/close", {}, 404)["hint"]


def test_a_balance_of_the_past_is_told_to_its_party_alone(account, lab, ada, operator, olga):
    before = (LONG_AGO - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    address = f"accounts/{account.pk}/balance"
    assert doors.of(lab).get(f"{address}?at={before}")["units"] == 0
    assert doors.of(lab).get(f"{address}?by=effective")["units"] == 700
    assert doors.of(operator, by=olga).get(address)["units"] == 700
    doors.of(ada).get(address, 404)
    assert "by" in str(doors.of(lab).get(f"{address}?by=guess", 400))


def test_what_is_held_is_shown_to_its_party_alone(held, lab, ada):
    (seen,) = doors.of(lab).get("holds?state=open")["results"]
    assert (seen["amount_units"], seen["remaining_units"]) == (50, 50)
    assert doors.of(ada).get("holds")["results"] == []


def test_only_an_operator_converts_and_prices_are_text(account, dollar, lab, ada, operator, olga):
    conversions.fund_treasury(asset=dollar, amount_units=10**6, reference="a", at=NOON)
    body = {
        "account": account.pk, "asset": dollar.code, "units": 500, "rate": "25000/3",
        "reference": "c1", "reason": "asked",
    }  # fmt: skip
    doors.of(lab).post("conversions", body, 403)
    door = doors.of(operator, by=olga)
    doors.of(operator, by=olga).post("conversions", {**body, "rate": 1.25}, 400)
    first, second = door.post("conversions", body, 201), door.post("conversions", body, 201)
    assert (first["id"], first["to_units"]) == (second["id"], 416)
    (seen,) = doors.of(lab).get("conversions")["results"]
    assert seen["rate"] == "25000/3"
    assert doors.of(ada).get("conversions")["results"] == []


@pytest.fixture
def office(olga, operator) -> Client:
    """An operator's browser, who said why she looks."""
    client = Client()
    client.force_login(olga)
    client.post(reverse("admin:reason"), {"reason": "books"})
    return client


def signed_in(party, email) -> Client:
    client = Client()
    client.force_login(factories.user(email, party=party))
    return client


@pytest.fixture
def everything(paid_in, account, held, dollar):
    """One of each: an entry, an account, a hold, a conversion, a month."""
    conversions.fund_treasury(asset=dollar, amount_units=10**6, reference="a", at=NOON)
    made = conversions.convert(
        source=account, target_asset=dollar, units=500, rate=10_000, reference="c1",
        reason="asked", at=NOON,
    )  # fmt: skip
    return {
        "entry": paid_in, "account": account, "hold": held, "conversion": made,
        "period": Period.objects.get(name="2020-05"),
    }  # fmt: skip


def test_every_page_is_the_operators_its_partys_and_nobody_elses(everything, office, ada, lab):
    mine = signed_in(lab, "c@cobalt.example")
    other = signed_in(ada, "a@aurora.example")
    for noun, subject in everything.items():
        listed = reverse(f"admin:compensation_{noun}_changelist")
        page = reverse(f"admin:compensation_{noun}_change", args=[subject.pk])
        assert office.get(listed).status_code == 200, noun
        assert office.get(page).status_code == 200, noun
        assert mine.get(page).status_code == (404 if noun == "period" else 200), noun
        assert other.get(page).status_code == 404, noun


def test_an_operator_closes_reverses_and_frees_by_buttons(everything, office):

    def press(noun, verb, **fields):
        subject = everything[noun]
        where = reverse(f"admin:compensation_{noun}_verb", args=[subject.pk, verb])
        return office.post(where, {f"{verb}-{name}": value for name, value in fields.items()})

    assert press("period", "close").status_code == 302
    assert Period.objects.get(name="2020-05").is_closed
    assert press("hold", "void").status_code == 302
    assert Hold.objects.get().state == Hold.State.VOID
    # 500 of the 700 units were converted: the deposit cannot be taken back.
    answer = press("entry", "reverse", reason="bounced")
    assert answer.status_code == 422
    assert "fall under its floor" in answer.content.decode()
    fund = reverse("admin:compensation_conversion_list_verb", args=["fund"])
    asset = everything["account"].asset
    fields = {"fund-asset": asset.pk, "fund-amount": "12.5", "fund-reference": "capital"}
    assert office.post(fund, fields).status_code == 302
    treasury = journal.account(Account.Kind.TREASURY, asset)
    assert treasury.balance.posted == 12_500_500
    convert = reverse("admin:compensation_conversion_list_verb", args=["convert"])
    fields = {
        "convert-source": everything["account"].pk, "convert-amount": "0.0002",
        "convert-target_asset": everything["conversion"].to_account.asset_id,
        "convert-rate": "200", "convert-reference": "c2", "convert-reason": "asked",
    }  # fmt: skip
    assert office.post(convert, fields).status_code == 302
    assert Conversion.objects.get(idempotency_key="c2").to_units == 4


def test_the_page_of_an_account_says_what_it_held(everything, office):
    page = reverse("admin:compensation_account_change", args=[everything["account"].pk])
    for at, words in (("2020-05-05T11:00", "0.00 EUR at"), ("2020-05-05T13:00", "0.0007 EUR at")):
        shown = office.get(page, {"at": at, "by": "effective"}).content.decode()
        assert words in " ".join(shown.split()), at
        assert "none, prepaid" in shown


def test_an_entry_says_what_took_it_back(paid_in, office):
    journal.reverse(entry=paid_in, reason="bounced", at=NOON)
    shown = office.get(reverse("admin:compensation_entry_change", args=[paid_in.pk])).content
    assert b"Reversed by" in shown
    assert Entry.objects.filter(kind="reversal").count() == 1
