"""What a bank answers and books is counted once, in any order; what does not fit is left open."""

from __future__ import annotations

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compensation import (
    audit,
    bank_files,
    bank_steps,
    bookings,
    invariants,
    journal,
    payees,
    payment_runs,
    terms,
)
from compensation.bank import reading
from compensation.models import (
    Account,
    BankBooking,
    BankFile,
    BankPayout,
    BankStatement,
    Entry,
    PayoutMethod,
    PayoutStep,
)
from provenance.models import Event
from tests.cast import NOON
from tests.compensation.banking import (
    BENS_IBAN,
    LATER,
    Booked,
    account,
    camt053,
    debit,
    earn,
    our_account,
    pain002,
    returned,
    run_of,
)
from tests.compensation.conftest import held

__all__ = ["our_account"]

pytestmark = pytest.mark.django_db

Kind = Account.Kind
State = BankPayout.State
Step = PayoutStep.Kind


def take(content: bytes, name: str = "file.xml") -> BankFile:
    return bank_files.take_file(content=content, name=name, at=LATER)


@pytest.fixture
def run(ada, ben, euro, our_account):
    """Ada is sent ten euros, Ben twenty."""
    account(ada, euro)
    account(ben, euro, BENS_IBAN)
    earn(ada, euro, 10_000_000)
    earn(ben, euro, 20_000_000)
    return run_of(euro)


@pytest.fixture
def adas(run, ada) -> BankPayout:
    return run.payouts.get(party=ada)


@pytest.fixture
def bens(run, ben) -> BankPayout:
    return run.payouts.get(party=ben)


@pytest.mark.parametrize("version", ["02", "08"])
def test_what_the_bank_booked_is_paid(run, adas, bens, ada, euro, version):
    bens_words = f"{bens.reference[:8]} {bens.reference[8:]} Tallymark"
    by_words = debit(bens, reference="", remittance=bens_words)
    take(camt053([debit(adas), by_words], version=version, opening=10_000))
    assert set(BankPayout.objects.values_list("state", flat=True)) == {State.PAID}
    assert held(euro, Kind.PAYOUTS_IN_FLIGHT, ada) == 0
    assert held(euro, Kind.EXTERNAL) == 0
    assert BankStatement.objects.get().closing_minor == 7_000
    assert Event.objects.filter(kind="payout.settled").count() == 2
    assert list(invariants.broken()) == []


def test_the_same_file_and_the_same_entry_count_once(run, adas, bens):
    both = camt053([debit(adas), debit(bens)])
    assert take(both) == take(both)
    take(both + b"\n")
    take(camt053([debit(adas, servicer="S1")], statement="2026-002"))
    assert BankFile.objects.count() == 3
    assert PayoutStep.objects.filter(kind=Step.DEBITED).count() == 2
    assert BankBooking.objects.filter(state="open").get().problem.endswith("a second time.")


def test_a_booking_in_a_second_statement_is_known_by_the_banks_own_reference(run, adas):
    take(camt053([debit(adas, servicer="S1")]))
    take(camt053([debit(adas, servicer="S1", entry="other")], statement="2026-001-final"))
    states = BankBooking.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["matched", "repeated"]


def test_what_the_bank_rejects_is_payable_again_and_its_account_is_flagged(
    run, adas, bens, ada, euro
):
    take(pain002(run, [(adas.reference, "RJCT", "AC01"), (bens.reference, "ACSC", "")]))
    adas.refresh_from_db()
    assert adas.state == State.RETURNED
    rejected = adas.steps.get(kind=Step.REJECTED)
    assert (rejected.code, rejected.words) == ("AC01", "Said the bank.")
    assert held(euro, Kind.OWNER, ada) == 10_000_000
    with pytest.raises(payment_runs.NothingIsDue):
        run_of(euro)
    method = PayoutMethod.objects.get(party=ada)
    assert "AC01" in method.flag_words
    payees.confirm_method(method=method, at=LATER)
    assert run_of(euro).payouts.get().party == ada
    bens.refresh_from_db()
    assert bens.state == State.SENT
    assert list(invariants.broken()) == []


