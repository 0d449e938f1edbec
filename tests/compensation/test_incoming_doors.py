"""A provider's hook, and the pages of budgets and incoming money, each for whom it concerns."""

from __future__ import annotations

import json

import pytest
import stripe
from django.test import Client
from django.utils import timezone

from compensation import budgets, deposits, invoices, payments, transfers
from compensation.models import Account, Asset, Budget, Payment, PaymentEvent, Transfer
from provenance import projects
from provenance.models import Party, Project, Run, User
from tests import doors, factories
from tests.cast import NOON
from tests.compensation.conftest import held

pytestmark = pytest.mark.django_db

SECRET = "whsec_the_secret_of_these_tests"
PATH = "/api/v1/hooks/payments/stripe"
Kind = Account.Kind


@pytest.fixture(autouse=True)
def _provider(settings) -> None:
    settings.PAYMENT_SECRETS = {"stripe": [SECRET]}
    settings.PAYMENT_TEST_EVENTS = False


def event(lab: Party | None, *, kind: str = "payment_intent.succeeded", live: bool = True) -> str:
    thing = {
        "id": "pi_1", "object": "payment_intent", "amount_received": 1_000, "currency": "eur",
        "metadata": {"tallymark_lab": str(lab.pk)} if lab else {},
    }  # fmt: skip
    return json.dumps(
        {
            "id": f"evt_{kind}_{live}", "type": kind, "created": 1, "livemode": live,
            "data": {"object": thing},
        }
    )  # fmt: skip


def send(body: str | bytes, header: str | None = None, path: str = PATH):
    words = body if isinstance(body, str) else body.decode("latin-1")
    signed = stripe.WebhookSignature.generate_signature_header(words, SECRET)
    return Client().post(
        path,
        body,
        content_type="application/json",
        headers={"Stripe-Signature": signed if header is None else header},
    )


def signed_in(party: Party, role: str = "admin") -> Client:
    person = factories.user(f"{role}@{party.namespace}.example", party=party, role=role)
    client = Client()
    client.force_login(person)
    return client


# ---- the hook ----


def test_the_hook_needs_no_key_but_the_providers_signature(lab: Party, euro: Asset) -> None:
    answer = send(event(lab))
    assert (answer.status_code, answer.json()["kind"]) == (200, "payment_intent.succeeded")
    assert send(event(lab)).status_code == 200
    assert held(euro, Kind.LAB, lab) == 10_000_000


