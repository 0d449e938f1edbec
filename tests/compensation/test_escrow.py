"""Exactly the matching share is held while a conflict is open, and goes by its resolution."""

from datetime import timedelta

import pytest

from compensation import billing, deposits, holdback, invariants, journal, weights
from compensation.models import Account, Entry, Restatement, Take, WeightVersion
from provenance import conflicts, contributors
from provenance.models import Event
from tests import factories
from tests.cast import NOON
from tests.compensation.conftest import grant, held, pending, priced, texts, use

DAY = timedelta(days=1)
LATER = NOON + timedelta(hours=1)
Kind = Account.Kind
PRICE = 10_000_000


@pytest.fixture
def adas(ada, euro):
    """A hundred of Ada's articles, at a euro for them all."""
    return priced(
        factories.version(factories.dataset(ada, "articles"), texts(100)), euro, price_units=PRICE
    )


@pytest.fixture
def bens(ben, euro, adas):
    """Ben's hundred: ten of Ada's, and ninety of his own."""
    mixed = [*texts(10), *texts(90, "own")]
    return priced(
        factories.version(factories.dataset(ben, "mixed"), mixed), euro, price_units=PRICE
    )


def conflict_over(later, earlier, count=10, at=NOON):
    found = factories.overlap(later, earlier, [(text, text) for text in texts(count)])
    return conflicts.open_from_overlap(overlap=found, at=at)


def bill(lab, version, *, records=100, at=LATER):
    grant(lab, version, at=at)
    use(lab, version, records=records, at=at)
    billing.bill_batch(at=at + timedelta(minutes=2))


def decide(conflict, outcome, by, at, **how):
    conflicts.decide(conflict=conflict, outcome=outcome, reasons="Dated.", by=by, at=at, **how)


def escrow(asset, conflict):
    return held(asset, Kind.ESCROW, account__conflict=conflict)


def test_the_newcomers_matching_share_is_held_and_the_resolution_moves_it(
    adas, bens, ada, ben, olga, rich_lab, euro
):
    conflict = conflict_over(bens, adas)
    bill(rich_lab, bens)
    assert (pending(euro, ben), escrow(euro, conflict)) == (900_000, 100_000)
    conflicts.claim(conflict=conflict, claimant=ada, statement="Ours.", at=LATER)
    conflicts.answer(conflict=conflict, party=ben, text="No.", agrees=False, at=LATER)
    conflicts.reply(conflict=conflict, party=ada, text="Yes.", at=LATER)
    decide(conflict, "to_earlier", olga, LATER + DAY)
    assert weights.apply_resolutions(at=LATER + DAY) == 1
    assert (pending(euro, ada), pending(euro, ben)) == (100_000, 900_000)
    assert escrow(euro, conflict) == 0
    assert weights.apply_resolutions(at=LATER + DAY) == 0
    event = Event.objects.get(kind="revenue.restated")
    assert {event.party, event.other_party} == {ada, ben}


def test_new_use_after_the_resolution_pays_the_right_owner_at_once(
    adas, bens, ada, ben, olga, rich_lab, euro
):
    conflict = conflict_over(bens, adas)
    settle_for_ada(conflict, ada, ben, olga, LATER)
    bill(rich_lab, bens, at=LATER + DAY)
    assert (pending(euro, ada), pending(euro, ben)) == (100_000, 900_000)
    assert escrow(euro, conflict) == 0


def settle_for_ada(conflict, ada, ben, olga, at, outcome="to_earlier", **how):
    conflicts.claim(conflict=conflict, claimant=ada, statement="Ours.", at=at)
    conflicts.answer(conflict=conflict, party=ben, text="No.", agrees=False, at=at)
    conflicts.reply(conflict=conflict, party=ada, text="Yes.", at=at)
    decide(conflict, outcome, olga, at, **how)


def test_nobody_claims_and_everything_is_the_newcomers_as_if_it_had_never_been_held(
    adas, bens, ben, rich_lab, euro
):
    conflict = conflict_over(bens, adas)
    bill(rich_lab, bens, records=33)
    assert escrow(euro, conflict) > 0
    conflicts.pass_deadlines(NOON + 15 * DAY)
    weights.apply_resolutions(at=NOON + 15 * DAY)
    assert (pending(euro, ben), escrow(euro, conflict)) == (330_000, 0)


