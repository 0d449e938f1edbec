"""Payouts by bank through API and pages: payees choose, operators order, nobody sees another's."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from compensation import payment_runs, reconciliation
from compensation.models import (
    BankBooking,
    BankPayout,
    Difference,
    PaymentRun,
    PayoutMethod,
    PayoutTerms,
)
from provenance.models import AccessLog, Membership
from tests import doors, factories
from tests.compensation.banking import (
    ADAS_IBAN,
    BENS_IBAN,
    OUR_IBAN,
    Booked,
    account,
    camt053,
    debit,
    earn,
    our_account,
    pain002,
)

__all__ = ["our_account"]

pytestmark = pytest.mark.django_db

ACCOUNT = {"asset": "iso4217:EUR", "iban": ADAS_IBAN, "holder": "Ada"}


@pytest.fixture
def payout(ada, euro, our_account) -> BankPayout:
    """Ten euros on their way to Ada, ordered now."""
    account(ada, euro)
    earn(ada, euro, 10_000_000)
    at = timezone.now()
    return payment_runs.make_run(asset=euro, execute_on=at.date(), at=at).payouts.get()


def test_a_payee_names_an_account_and_sees_no_number_again(ada, ben, euro, settings):
    settings.PAYOUT_ACCOUNT_HOLD_HOURS = 24
    door = doors.of(ada)
    made = door.post("payout-methods", ACCOUNT, 201)
    assert (made["kind"], made["address"]) == ("bank", "DE89 … 3000")
    assert made["held_until"] > made["added_at"]
    assert ADAS_IBAN not in str(door.get("payout-methods"))
    assert door.post("payout-methods", {**ACCOUNT, "iban": "DE00"}, 400)["code"]
    both = {**ACCOUNT, "address": "0x" + "a" * 40}
    door.post("payout-methods", both, 400)
    door.post("payout-methods", {"iban": ADAS_IBAN}, 400)
    for stranger in (doors.of(ben),):
        assert stranger.get("payout-methods")["results"] == []
        stranger.post(f"payout-methods/{made['id']}/confirm", status=404)
        stranger.post(f"payout-methods/{made['id']}/remove", status=404)
    for weak in (doors.of(ada, "rights", "develop"), doors.read_only(ada)):
        assert weak.post("payout-methods", ACCOUNT, 403)["code"] == "not_allowed"
        weak.post(f"payout-methods/{made['id']}/remove", status=403)
        weak.post("payout-terms", {}, 403)
    assert PayoutMethod.objects.get().removed_at is None


def test_a_payee_chooses_its_terms_within_the_bounds(ada, ben, lab, operator, euro):
    wanted = {
        "asset": euro.code, "threshold_units": 5_000_000, "schedule": "monthly", "day": 5
    }  # fmt: skip
    bounds = {"asset": euro.code, "least_units": 6_000_000, "schedules": ["monthly"]}
    door = doors.of(ada)
    assert door.post("payout-terms", wanted, 201)["day"] == 5
    assert doors.of(ben).post("payout-bounds", bounds, 403)["code"] == "operators_only"
    doors.of(operator).post("payout-bounds", bounds, 201)
    assert door.post("payout-terms", wanted, 409)["code"] == "outside_payout_bounds"
    (shown,) = door.get("payout-terms")
    assert (shown["threshold_units"], shown["bounds"]["least_units"]) == (6_000_000, 6_000_000)
    assert PayoutTerms.objects.get().party == ada


def test_a_payee_follows_a_payout_to_its_lines(ada, ben, operator, payout):
    door = doors.of(ada)
    (listed,) = door.get("payouts/progress")
    assert (listed["reference"], listed["state"]) == (payout.reference, "sent")
    whole = door.get(f"payouts/progress/{payout.reference}")
    assert sum(line["amount_units"] for line in whole["lines"]) == whole["amount_units"]
    assert [stage["state"] for stage in whole["stages"]][-1] == "sent"
    doors.of(ben).get(f"payouts/progress/{payout.reference}", 404)
    assert doors.of(ben).get("payouts/progress") == []
    later = (timezone.now() - timedelta(days=1)).isoformat().replace("+", "%2B")
    assert door.get(f"payouts/progress?before={later}") == []


def test_an_operator_orders_reads_and_compares(ada, operator, euro, settings):
    settings.PAYOUT_ACCOUNT_HOLD_HOURS = 0
    account(ada, euro)
    earn(ada, euro, 10_000_000)
    door = doors.of(operator)
    today = timezone.now().date()
    order = {"asset": euro.code, "execute_on": str(today)}
    assert door.post("payment-runs", order, 409)["code"] == "no_bank_account"
    ours = {"asset": euro.code, "holder": "Operations", "iban": OUR_IBAN}
    door.post("bank-accounts", ours, 201)
    run = door.post("payment-runs", order, 201, **{"Idempotency-Key": "k"})
    assert door.post("payment-runs", order, 201, **{"Idempotency-Key": "k"}) == run
    assert door.post("payment-runs", order, 409)["code"] == "nothing_is_due"
    file = door.get(f"payment-runs/{run['id']}/file")
    assert file["Content-Type"] == "application/xml"
    assert file.content == door.get(f"payment-runs/{run['id']}/file").content
    assert ADAS_IBAN.encode() in file.content
    (paid,) = door.get(f"payment-runs/{run['id']}/payouts")
    assert paid["to"] == "DE89 … 3000"
    _read_and_compare(door, BankPayout.objects.get(), today)
    assert door.post(f"payment-runs/{run['id']}/withdraw", {"reason": "x"}, 409)["code"]
    assert AccessLog.objects.filter(party=ada, what__contains="/file").exists()


def _read_and_compare(door: doors.Door, payout: BankPayout, today: date) -> None:
    """The bank's statement names no payout; a person says which line is what."""
    statement = camt053(
        [debit(payout, reference="", on=today), Booked(-1, entry="fee", on=today)], on=today,
        opening=1_000,
    )  # fmt: skip
    answer = door.send("bank-files", {"file": upload(statement)}, 201)
    assert answer["line_count"] == 2
    assert door.send("bank-files", {"file": upload(statement)}, 201) == answer
    first, second = sorted(
        door.get("bank-bookings?state=open")["results"], key=lambda one: one["id"]
    )
    wrong = {"payout": payout.reference, "note": "By its amount."}
    door.post(f"bank-bookings/{first['id']}/assign", wrong)
    outcome = door.post("reconciliation")
    assert not outcome["is_clean"] or outcome["unread"]
    (fee,) = outcome["differences"]
    door.post(f"reconciliation/{fee['id']}/explanations", {"note": "A fee."}, 204)
    assert door.post("reconciliation")["differences"][0]["is_explained"]
    parts = {"note": "x", "parts": [{"reference": "TM1", "amount_minor": 1}] * 2}
    refused = door.post(f"bank-bookings/{second['id']}/split", parts, 400)
    assert refused["code"] == "bad_parts"
    charged = door.post(f"bank-bookings/{second['id']}/charge", {"note": "Monthly."})
    assert charged["state"] == "charge"
    assert door.post("reconciliation")["is_clean"]
    assert door.post(f"bank-bookings/{second['id']}/split", parts, 409)["code"]