def test_a_rejected_order_is_rejected_for_all_in_it(run, ada, ben, euro):
    take(pain002(run, group="RJCT"))
    assert set(BankPayout.objects.values_list("state", flat=True)) == {State.RETURNED}
    assert held(euro, Kind.OWNER, ben) == 20_000_000


def test_what_came_back_is_payable_again(run, adas, ada, euro):
    take(camt053([debit(adas)]))
    take(camt053([returned(adas)], statement="2026-002"))
    adas.refresh_from_db()
    assert adas.state == State.RETURNED
    assert adas.steps.get(kind=Step.CREDITED).code == "AC04"
    assert held(euro, Kind.OWNER, ada) == 10_000_000
    assert held(euro, Kind.PAYOUTS_IN_FLIGHT, ada) == 0
    assert held(euro, Kind.EXTERNAL) == -30_000_000
    assert PayoutMethod.objects.get(party=ada).flagged_at
    assert list(invariants.broken()) == []


def test_what_came_back_does_not_wait_for_the_next_month(run, adas, ada, euro):
    terms.set_terms(party=ada, asset=euro, threshold_units=1, schedule="monthly", day=10, at=NOON)
    take(pain002(run, [(adas.reference, "RJCT", "AC01")]))
    payees.confirm_method(method=PayoutMethod.objects.get(party=ada), at=LATER)
    assert run_of(euro).payouts.get().party == ada
    assert dues_are_over(euro)


def dues_are_over(euro) -> bool:
    try:
        run_of(euro, LATER.replace(day=28))
    except payment_runs.NothingIsDue:
        return True
    return False


def test_a_reversed_booking_is_a_return_too(run, adas):
    back = returned(adas, returned="", is_reversal=True)
    take(camt053([debit(adas), back]))
    adas.refresh_from_db()
    assert adas.state == State.RETURNED


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"minor": -999}, "The bank booked 9.99 EUR"),
        ({"minor": 1_000}, "neither its payment nor its return"),
        ({"reference": "TM0099990000199", "minor": -1_000}, ""),
        ({"reference": "", "minor": -1_000}, ""),
    ],
)
def test_what_does_not_fit_is_left_open_and_moves_nothing(run, adas, change, words):
    before = Entry.objects.count()
    given_ = {"minor": -1_000, "reference": adas.reference, "entry": "E1", **change}
    take(camt053([Booked(**given_)]))
    booking = BankBooking.objects.get()
    assert booking.state == "open"
    assert words in booking.problem
    adas.refresh_from_db()
    assert adas.state == State.SENT
    assert Entry.objects.count() == before


def test_an_entry_that_comes_again_with_another_amount_is_a_difference(run, adas):
    take(camt053([debit(adas)]))
    take(camt053([debit(adas, entry=f"D{adas.reference}", reference="")]))
    take(camt053([Booked(-1, entry=f"D{adas.reference}")]))
    open_ones = BankBooking.objects.filter(state="open")
    assert {one.problem for one in open_ones} == {
        "The bank stated this entry before, with another content."
    }
    assert open_ones.count() == 2


def test_what_is_pending_is_not_booked(run, adas):
    take(camt053([debit(adas, status="PDNG")]))
    assert not BankBooking.objects.exists()


def test_a_batch_is_read_payment_by_payment_where_these_add_up(run, adas, bens):
    take(batch(adas, bens, 3_000))
    assert set(BankPayout.objects.values_list("state", flat=True)) == {State.PAID}
    take(batch(adas, bens, 3_001, "2026-002"))
    assert "do not add up" in BankBooking.objects.get(statement_id="2026-002").problem


def batch(adas: BankPayout, bens: BankPayout, minor: int, statement: str = "2026-001") -> bytes:
    details = "".join(
        f"<TxDtls><Refs><EndToEndId>{one.reference}</EndToEndId></Refs>"
        f'<Amt Ccy="EUR">{one.amount_minor / 100:.2f}</Amt></TxDtls>'
        for one in (adas, bens)
    )
    whole = camt053([Booked(-minor, entry="B1")], statement=statement).decode()
    start, end = whole.index("<NtryDtls>"), whole.index("</NtryDtls>")
    return f"{whole[:start]}<NtryDtls>{details}{whole[end:]}".encode()


