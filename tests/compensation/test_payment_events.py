"""A payment provider's signed events become deposits, once, in whatever order they come."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import permutations

import pytest
import stripe
from django.core.management import call_command
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from compensation import deposits, journal, payments, providers
from compensation.models import Account, Asset, Deposit, Entry, Payment, PaymentEvent
from provenance.models import Event, Party
from tests import factories
from tests.cast import NOON
from tests.compensation.conftest import held

pytestmark = pytest.mark.django_db

SECRET = "whsec_the_secret_of_these_tests"
OLD = "whsec_the_secret_before_that_one"
PATH = "hooks/payments/stripe"
Kind = Account.Kind


@pytest.fixture(autouse=True)
def _provider(settings) -> None:
    settings.PAYMENT_SECRETS = {"stripe": [SECRET, OLD]}
    settings.PAYMENT_TEST_EVENTS = False


def event(name: str, kind: str, thing: dict, *, created: int = 100, live: bool = True) -> str:
    return json.dumps(
        {
            "id": name, "object": "event", "type": kind, "created": created, "livemode": live,
            "data": {"object": thing},
        }
    )  # fmt: skip


def paid(
    lab: Party | None, minor: int = 10_000, *, name: str = "evt_paid", key: str = "pi_1", **more
):
    metadata = {"tallymark_lab": str(lab.pk)} if lab else {}
    thing = {
        "id": key, "object": "payment_intent", "amount_received": minor, "currency": "eur",
        "metadata": metadata,
    }  # fmt: skip
    return event(name, "payment_intent.succeeded", thing | more)


def refunded(total: int, *, name: str = "evt_refund", created: int = 200, key: str = "pi_1"):
    thing = {
        "id": f"ch_of_{key}", "object": "charge", "payment_intent": key, "currency": "eur",
        "amount_refunded": total,
    }  # fmt: skip
    return event(name, "charge.refunded", thing, created=created)


def refund_failed(amount: int, *, name: str = "evt_failed", created: int = 300):
    thing = {
        "id": "re_1", "object": "refund", "payment_intent": "pi_1", "charge": "ch_of_pi_1",
        "amount": amount, "status": "failed", "currency": "eur",
    }  # fmt: skip
    return event(name, "refund.failed", thing, created=created)


def dispute(step: str, status: str, *, amount: int = 10_000, name: str = "", created: int = 200):
    thing = {
        "id": "dp_1", "object": "dispute", "payment_intent": "pi_1", "charge": "ch_of_pi_1",
        "amount": amount, "status": status, "currency": "eur",
    }  # fmt: skip
    return event(name or f"evt_{step}_{status}", f"charge.dispute.{step}", thing, created=created)


def signed(body: str, secret: str = SECRET, at=NOON) -> str:
    """The header as the provider's own library makes it."""
    return stripe.WebhookSignature.generate_signature_header(body, secret, int(at.timestamp()))


def tell(body: str, at=NOON) -> PaymentEvent:
    return payments.receive(
        provider="stripe", body=body.encode(), signature=signed(body, at=at), at=at
    )


def spend(lab: Party, asset: Asset, units: int) -> None:
    """The lab's money is gone to an owner, as by use."""
    journal.post(
        kind=Entry.Kind.ADJUSTMENT,
        lines=[
            (journal.account(Kind.LAB, asset, party=lab), -units),
            (journal.account(Kind.TREASURY, asset), units),
        ],
        effective_at=NOON,
        posted_at=NOON,
        idempotency_key=f"spend:{units}:{Entry.objects.count()}",
    )


# ---- signatures: held against the provider's own library ----