def upload(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("bank.xml", content, content_type="application/xml")


def test_no_door_of_the_operators_opens_to_a_party(ada, ben, lab, payout):
    run = payout.run_id
    for stranger in (doors.of(ada), doors.of(ben), doors.of(lab)):
        for path in (
            "bank-accounts", "payment-runs", f"payment-runs/{run}", f"payment-runs/{run}/file",
            f"payment-runs/{run}/payouts", "bank-files", "bank-bookings", "bank-bookings/1",
        ):  # fmt: skip
            assert stranger.get(path, 403)["code"] == "operators_only"
        for path in (
            "bank-accounts", "payment-runs", f"payment-runs/{run}/withdraw",
            "bank-bookings/1/assign", "bank-bookings/1/charge", "bank-bookings/1/split",
            "reconciliation", "reconciliation/1/explanations",
        ):  # fmt: skip
            assert stranger.post(path, {}, 403)["code"] == "operators_only"
        stranger.send("bank-files", {"file": upload(b"<a/>")}, 403)


def test_an_operator_who_may_only_look_orders_nothing(operator, payout):
    door = doors.read_only(operator)
    door.get("payment-runs")
    door.get(f"payment-runs/{payout.run_id}/file", 403)
    door.post("payment-runs", {"asset": "iso4217:EUR", "execute_on": "2030-01-01"}, 403)
    door.send("bank-files", {"file": upload(b"<a/>")}, 403)
    door.post("reconciliation", status=403)


def test_a_dangerous_file_is_refused_with_words(operator):
    laughs = b'<!DOCTYPE l [<!ENTITY a "ha">]><Document>&a;</Document>'
    said = doors.of(operator).send("bank-files", {"file": upload(laughs)}, 400)
    assert said["code"] == "bank_file_unreadable"
    assert "document type" in said["detail"]


# The same on pages.


def browser(party, role: str = "admin") -> Client:
    person = factories.user(f"{party.namespace}-{role}@example.org", party=party, role=role)
    client = Client()
    client.force_login(person)
    return client


def page(client: Client, name: str, *args, status: int = 200, **query) -> str:
    answer = client.get(reverse(f"admin:{name}", args=args), query, follow=True)
    assert answer.status_code == status, answer.content[:400]
    return answer.content.decode()


def do(client: Client, name: str, *args, **fields):
    slug = args[-1]
    answer = client.post(
        reverse(f"admin:{name}", args=args), {f"{slug}-{key}": value for key, value in
                                              fields.items()}, follow=True)  # fmt: skip
    assert answer.status_code == 200, answer.content.decode()[-3000:]
    return answer.content.decode()


def test_a_payee_chooses_and_reads_on_pages(ada, ben, euro, payout, settings):
    settings.PAYOUT_ACCOUNT_HOLD_HOURS = 36
    client = browser(ada)
    shown = page(client, "compensation_payout_changelist")
    assert payout.reference in shown
    assert "DE89 … 3000" in shown
    assert ADAS_IBAN not in shown
    whole = page(client, "compensation_payout_progress", payout.reference)
    assert "Exactly what it pays" in whole
    named = do(
        client, "compensation_payoutmethod_list_verb", "account", asset=euro.pk, holder="Ada",
        iban=BENS_IBAN,
    )  # fmt: skip
    assert "nothing is paid there before" in named
    assert "In force from" in named
    asks = page(client, "compensation_payoutmethod_list_verb", "account")
    assert "Nothing is paid there for 36 hours" in asks
    assert BENS_IBAN not in named
    said = do(
        client, "compensation_payout_list_verb", "terms", asset=euro.pk, amount="25",
        schedule="weekly:2",
    )  # fmt: skip
    assert "25.00 EUR" in said
    other = browser(ben)
    page(other, "compensation_payout_progress", payout.reference, status=404)
    assert payout.reference not in page(other, "compensation_payout_changelist")


@pytest.mark.parametrize("role", ["rights", "developer", "viewer"])
def test_only_finance_and_admins_change_where_money_goes(ada, euro, role):
    client = browser(ada, role)
    account(ada, euro)
    method = PayoutMethod.objects.get()
    for slug, args in (("remove", [method.pk]), ("account", [])):
        name = "compensation_payoutmethod_" + ("verb" if args else "list_verb")
        client.post(reverse(f"admin:{name}", args=[*args, slug]), {})
    client.post(
        reverse("admin:compensation_payoutmethod_list_verb", args=["account"]),
        {"account-asset": euro.pk, "account-holder": "Eve", "account-iban": BENS_IBAN},
    )
    method.refresh_from_db()
    assert PayoutMethod.objects.count() == 1
    assert method.removed_at is None
    assert Membership.objects.get().role == role


def _split_a_batch(client: Client) -> None:
    """One line of the bank for two payments: parted by hand, the part of nobody a fee."""
    batch = camt053([Booked(-9, entry="batch")], statement="2026-002")
    do(client, "compensation_bankfile_list_verb", "read", file=upload(batch))
    whole = BankBooking.objects.get(entry_reference="batch")
    wrong = client.post(
        reverse("admin:compensation_bankbooking_verb", args=[whole.pk, "split"]),
        {"split-parts": "TM1 a lot", "split-note": "x"},
    )
    assert "“TM1 a lot”" in wrong.content.decode()
    said = do(
        client, "compensation_bankbooking_verb", whole.pk, "split",
        parts="TM1 0.04\nTM2 0.05", note="By phone.",
    )  # fmt: skip
    assert "0 of its 2 payments found their payouts." in said
    part = BankBooking.objects.get(amount_minor=-4)
    do(client, "compensation_bankbooking_verb", part.pk, "charge", note="A fee.")
    part.refresh_from_db()
    assert part.state == "charge"


def test_an_operator_works_on_pages(ada, operator, euro, payout):
    client = browser(operator)
    client.post(reverse("admin:reason"), {"reason": "Paying."})
    shown = page(client, "compensation_paymentrun_change", payout.run_id)
    assert payout.reference in shown
    assert ADAS_IBAN not in shown
    file = client.get(reverse("admin:compensation_paymentrun_file", args=[payout.run_id]))
    assert ADAS_IBAN.encode() in file.content
    on = timezone.now().date()
    content = camt053([debit(payout, reference="", on=on)], on=on, opening=1_000)
    read = do(client, "compensation_bankfile_list_verb", "read", file=upload(content))
    assert "Still open" in read
    booking = BankBooking.objects.get()
    assert "−10.00 EUR" in page(client, "compensation_bankbooking_change", booking.pk)
    do(client, "compensation_difference_list_verb", "compare")
    difference = Difference.objects.get()
    listed = page(client, "compensation_difference_changelist")
    assert "-10.00 EUR" in listed.replace("−", "-")
    page(client, "compensation_difference_change", difference.pk)
    do(client, "compensation_difference_verb", difference.pk, "explain", note="Ada's.")
    assert "explained" in page(client, "compensation_difference_changelist")
    do(
        client, "compensation_bankbooking_verb", booking.pk, "assign",
        payout=payout.reference, note="By its amount.",
    )  # fmt: skip
    payout.refresh_from_db()
    assert payout.state == "paid"
    page(client, "compensation_bankfile_changelist")
    _split_a_batch(client)
    page(client, "compensation_bankbooking_changelist")
    assert "1 paid" in page(client, "compensation_paymentrun_changelist")
    assert "Booked by the bank" in page(client, "compensation_payout_progress", payout.reference)
    assert AccessLog.objects.filter(party=ada, reason="Paying.").exists()


def test_pages_of_the_operators_are_not_there_for_a_party(ada, payout):
    reconciliation.reconcile(at=timezone.now())
    client = browser(ada)
    for noun in ("paymentrun", "bankfile", "bankbooking", "difference"):
        answer = client.get(reverse(f"admin:compensation_{noun}_changelist"))
        assert answer.status_code in {403, 404}, noun
    for name in ("change", "file"):
        url = reverse(f"admin:compensation_paymentrun_{name}", args=[payout.run_id])
        assert client.get(url).status_code in {403, 404}
    client.post(
        reverse("admin:compensation_paymentrun_list_verb", args=["order"]),
        {"order-asset": payout.asset_id, "order-execute_on": "2030-01-01"},
    )
    assert PaymentRun.objects.count() == 1


def test_an_entry_leads_its_party_to_the_payout_and_shows_its_own_sum(ada, payout):
    client = browser(ada)
    listed = page(client, "compensation_entry_changelist")
    assert "On your accounts" in listed
    assert "between them" in listed
    shown = page(client, "compensation_entry_change", payout.run.entry_id)
    way = reverse("admin:compensation_payout_progress", args=[payout.reference])
    assert way in shown
    assert "lines are not shown" in shown
    assert way in page(client, "compensation_entry_statement")


def test_an_answer_of_the_bank_shows_on_the_payees_page(ada, operator, payout):
    content = pain002(payout.run, [(payout.reference, "RJCT", "AC04")])
    doors.of(operator).send("bank-files", {"file": upload(content)}, 201)
    shown = page(browser(ada), "compensation_payout_changelist")
    assert "a payout came back" in shown.lower()
    method = PayoutMethod.objects.get()
    client = browser(ada, "finance")
    do(client, "compensation_payoutmethod_verb", method.pk, "confirm")
    method.refresh_from_db()
    assert method.flagged_at is None