def test_forged_and_broken_events_are_refused_and_keep_nothing(lab: Party, euro: Asset) -> None:
    good = event(lab)
    for answer, status, code in (
        (send(good, header=""), 400, "bad_signature"),
        (send(good, header="t=1,v1=00"), 400, "bad_signature"),
        (send("[]"), 400, "bad_event"),
        (send("{"), 400, "bad_event"),
        (send('{"id": "e", "type": "t", "data": {}}'), 400, "bad_event"),
        (send('{"id": "e\\u0000", "type": "t", "data": {"object": {}}}'), 400, "bad_event"),
        (send("[" * 100_000), 400, "bad_event"),
        (send("x" * (2**20 + 1)), 400, "bad_event"),
        (send(good, path="/api/v1/hooks/payments/other"), 404, "unknown_provider"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.json()["hint"]
    assert not PaymentEvent.objects.exists()


def test_unknown_and_test_events_are_acknowledged_kept_and_move_nothing(
    lab: Party, euro: Asset, settings
) -> None:
    for body in (event(lab, kind="customer.created"), event(lab, live=False)):
        assert send(body).status_code == 200
    assert PaymentEvent.objects.filter(payment=None).count() == 2
    assert not Payment.objects.exists()


def test_a_lab_sees_its_own_payments_and_an_operator_assigns_the_others(
    lab: Party, euro: Asset, operator: Party, olga: User
) -> None:
    send(event(None))
    (payment,) = Payment.objects.all()
    door, others = doors.of(lab), doors.of(factories.party("Dune Data", is_lab=True))
    body = {"lab": str(lab.pk), "reason": "their mail"}
    assert door.get("payments")["results"] == []
    assert door.post(f"payments/{payment.pk}/assign", body, 403)["code"] == "operators_only"
    staff = doors.of(operator, by=olga)
    assert [one["state"] for one in staff.get("payments?state=unassigned")["results"]] == [
        "unassigned"
    ]
    assert staff.post(f"payments/{payment.pk}/assign", body)["state"] == "credited"
    assert [one["amount_units"] for one in door.get("payments")["results"]] == [10_000_000]
    assert others.get("payments")["results"] == []
    others.get(f"payments/{payment.pk}", 404)


# ---- the pages ----


def test_a_lab_sets_and_ends_budgets_on_its_page(lab: Party, euro: Asset) -> None:
    page = signed_in(lab)
    page.post("/admin/compensation/budget/do/project/", {"project-name": "chat"})
    project = Project.objects.get(lab=lab, name="chat")
    fields = {
        "set-project": project.pk, "set-amount": "12.50", "set-asset": euro.pk,
        "set-every": "month",
    }  # fmt: skip
    answer = page.post("/admin/compensation/budget/do/set/", fields, follow=True)
    assert "12.50 EUR" in answer.content.decode()
    budget = Budget.objects.get()
    assert (budget.limit_units, budget.project, budget.every) == (12_500_000, project, "month")
    shown = page.get(f"/admin/compensation/budget/{budget.pk}/").content.decode()
    assert "0.00 of 12.50 EUR are spent" in shown
    page.post(f"/admin/compensation/budget/{budget.pk}/end/")
    budget.refresh_from_db()
    assert budget.ended_at is not None


def test_a_page_shows_a_runs_cap_and_raises_it(lab: Party, euro: Asset) -> None:
    run = budgets.start_run(
        lab=lab, purpose="pretrain", cap=projects.Cap(euro.code, 10**6), at=NOON, asked_at=NOON
    )
    page = signed_in(lab)
    address = f"/admin/provenance/run/{run.pk}/"
    assert "0.00 EUR of the accepted 1.00 EUR" in page.get(address).content.decode()
    page.post(f"{address}cap/", {"cap-amount": "2.00", "cap-asset": euro.pk})
    assert Run.objects.get().cap_units == 2 * 10**6


def test_a_viewer_or_another_lab_can_do_none_of_it(lab: Party, euro: Asset) -> None:
    run = budgets.start_run(
        lab=lab, purpose="pretrain", cap=projects.Cap(euro.code, 10**6), at=NOON, asked_at=NOON
    )
    budget = budgets.set_budget(lab=lab, asset=euro, every="all", limit_units=5, at=NOON)
    named = transfers.name_address(lab=lab, address="0x" + "ab" * 20, at=NOON)
    other = signed_in(factories.party("Dune Data", is_lab=True))
    for address in (
        f"/admin/provenance/run/{run.pk}/cap/",
        f"/admin/compensation/budget/{budget.pk}/",
        f"/admin/compensation/budget/{budget.pk}/end/",
        f"/admin/compensation/payingaddress/{named.pk}/remove/",
    ):
        assert (
            other.post(address, {"cap-amount": "2", "cap-asset": euro.pk}).status_code
            in (
                404,
                405,
            )
            or other.get(address).status_code == 404
        )
    looking = signed_in(lab, role="viewer")
    looking.post(f"/admin/compensation/budget/{budget.pk}/end/")
    looking.post(f"/admin/provenance/run/{run.pk}/cap/", {"cap-amount": "2", "cap-asset": euro.pk})
    budget.refresh_from_db()
    named.refresh_from_db()
    assert budget.ended_at is None
    assert named.removed_at is None
    assert Run.objects.get().cap_units == 10**6


def test_an_operator_assigns_on_pages_and_the_lab_reads_it(
    lab: Party, euro: Asset, operator: Party
) -> None:
    send(event(None))
    transfer = Transfer.objects.create(
        asset=euro, chain_id=31337, tx_hash="0x" + "12" * 32, log_index=3, block_number=9,
        sender="0x" + "ab" * 20, token_amount=700, amount_units=700, mined_at=NOON,
        seen_at=timezone.now(),
    )  # fmt: skip
    payment = Payment.objects.get()
    staff = signed_in(operator)
    for noun, row in (("transfer", transfer), ("payment", payment)):
        address = f"/admin/compensation/{noun}/{row.pk}/"
        assert staff.get(address).status_code == 200
        fields = {"assign-lab": lab.pk, "assign-reason": "their mail"}
        staff.post(f"{address}assign/", fields)
    assert held(euro, Kind.LAB, lab) == 10_000_700
    page = signed_in(lab)
    assert "their mail" in page.get(f"/admin/compensation/transfer/{transfer.pk}/").content.decode()
    shown = page.get(f"/admin/compensation/payment/{payment.pk}/").content.decode()
    assert "payment_intent.succeeded" in shown
    for noun in ("transfer", "payment", "payingaddress", "budget"):
        assert page.get(f"/admin/compensation/{noun}/").status_code == 200
        assert staff.get(f"/admin/compensation/{noun}/").status_code == 200


def test_what_had_been_spent_is_said_on_the_page(lab: Party, euro: Asset) -> None:
    send(event(lab))
    payment = Payment.objects.get()
    Payment.objects.filter(pk=payment.pk).update(state="review", note="It had been spent.")
    shown = signed_in(lab).get(f"/admin/compensation/payment/{payment.pk}/").content.decode()
    assert "It had been spent." in shown
    assert payments.replay(at=NOON) == 1


# ---- how a lab pays in ----


def deposits_page(party: Party) -> str:
    page = signed_in(party).get("/admin/compensation/deposit/")
    return page.content.decode()


def test_a_lab_reads_where_to_pay_under_which_reference(lab, operator, euro, settings) -> None:
    settings.DEPOSIT_ADDRESS = treasury = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    contract = "0x" + "ab" * 20
    deposits.register_asset(
        code=f"eip155:31337/erc20:{contract}", symbol="TUSD", scale=6, name="", token_decimals=18
    )
    page = deposits_page(lab)
    assert "has not said here where to pay" in page
    assert f"<code>{lab.namespace}</code>" in page
    profile = {
        "legal_name": "Tallymark GmbH", "street": "Weg 1", "postal_code": "1", "city": "Ulm",
        "country": "DE", "tax_country": "DE", "payment_details": "IBAN DE02 1203",
    }  # fmt: skip
    invoices.set_profile(party=operator, by=None, at=NOON, **profile)
    lab_again = Client()
    lab_again.force_login(User.objects.get(memberships__party=lab))
    page = lab_again.get("/admin/compensation/deposit/").content.decode()
    assert "Tallymark GmbH, IBAN DE02 1203" in page
    assert "Stripe" in page
    senders = lab_again.get("/admin/compensation/payingaddress/").content.decode()
    for words in (treasury, "TUSD on the development chain (31337)", f"<code>{contract}</code>"):
        assert words in page
        assert words in senders
    assert "How to pay in" not in deposits_page(operator)