def test_a_part_may_be_decided_and_the_rest_stays_held(adas, bens, ada, ben, olga, rich_lab, euro):
    conflict = conflict_over(bens, adas)
    bill(rich_lab, bens)
    four = [factories.record(bens, text).pk for text in texts(4)]
    settle_for_ada(conflict, ada, ben, olga, LATER + DAY, filter={"record_ids": four})
    weights.apply_resolutions(at=LATER + DAY)
    assert (pending(euro, ada), escrow(euro, conflict)) == (40_000, 60_000)
    assert pending(euro, ben) == 900_000


def test_shared_records_are_divided_as_decided(adas, bens, ada, ben, olga, rich_lab, euro):
    conflict = conflict_over(bens, adas)
    bill(rich_lab, bens)
    settle_for_ada(
        conflict, ada, ben, olga, LATER + DAY, outcome="shared", earlier_basis_points=2_500
    )
    weights.apply_resolutions(at=LATER + DAY)
    assert (pending(euro, ada), pending(euro, ben)) == (25_000, 975_000)


def test_the_other_side_is_paid_by_its_split_and_everybody_is_told_what_moved(
    adas, bens, ada, ben, olga, rich_lab, euro
):
    editor = contributors.name(owner=ada, label="editor", at=NOON)
    contributors.divide(dataset=adas.dataset, owner_weight=3, weights={editor: 1}, at=NOON)
    conflict = conflict_over(bens, adas)
    bill(rich_lab, bens)
    settle_for_ada(
        conflict, ada, ben, olga, LATER + DAY, outcome="shared", earlier_basis_points=6_000
    )
    assert weights.apply_resolutions(at=LATER + DAY) == 1
    parts = {ada: 45_000, editor.party: 15_000, ben: 940_000}
    assert {party: pending(euro, party) for party in parts} == parts
    told = Event.objects.filter(kind="revenue.restated", party=editor.party)
    assert [event.body["amount_units"] for event in told] == ["15000"]
    assert weights.apply_resolutions(at=LATER + DAY) == 0
    contributors.divide(
        dataset=adas.dataset, owner_weight=1, weights={editor: 1}, at=LATER + 2 * DAY,
        from_the_start=True,
    )  # fmt: skip
    assert weights.apply_resolutions(at=LATER + 2 * DAY) == 1
    parts = {ada: 30_000, editor.party: 30_000, ben: 940_000}
    assert {party: pending(euro, party) for party in parts} == parts
    assert [event.body["amount_units"] for event in told.order_by("id")] == ["15000", "15000"]
    bill(rich_lab, bens, at=LATER + 3 * DAY)
    assert pending(euro, editor.party) == 60_000
    assert not list(invariants.broken())


@pytest.fixture
def copier_first(ben, ada, euro):
    """Ben registered copies of ten of Ada's articles before she came."""
    bens = priced(
        factories.version(
            factories.dataset(ben, "mixed"), [*texts(10), *texts(90, "own")], at=NOON
        ),
        euro,
        price_units=PRICE,
    )
    adas = factories.version(factories.dataset(ada, "articles"), texts(100), at=NOON)
    return bens, adas


def test_the_copier_registered_first_and_the_authors_admitted_claim_holds_its_share(
    copier_first, ada, ben, olga, rich_lab, euro
):
    bens, adas = copier_first
    conflict = conflict_over(adas, bens)
    bill(rich_lab, bens)
    assert pending(euro, ben) == 1_000_000
    claim = conflicts.claim(
        conflict=conflict, claimant=ada, statement="Ours.", evidence="Drafts.", at=LATER
    )
    conflicts.admit_claim(claim=claim, by=olga, at=LATER)
    bill(rich_lab, bens, at=LATER + DAY)
    assert (pending(euro, ben), escrow(euro, conflict)) == (1_900_000, 100_000)
    conflicts.answer(conflict=conflict, party=ben, text="No.", agrees=False, at=LATER + DAY)
    conflicts.reply(conflict=conflict, party=ada, text="Yes.", at=LATER + DAY)
    decide(conflict, "to_later", olga, LATER + 2 * DAY)
    weights.apply_resolutions(at=LATER + 2 * DAY)
    assert (pending(euro, ada), pending(euro, ben)) == (200_000, 1_800_000)
    assert Take.objects.get().amount_units == 100_000
    assert Restatement.objects.count() == 2


