"""A payment run orders what is due, once, to the unit, in a file that every bank accepts."""

from __future__ import annotations

import threading
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from compensation import invariants, journal, payees, payment_runs, terms
from compensation.bank import charset, pain001, references
from compensation.models import (
    Account,
    BankPayout,
    Entry,
    PaymentRun,
    PayoutMethod,
    PayoutStep,
    Schedule,
)
from provenance import mailing
from tests.cast import NOON
from tests.compensation.banking import (
    ADAS_IBAN,
    BENS_IBAN,
    LATER,
    account,
    earn,
    our_account,
    run_of,
)
from tests.compensation.conftest import held

__all__ = ["our_account"]

pytestmark = pytest.mark.django_db

Kind = Account.Kind


def order_of(run: PaymentRun) -> ElementTree.Element:
    content = payment_runs.file_of(run)
    assert list(pain001.schema(run.message).iter_errors(content.decode())) == []
    root = ElementTree.fromstring(content)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


@pytest.mark.parametrize("message", pain001.VERSIONS)
@pytest.mark.parametrize("is_structured", [False, True])
def test_the_order_fits_the_published_schema_and_says_what_is_paid(
    ada, ben, euro, message, is_structured
):
    payment_runs.name_account(
        asset=euro,
        holder="Tallymark & Söhne",
        iban="NL91ABNA0417164300",
        message=message,
        is_structured=is_structured,
        at=NOON,
    )
    account(ada, euro)
    account(ben, euro, BENS_IBAN)
    earn(ada, euro, 12_345_678)
    earn(ben, euro, 70_000)
    run = run_of(euro)
    root = order_of(run)
    assert root.find(".//GrpHdr/CtrlSum").text == "12.41"
    assert root.find(".//GrpHdr/NbOfTxs").text == "2"
    assert [one.text for one in root.findall(".//InstdAmt")] == ["12.34", "0.07"]
    assert [one.text for one in root.findall(".//CdtrAcct/Id/IBAN")] == [ADAS_IBAN, BENS_IBAN]
    payouts = list(BankPayout.objects.order_by("reference"))
    assert [one.text for one in root.findall(".//EndToEndId")] == [p.reference for p in payouts]
    remittance = [one.text for one in root.iter() if one.tag in {"Ustrd", "Ref"}]
    assert [references.find(one) for one in remittance] == [p.reference for p in payouts]
    if not is_structured:
        assert "statement 2026-03 EUR aurora-archive" in remittance[0]
    assert payment_runs.file_of(run) == payment_runs.file_of(PaymentRun.objects.get())


def test_money_is_in_flight_and_what_is_below_a_cent_stays_owed(ada, euro, our_account):
    account(ada, euro)
    earn(ada, euro, 12_345_678)
    run = run_of(euro)
    assert held(euro, Kind.PAYOUTS_IN_FLIGHT, ada) == run.amount_units == 12_340_000
    assert held(euro, Kind.OWNER, ada) == 5_678
    assert run.entry.kind == Entry.Kind.PAYOUT
    with pytest.raises(payment_runs.NothingIsDue):
        run_of(euro)
    assert list(invariants.broken()) == []


def test_without_an_account_of_ours_or_on_a_day_that_is_over_nothing_is_ordered(ada, euro):
    account(ada, euro)
    earn(ada, euro, 1_000_000)
    with pytest.raises(payment_runs.NoBankAccount):
        run_of(euro)
    with pytest.raises(payment_runs.DayIsPast):
        payment_runs.make_run(asset=euro, execute_on=NOON.date(), at=LATER)
    assert held(euro, Kind.OWNER, ada) == 1_000_000


def test_at_most_half_of_a_payout_is_taken_for_what_an_owner_owes(ada, ben, euro, our_account):
    account(ada, euro)
    earn(ada, euro, 10_000_000)
    journal.post(
        kind=Entry.Kind.RESTATEMENT,
        lines=[
            (journal.account(Kind.RECEIVABLE, euro, party=ada), -8_000_000),
            (journal.account(Kind.AWAITED, euro, party=ben), 8_000_000),
        ],
        effective_at=NOON,
        posted_at=NOON,
        idempotency_key="owed",
    )
    (foreseen,) = payment_runs.look(asset=euro, at=LATER)
    assert (foreseen.party, foreseen.units) == (ada, 5_000_000)
    assert held(euro, Kind.RECEIVABLE, ada) == -8_000_000
    run_of(euro)
    assert BankPayout.objects.get().amount_units == 5_000_000
    assert held(euro, Kind.RECEIVABLE, ada) == -3_000_000
    assert held(euro, Kind.OWNER_PENDING, ben) == 5_000_000


def test_a_new_and_a_changed_account_wait_until_their_hold_is_over(
    ada, euro, our_account, settings, mailoutbox
):
    from tests import factories

    factories.user("ada@aurora.example", party=ada, role="finance")
    factories.user("dev@aurora.example", party=ada, role="developer")
    settings.PAYOUT_ACCOUNT_HOLD_HOURS = 48
    earn(ada, euro, 10_000_000)
    made = account(ada, euro, at=LATER)
    mailing.send_due(at=LATER)
    assert [(letter.to, ADAS_IBAN in letter.body) for letter in mailoutbox] == [
        (["ada@aurora.example"], False)
    ]
    assert made.held_until == LATER + timedelta(hours=48)
    with pytest.raises(payment_runs.NothingIsDue):
        run_of(euro, LATER + timedelta(hours=47))
    account(ada, euro, BENS_IBAN, at=LATER + timedelta(hours=47))
    with pytest.raises(payment_runs.NothingIsDue):
        run_of(euro, LATER + timedelta(hours=94))
    run_of(euro, LATER + timedelta(hours=95))
    assert payees.iban_of(BankPayout.objects.get().method) == BENS_IBAN