def test_what_the_providers_library_signs_is_accepted_and_what_it_refuses_is_refused() -> None:
    body, now = '{"id": "evt_1"}', NOON.timestamp()
    header = signed(body)
    assert providers.is_signed(body.encode(), header, [SECRET], now=now)
    stripe.WebhookSignature.verify_header(body, header, SECRET)
    forged = [
        (body + " ", header, SECRET),
        (body, header, "whsec_of_somebody_else"),
        (body, header.replace("v1=", "v0="), SECRET),
        (body, "", SECRET),
        (body, "t=,v1=", SECRET),
        (body, "v1=" + header.split("v1=")[1], SECRET),
    ]
    for text, words, secret in forged:
        assert not providers.is_signed(text.encode(), words, [secret], now=now)
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.WebhookSignature.verify_header(text, words, secret, None)


def test_our_check_agrees_with_the_library_on_headers_with_several_signatures() -> None:
    body = '{"id": "evt_1"}'
    other = signed(body, OLD).split("v1=")[1]
    header = f"{signed(body)},v1={other},v0=abc"
    for secrets in ([SECRET], [OLD], [OLD, SECRET], ["", SECRET]):
        assert providers.is_signed(body.encode(), header, secrets, now=NOON.timestamp())
    assert not providers.is_signed(body.encode(), header, [""], now=NOON.timestamp())