def test_a_person_may_say_which_payout_a_booking_is(run, adas, bens, olga):
    take(camt053([debit(adas, reference=""), debit(bens, reference="", entry="x")]))
    first = BankBooking.objects.get(amount_minor=-1_000)
    with pytest.raises(bank_files.DoesNotFit):
        bank_files.assign_booking(booking=first, payout=bens, note="No.", at=LATER, by=olga)
    for _ in range(2):
        bank_files.assign_booking(booking=first, payout=adas, note="Told so.", at=LATER, by=olga)
    adas.refresh_from_db()
    assert adas.state == State.PAID
    assert adas.steps.get(kind=Step.DEBITED).recorded_by == olga
    assert Event.objects.filter(kind="bank_booking.assigned").count() == 1


def test_a_payment_that_was_rejected_booked_and_paid_again_is_left_to_a_person(
    run, adas, ada, euro
):
    take(pain002(run, [(adas.reference, "RJCT", "AC01")]))
    payees.confirm_method(method=PayoutMethod.objects.get(party=ada), at=LATER)
    run_of(euro)
    take(camt053([debit(adas)]))
    assert "paid twice" in BankBooking.objects.get().problem
    assert list(invariants.broken()) == []


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">
<!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">&lol2;</Document>"""
OUTSIDE = b"""<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">&x;</Document>"""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (LAUGHS, "document type or entities"),
        (OUTSIDE, "document type or entities"),
        (b"PK\x03\x04", "not well-formed"),
        (b"", "not well-formed"),
        (b"<Document/>", "no ISO 20022"),
        (b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"/>', "pain.001.001.09"),
        (b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"/>', "without a state"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', "not well-formed"),
    ],
)
def test_what_is_no_file_of_a_bank_is_refused_with_words(db, content, words):
    with pytest.raises(reading.UnreadableFile, match=words):
        take(content)
    assert not BankFile.objects.exists()


def test_files_of_others_are_refused_whole(run, adas):
    with pytest.raises(bank_files.NotOurs):
        take(camt053([debit(adas)], iban=BENS_IBAN))
    run.message_id = "TM-999999"
    with pytest.raises(bank_files.NotOurs):
        take(pain002(run, [(adas.reference, "RJCT", "AC01")]))
    adas.refresh_from_db()
    assert adas.state == State.SENT


# Everything that a bank may say of one payment, as the file that says it.
SAYINGS = {
    "accepted": lambda run, one: pain002(run, [(one.reference, "ACCP", "")], name="A"),
    "rejected": lambda run, one: pain002(run, [(one.reference, "RJCT", "AC01")], name="R"),
    "debited": lambda run, one: camt053([debit(one)], statement="D"),
    "credited": lambda run, one: camt053([returned(one)], statement="C"),
    "both": lambda run, one: camt053([debit(one), returned(one)], statement="DC"),
}


class _Undone(Exception):
    """Ends a transaction whose outcome has been looked at."""


def outcome(run, ada, euro, said) -> tuple:
    """What state and money remain after the files came in this order."""
    found = ()
    try:
        with transaction.atomic():
            for name in said:
                take(SAYINGS[name](run, run.payouts.get(party=ada)))
            broken = list(invariants.broken())
            assert broken == [], (said, broken)
            one = run.payouts.get(party=ada)
            found = (
                one.state,
                frozenset(one.steps.values_list("kind", flat=True)),
                *(held(euro, kind, ada) for kind in (Kind.OWNER, Kind.PAYOUTS_IN_FLIGHT)),
                held(euro, Kind.EXTERNAL),
                PayoutMethod.objects.get(party=ada).flagged_at,
            )
            raise _Undone
    except _Undone:
        return found


@given(
    said=st.lists(st.sampled_from(["accepted", "rejected", "debited", "credited"]), min_size=1),
    data=st.data(),
)
@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_any_order_and_any_repetition_of_what_a_bank_says_ends_alike(run, ada, euro, said, data):
    again = data.draw(st.permutations([*said, data.draw(st.sampled_from(said))]))
    assert outcome(run, ada, euro, said) == outcome(run, ada, euro, again)