def test_the_same_account_again_is_the_same_and_its_number_lies_nowhere_readable(ada, euro):
    made = account(ada, euro)
    assert account(ada, euro, "de89 3704 0044 0532 0130 00", at=LATER) == made
    row = PayoutMethod.objects.filter(pk=made.pk).values().get()
    assert ADAS_IBAN.encode() not in repr(row).encode()
    assert ADAS_IBAN not in repr({key: str(value) for key, value in row.items()})
    assert row["address"] == "DE89 … 3000"


@pytest.mark.parametrize(
    ("iban", "bic", "holder"),
    [
        ("DE89370400440532013001", "", "Ada"),
        ("DE8937040044053201300", "", "Ada"),
        ("XX00", "", "Ada"),
        (ADAS_IBAN, "COBADEF", "Ada"),
        (ADAS_IBAN, "", " ⁂ "),
    ],
)
def test_an_account_that_cannot_be_is_refused(ada, euro, iban, bic, holder):
    with pytest.raises(payees.BadAccount):
        payees.add_account(party=ada, asset=euro, iban=iban, bic=bic, holder=holder, at=NOON)


def test_a_threshold_and_a_schedule_make_money_wait(ada, euro, our_account):
    account(ada, euro)
    earn(ada, euro, 10_000_000)
    chosen = {"party": ada, "asset": euro, "at": NOON}
    terms.set_terms(threshold_units=10_000_001, schedule=Schedule.AT_ONCE, **chosen)
    with pytest.raises(payment_runs.NothingIsDue):
        run_of(euro)
    terms.set_terms(threshold_units=1, schedule=Schedule.MONTHLY, day=15, **chosen)
    with pytest.raises(payment_runs.NothingIsDue):
        run_of(euro)
    assert run_of(euro, NOON.replace(day=17)).payout_count == 1
    earn(ada, euro, 10_000_000)
    with pytest.raises(payment_runs.NothingIsDue):
        run_of(euro, NOON.replace(day=30))
    assert run_of(euro, NOON.replace(month=4, day=15)).payout_count == 1


def test_choices_are_within_the_operators_bounds_also_later(ada, euro):
    chosen = {"party": ada, "asset": euro, "at": NOON}
    terms.set_terms(threshold_units=50, schedule=Schedule.AT_ONCE, **chosen)
    terms.set_bounds(
        asset=euro, least_units=1_000, most_units=9_000, schedules=["monthly"], at=NOON
    )
    for wrong in (
        {"threshold_units": 999, "schedule": "monthly", "day": 1},
        {"threshold_units": 9_001, "schedule": "monthly", "day": 1},
        {"threshold_units": 1_000, "schedule": "weekly", "day": 1},
        {"threshold_units": 1_000, "schedule": "monthly", "day": 29},
        {"threshold_units": 1_000, "schedule": "monthly"},
    ):
        with pytest.raises(terms.OutsideBounds):
            terms.set_terms(**wrong, **chosen)
    now = terms.terms_of(ada, euro)
    assert (now.threshold_units, now.schedule, now.day) == (1_000, "monthly", 1)


def test_an_order_that_never_reached_the_bank_can_be_withdrawn(ada, euro, our_account):
    account(ada, euro)
    earn(ada, euro, 10_000_000)
    run = run_of(euro)
    assert payment_runs.withdraw_run(run=run, reason="Made twice.", at=LATER) == 1
    assert payment_runs.withdraw_run(run=run, reason="Made twice.", at=LATER) == 0
    assert held(euro, Kind.OWNER, ada) == 10_000_000
    assert BankPayout.objects.get().state == BankPayout.State.RETURNED
    assert not PayoutMethod.objects.get().flagged_at
    assert run_of(euro).number == 2
    assert list(invariants.broken()) == []


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_pay_everybody_once(ada, ben, euro, our_account):
    account(ada, euro)
    account(ben, euro, BENS_IBAN)
    earn(ada, euro, 10_000_000)
    earn(ben, euro, 20_000_000)
    made, refused = [], []

    def run() -> None:
        try:
            made.append(run_of(euro))
        except payment_runs.NothingIsDue as error:
            refused.append(error)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=run) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (len(made), len(refused)) == (1, 3)
    assert PayoutStep.objects.count() == BankPayout.objects.count() == 2


@given(st.integers(1, 10**6 - 1), st.integers(1, 10**5 - 1), st.text(max_size=30))
def test_a_reference_is_found_in_whatever_a_bank_makes_of_it(run, place, noise):
    reference = references.make(run, place)
    broken = f"{noise} {reference[:7].lower()} {reference[7:]}"
    assert references.find(broken) in {reference, ""}
    assert references.find(f"paid: {reference[:9]} {reference[9:]}.") == reference
    wrong = reference[:5] + str((int(reference[5]) + 1) % 10) + reference[6:]
    assert not references.is_ours(wrong)


@given(st.text(max_size=200), st.integers(1, 140))
def test_any_text_becomes_one_that_every_bank_takes(text, limit):
    plain = charset.latin(text, limit)
    assert len(plain) <= limit
    assert charset.latin(plain, limit) == plain
    assert set(plain) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ "
    )