@pytest.mark.parametrize("seconds", [-301, 301])
def test_an_old_or_early_signature_is_refused(seconds: int) -> None:
    body = "{}"
    header = signed(body, at=NOON + timedelta(seconds=seconds))
    assert not providers.is_signed(body.encode(), header, [SECRET], now=NOON.timestamp())
    header = signed(body, at=NOON + timedelta(seconds=seconds * 300 // 301))
    assert providers.is_signed(body.encode(), header, [SECRET], now=NOON.timestamp())


def test_a_secret_is_empty_for_nobody() -> None:
    body = "{}"
    header = signed(body, secret="")
    assert not providers.is_signed(body.encode(), header, ["", ""], now=NOON.timestamp())


# ---- events become money once ----


def test_a_payment_is_credited_once_however_often_it_is_told(lab: Party, euro: Asset) -> None:
    tell(paid(lab))
    tell(paid(lab))
    tell(paid(lab, name="evt_paid_again"))
    assert held(euro, Kind.LAB, lab) == 100_000_000
    assert Deposit.objects.get().reference == "stripe:pi_1"
    assert PaymentEvent.objects.count() == 2
    assert Event.objects.filter(kind="deposit.received").count() == 1


def test_a_lab_may_be_named_by_its_namespace(lab: Party, euro: Asset) -> None:
    tell(paid(None, metadata={"tallymark_lab": lab.namespace}))
    assert held(euro, Kind.LAB, lab) == 100_000_000


def test_a_refund_waits_for_its_payment(lab: Party, euro: Asset) -> None:
    tell(refunded(4_000))
    assert Payment.objects.get().state == Payment.State.WAITING
    assert not Entry.objects.exists()
    tell(paid(lab))
    assert held(euro, Kind.LAB, lab) == 60_000_000


def test_running_sums_of_refunds_count_the_newest(lab: Party, euro: Asset) -> None:
    for body in (paid(lab), refunded(7_000, name="e2", created=300), refunded(4_000, name="e1")):
        tell(body)
    assert held(euro, Kind.LAB, lab) == 30_000_000


def test_a_refund_that_failed_comes_back(lab: Party, euro: Asset) -> None:
    for body in (paid(lab), refunded(4_000), refund_failed(4_000)):
        tell(body)
    assert held(euro, Kind.LAB, lab) == 100_000_000
    tell(refunded(2_500, name="evt_next", created=400))
    assert held(euro, Kind.LAB, lab) == 75_000_000


def test_a_dispute_takes_and_a_won_one_gives_back(lab: Party, euro: Asset) -> None:
    tell(paid(lab))
    tell(dispute("created", "needs_response"))
    assert held(euro, Kind.LAB, lab) == 0
    tell(dispute("closed", "won", created=900))
    assert held(euro, Kind.LAB, lab) == 100_000_000


def test_a_lost_dispute_stays_taken_and_an_inquiry_takes_nothing(lab: Party, euro: Asset) -> None:
    tell(paid(lab))
    tell(dispute("created", "warning_needs_response"))
    assert held(euro, Kind.LAB, lab) == 100_000_000
    tell(dispute("closed", "lost", created=900))
    assert held(euro, Kind.LAB, lab) == 0


def test_no_more_goes_back_than_came(lab: Party, euro: Asset) -> None:
    for body in (paid(lab), refunded(6_000), dispute("created", "needs_response")):
        tell(body)
    assert held(euro, Kind.LAB, lab) == 0
    payment = Payment.objects.get()
    assert payment.state == Payment.State.REVIEW
    assert "more than was paid" in payment.note


def test_what_is_spent_is_never_taken_but_owed(lab: Party, euro: Asset) -> None:
    tell(paid(lab))
    spend(lab, euro, 70_000_000)
    tell(refunded(10_000))
    assert (held(euro, Kind.LAB, lab), held(euro, Kind.LAB_DEBT, lab)) == (0, -70_000_000)
    payment = Payment.objects.get()
    assert payment.state == Payment.State.REVIEW
    assert "70.00 EUR of what went back had been spent already" in payment.note
    deposits.deposit(lab=lab, asset=euro, amount_units=100_000_000, reference="b", at=NOON)
    assert (held(euro, Kind.LAB, lab), held(euro, Kind.LAB_DEBT, lab)) == (30_000_000, 0)
    payments.apply_stale(at=NOON)
    payment.refresh_from_db()
    assert (payment.state, payment.note) == (Payment.State.CREDITED, "")


def test_a_credit_limit_bears_a_refund_before_any_debt(lab: Party, euro: Asset) -> None:
    tell(paid(lab))
    deposits.set_credit_limit(lab=lab, asset=euro, limit_units=50_000_000, reason="known", at=NOON)
    spend(lab, euro, 100_000_000)
    tell(refunded(10_000))
    assert (held(euro, Kind.LAB, lab), held(euro, Kind.LAB_DEBT, lab)) == (
        -50_000_000,
        -50_000_000,
    )


def test_a_payment_of_nobody_waits_for_an_operator(lab: Party, euro: Asset, olga) -> None:
    tell(paid(None))
    payment = Payment.objects.get()
    assert payment.state == Payment.State.UNASSIGNED
    payments.assign(payment=payment, lab=lab, reason="mail", at=NOON, by=olga)
    payments.assign(payment=payment, lab=lab, reason="mail", at=NOON, by=olga)
    assert held(euro, Kind.LAB, lab) == 100_000_000
    other = factories.party("Dune Data", is_lab=True)
    with pytest.raises(payments.AlreadyAssigned):
        payments.assign(payment=payment, lab=other, reason="", at=NOON, by=olga)


def test_amounts_follow_the_currency(lab: Party, euro: Asset) -> None:
    yen = deposits.register_asset(code="iso4217:JPY", symbol="JPY", scale=2)
    dinar = deposits.register_asset(code="iso4217:KWD", symbol="KWD", scale=3)
    tell(paid(lab, 500, name="e1", key="pi_y", currency="jpy"))
    tell(paid(lab, 5_000, name="e2", key="pi_d", currency="kwd"))
    assert (held(yen, Kind.LAB, lab), held(dinar, Kind.LAB, lab)) == (50_000, 5_000)


def test_a_currency_that_is_not_registered_waits_and_a_replay_credits_it(
    lab: Party, euro: Asset
) -> None:
    tell(paid(lab, currency="sek"))
    assert Payment.objects.get().state == Payment.State.REVIEW
    krona = deposits.register_asset(code="iso4217:SEK", symbol="SEK", scale=2)
    call_command("replay_payments", provider="stripe")
    call_command("replay_payments")
    assert held(krona, Kind.LAB, lab) == 10_000


def test_an_amount_finer_than_a_unit_is_for_a_person(lab: Party, db: None) -> None:
    deposits.register_asset(code="iso4217:EUR", symbol="EUR", scale=0)
    tell(paid(lab, 150))
    assert Payment.objects.get().state == Payment.State.REVIEW
    assert not Deposit.objects.exists()


def test_what_a_crash_left_is_worked_in_later(lab: Party, euro: Asset, monkeypatch) -> None:
    def die(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(payments, "apply", die)
    with pytest.raises(KeyboardInterrupt):
        tell(paid(lab))
    monkeypatch.undo()
    assert not Deposit.objects.exists()
    assert payments.apply_stale(at=NOON) == 1
    assert payments.apply_stale(at=NOON) == 0
    assert held(euro, Kind.LAB, lab) == 100_000_000


def test_a_deposit_that_an_operator_wrote_down_already_is_not_doubled(
    lab: Party, euro: Asset
) -> None:
    deposits.deposit(lab=lab, asset=euro, amount_units=5, reference="stripe:pi_1", at=NOON)
    tell(paid(lab))
    assert held(euro, Kind.LAB, lab) == 5
    assert Payment.objects.get().state == Payment.State.REVIEW


# ---- order and repeats ----

STORY = [
    lambda lab: paid(lab),
    lambda lab: refunded(2_000, name="r1", created=210),
    lambda lab: refunded(5_000, name="r2", created=220),
    lambda lab: refund_failed(3_000, created=230),
    lambda lab: dispute("created", "needs_response", amount=1_000, created=240),
    lambda lab: dispute("closed", "lost", amount=1_000, created=250),
    lambda lab: paid(lab, 3_000, name="p2", key="pi_2"),
    lambda lab: refunded(3_000, name="r3", key="pi_2"),
]


def told_of(lab: Party, place: int) -> str:
    """A part of the story, as it happened to this lab."""
    body = json.loads(STORY[place](lab).replace("pi_", f"pi_{lab.pk}_"))
    return json.dumps(body | {"id": f"{body['id']} {lab.pk}"})


# 100 less refunds of 20 (50, of which 30 failed) and a lost dispute of 10; the second is all gone.
END = 70_000_000


@examples(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(st.integers(0, len(STORY) - 1), max_size=12), last=st.permutations(range(8)))
def test_any_order_and_repetition_of_events_ends_in_one_balance(euro, told, last) -> None:
    lab = factories.party(f"Lab {Party.objects.count()}", is_lab=True)
    for place in [*told, *last]:
        tell(told_of(lab, place))
    assert held(euro, Kind.LAB, lab) == END
    assert held(euro, Kind.LAB_DEBT, lab) == 0


@examples(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(9)), spent=st.integers(0, 100_000_000))
def test_spending_in_between_changes_what_is_owed_and_not_what_is_left(euro, order, spent) -> None:
    """Whatever the order, balance less debt is what came, less what went and what was spent."""
    lab = factories.party(f"Lab {Party.objects.count()}", is_lab=True)
    done = 0
    for place in order:
        if place == 8:
            done = min(spent, held(euro, Kind.LAB, lab))
            if done:
                spend(lab, euro, done)
            continue
        tell(told_of(lab, place))
    left, debt = held(euro, Kind.LAB, lab), held(euro, Kind.LAB_DEBT, lab)
    assert left + debt == END - done
    assert left >= 0
    assert debt <= 0
    assert not (left and debt)


def test_every_order_of_a_short_story_adds_up_alike() -> None:
    told = [
        providers.read(body.encode())
        for body in (
            paid(None), refunded(4_000), refund_failed(4_000), dispute("created", "needs_response"),
            dispute("closed", "won", created=900),
        )
    ]  # fmt: skip
    said = {providers.standing(order) for order in permutations([*told, told[0]])}
    assert len(said) == 1
    assert said.pop().taken == 0