def test_money_that_was_paid_already_is_recovered_from_at_most_half_of_each_payout(
    copier_first, ada, ben, olga, rich_lab, euro, settings
):
    bens, adas = copier_first
    conflict = conflict_over(adas, bens)
    bill(rich_lab, bens)
    ripe = NOON + 31 * DAY
    assert holdback.mature_credits(at=ripe) == 1
    pay_out(euro, ben, 1_000_000, ripe)
    claim = conflicts.claim(
        conflict=conflict, claimant=ada, statement="Ours.", evidence="Drafts.", at=ripe
    )
    conflicts.admit_claim(claim=claim, by=olga, at=ripe)
    conflicts.answer(conflict=conflict, party=ben, text="No.", agrees=False, at=ripe)
    conflicts.reply(conflict=conflict, party=ada, text="Yes.", at=ripe)
    decide(conflict, "to_later", olga, ripe + DAY)
    weights.apply_resolutions(at=ripe + DAY)
    assert held(euro, Kind.RECEIVABLE, ben) == -100_000
    assert held(euro, Kind.AWAITED, ada) == 100_000
    assert pending(euro, ada) == pending(euro, ben) == 0
    for month in (2, 3):
        bill(rich_lab, bens, records=15, at=NOON + 31 * month * DAY)
    # 135,000 units a month for Ben (and 15,000 for Ada) become payable; half may be taken.
    holdback.mature_credits(at=NOON + 93 * DAY)
    assert holdback.recover(asset=euro, party=ben, key="one", at=NOON + 93 * DAY) == 67_500
    pay_out(euro, ben, 67_500, NOON + 93 * DAY)
    holdback.mature_credits(at=NOON + 124 * DAY)
    assert holdback.recover(asset=euro, party=ben, key="two", at=NOON + 124 * DAY) == 32_500
    assert held(euro, Kind.RECEIVABLE, ben) == held(euro, Kind.AWAITED, ada) == 0


def pay_out(asset, party, amount, at):
    journal.post(
        kind=Entry.Kind.PAYOUT,
        lines=[
            (journal.account(Kind.OWNER, asset, party=party), -amount),
            (journal.account(Kind.PAYOUTS_IN_FLIGHT, asset, party=party), amount),
        ],
        effective_at=at,
        posted_at=at,
        idempotency_key=f"test payout {party.pk} {at}",
    )


def test_what_was_taken_is_borne_by_the_oldest_credits(ada, ben, lab, euro, adas):
    deposits.deposit(lab=lab, asset=euro, amount_units=10**9, reference="x", at=NOON)
    bill(lab, adas, records=10, at=NOON)
    bill(lab, adas, records=10, at=NOON + 10 * DAY)
    account = journal.account(Kind.OWNER_PENDING, euro, party=ada)
    entry = journal.post(
        kind=Entry.Kind.RESTATEMENT,
        lines=[(account, -150_000), (journal.account(Kind.TREASURY, euro), 150_000)],
        effective_at=NOON,
        posted_at=NOON,
        idempotency_key="taken",
    )
    Take.objects.create(account=account, entry=entry, amount_units=150_000, remaining_units=150_000)
    holdback.mature_credits(at=NOON + 31 * DAY)
    assert held(euro, Kind.OWNER, ada) == 0
    holdback.mature_credits(at=NOON + 41 * DAY)
    assert held(euro, Kind.OWNER, ada) == 50_000
    assert holdback.mature_credits(at=NOON + 41 * DAY) == 0


def test_billing_never_divides_by_weights_that_a_conflict_has_overtaken(
    adas, bens, ben, rich_lab, euro
):
    bill(rich_lab, bens, at=NOON)
    conflict = conflict_over(bens, adas, at=LATER)
    bill(rich_lab, bens, at=LATER + DAY)
    assert escrow(euro, conflict) == 100_000
    assert WeightVersion.objects.filter(version=bens).count() == 2