@given(st.sets(st.sampled_from(list(Step.values))))
def test_a_payments_money_is_always_somewhere(known):
    found = bank_steps.standing(known)
    assert found.in_flight + found.owner + found.outside == 0
    assert (found.state == State.SENT) == (found.in_flight == 1 and not found.outside)


def test_the_chain_of_entries_holds_after_all_of_it(run, adas, bens, euro):
    take(SAYINGS["both"](run, adas))
    take(pain002(run, [(bens.reference, "RJCT", "AC01")]))
    assert list(audit.chain_breaks(audit.documents())) == []
    assert journal.lock() == Entry.objects.count()


def test_a_return_that_the_bank_kept_a_charge_of_gives_the_owner_the_whole_back(
    run, adas, olga, euro
):
    take(camt053([debit(adas), Booked(950, entry="back")]))
    back = BankBooking.objects.get(entry_reference="back")
    for is_charged, booking in ((False, back), (True, Booked(1_050, entry="more"))):
        if isinstance(booking, Booked):
            take(camt053([booking], statement="2026-002"))
            booking = BankBooking.objects.get(entry_reference="more")
        with pytest.raises(bank_files.DoesNotFit):
            bank_files.assign_booking(
                booking=booking, payout=adas, note="No.", is_charged=is_charged, at=LATER, by=olga
            )
    for _ in range(2):
        bank_files.assign_booking(
            booking=back, payout=adas, note="AC04.", is_charged=True, at=LATER, by=olga
        )
    adas.refresh_from_db()
    assert adas.state == State.RETURNED
    assert held(euro, "owner", adas.party) == adas.amount_units
    assert held(euro, "bank_charges") == -500_000
    assert not list(invariants.broken())


def test_what_a_bank_takes_for_itself_is_booked_once_and_nothing_stays_open(run, adas, olga, euro):
    take(camt053([debit(adas), Booked(-7, entry="fee"), Booked(7, entry="gift")], opening=1_000))
    fee, gift = (BankBooking.objects.get(entry_reference=name) for name in ("fee", "gift"))
    outside = held(euro, "external")
    for _ in range(2):
        bookings.book_charge(booking=fee, note="Monthly.", at=LATER, by=olga)
    assert (held(euro, "bank_charges"), held(euro, "external") - outside) == (-70_000, 70_000)
    with pytest.raises(bookings.NoCharge):
        bookings.book_charge(booking=gift, note="No.", at=LATER, by=olga)
    with pytest.raises(bookings.NotOpen):
        bookings.split_booking(booking=fee, parts=[], note="No.", at=LATER, by=olga)
    assert set(BankBooking.objects.filter(state="open")) == {gift}
    (event,) = Event.objects.filter(kind="bank_booking.charged")
    assert "Monthly" not in str(event.body)


def test_a_batch_without_details_is_split_by_hand_to_the_cent(run, adas, bens, olga):
    take(camt053([Booked(-(adas.amount_minor + bens.amount_minor), entry="B1")]))
    whole = BankBooking.objects.get()
    hers, his = (bookings.Part(one.reference, one.amount_minor) for one in (adas, bens))
    for wrong in ([hers], [hers, hers], [hers, his, bookings.Part("TM1", 1)], [hers, his, his]):
        with pytest.raises(bookings.BadParts):
            bookings.split_booking(booking=whole, parts=wrong, note="x", at=LATER, by=olga)
    made = bookings.split_booking(
        booking=whole, parts=[hers, his], note="By phone.", at=LATER, by=olga
    )
    assert [one.state for one in made] == ["matched", "matched"]
    assert set(BankPayout.objects.values_list("state", flat=True)) == {State.PAID}
    whole.refresh_from_db()
    assert (whole.state, whole.problem) == ("split", "By phone.")
    take(camt053([Booked(whole.amount_minor, entry="B1")]))
    assert not BankBooking.objects.filter(state="open").exists()
    with pytest.raises(bookings.NotOpen):
        bookings.split_booking(booking=whole, parts=[hers, his], note="x", at=LATER, by=olga)
