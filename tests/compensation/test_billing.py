"""Usages become charges, once each and to the unit."""

from datetime import timedelta

import pytest
from django.utils import timezone

from compensation import billing, deposits, tasks
from compensation.models import (
    Account,
    Charge,
    ChargeGroup,
    Entry,
    Line,
    PlatformFee,
    Stage,
    StageKind,
    Waiting,
)
from provenance import licensing, plans, usage
from provenance.models import Event
from tests import factories
from tests.cast import NOON
from tests.compensation.conftest import grant, held, more, pending, priced, texts, use

LATER = NOON + timedelta(hours=1)


def test_a_finished_run_is_charged_once_and_the_owner_earns_it(ada, rich_lab, essays, euro):
    grant(rich_lab, essays)
    made = use(rich_lab, essays, records=50)
    assert billing.bill_batch(at=LATER) == 1
    charge = Charge.objects.get()
    assert (charge.usage_id, charge.amount_units, charge.kind) == (made.pk, 500_000, "priced")
    assert pending(euro, ada) == 500_000
    assert held(euro, Account.Kind.LAB, rich_lab) == 99_500_000
    assert billing.bill_batch(at=LATER) == 0
    assert Charge.objects.count() == 1
    assert not Stage.objects.exists()


def test_a_charge_stands_in_the_ledger_with_the_hash_of_its_entry(ada, rich_lab, essays):
    grant(rich_lab, essays)
    use(rich_lab, essays, records=50)
    billing.bill_batch(at=LATER)
    entry = Entry.objects.get(kind="usage")
    event = Event.objects.get(kind="usage.charged")
    assert event.body["entry_hash"] == bytes(entry.hash).hex()
    assert event.body["digest"] == bytes(entry.charges_digest).hex()
    assert billing.event_of(entry) == event
    group = ChargeGroup.objects.get()
    assert (group.charge_count, group.amount_units) == (1, 500_000)
    assert group.total_after_units == 500_000
    assert billing.seal_journal(at=LATER) == entry.pk
    assert billing.seal_journal(at=LATER) == 0


def test_a_run_that_lasts_is_charged_once_a_day_and_at_its_end(rich_lab, essays):
    grant(rich_lab, essays)
    made = use(rich_lab, essays, records=10, is_ended=False)
    assert billing.bill_batch(at=LATER) == 0
    assert billing.bill_batch(at=NOON + timedelta(days=1)) == 1
    more(made.run, made.subject, records=25, sequence=2, at=NOON + timedelta(days=1))
    assert billing.bill_batch(at=NOON + timedelta(days=1, hours=1)) == 0
    usage.end_run(run=made.run, at=NOON + timedelta(days=1, hours=2))
    assert billing.bill_batch(at=NOON + timedelta(days=1, hours=3)) == 1
    amounts = Charge.objects.order_by("revision").values_list("amount_units", "total_units")
    assert list(amounts) == [(100_000, 100_000), (150_000, 250_000)]


def test_a_run_whose_process_vanished_is_charged_when_it_lapses(rich_lab, essays):
    grant(rich_lab, essays)
    use(rich_lab, essays, records=10, is_ended=False)
    assert usage.lapse_silent_runs(at=NOON + timedelta(days=1, seconds=1)) == 1
    assert billing.bill_batch(at=NOON + timedelta(hours=2)) == 1


def test_prices_far_below_one_unit_stay_exact(ada, rich_lab, euro):
    version = priced(
        factories.version(factories.dataset(ada, "tiny"), texts(7)), euro, price_units=999
    )
    grant(rich_lab, version)
    run = usage.start_run(lab=rich_lab, purpose="pretrain", at=NOON)
    for step in range(1, 11):
        more(run, version.pk, records=step * 7, sequence=step)
        billing.bill_batch(at=NOON + timedelta(days=step))
    assert Charge.objects.order_by("-revision").first().total_units == 70 * 999 // 1000


@pytest.fixture
def by_tokens(rich_lab, ada, euro):
    """A thousand texts at five units a token, granted to the lab."""
    version = priced(
        factories.version(factories.dataset(ada, "tokens"), texts(1000)),
        euro,
        basis="per_1m_tokens",
        price_units=5_000_000,
    )
    grant(rich_lab, version)
    return version


def test_tokens_are_counted_by_the_sealed_count_not_by_the_labs(rich_lab, by_tokens):
    use(rich_lab, by_tokens, records=333, tokens=1)
    billing.bill_batch(at=LATER)
    charge = Charge.objects.get()
    assert charge.token_count == by_tokens.token_count * 333 // 1000
    assert charge.amount_units == charge.token_count * 5
    tokens = plans.tokens_used(
        record_count=333,
        reported_tokens=1,
        version_records=by_tokens.record_count,
        version_tokens=by_tokens.token_count,
    )
    assert tokens == charge.token_count


def test_a_lab_that_counts_records_after_its_own_tokens_were_charged_pays_only_for_more(
    rich_lab, by_tokens
):
    whole = by_tokens.token_count
    made = use(rich_lab, by_tokens, records=0, tokens=whole // 2)
    for records in (100, 1000):
        billing.bill_batch(at=LATER)
        more(made.run, made.subject, records=records, sequence=records, at=LATER)
    billing.bill_batch(at=LATER)
    amounts = [one.amount_units for one in Charge.objects.order_by("revision")]
    assert amounts == [whole // 2 * 5, 0, (whole - whole // 2) * 5]


def test_after_a_pass_of_billing_every_charge_is_found_by_its_range(rich_lab, essays):
    grant(rich_lab, essays)
    use(rich_lab, essays, records=10)
    assert tasks.bill_everything() == 1
    assert billing.summarize() == 0
    use(rich_lab, essays, records=10)
    assert billing.bill_batch(at=timezone.now()) == 1
    assert billing.summarize() == 0  # what was summarized once grows with its charges


def test_a_flat_price_is_charged_once_for_a_run(rich_lab, ada, euro):
    version = priced(
        factories.version(factories.dataset(ada, "flat"), texts(3)), euro, basis="flat_per_run"
    )
    grant(rich_lab, version)
    made = use(rich_lab, version, records=1)
    billing.bill_batch(at=LATER)
    more(made.run, made.subject, records=3, sequence=2, at=LATER)
    billing.bill_batch(at=LATER)
    assert [one.amount_units for one in Charge.objects.order_by("revision")] == [1_000_000, 0]


def test_what_is_not_granted_is_charged_nothing_and_leaves_the_list(rich_lab, essays, ada):
    use(rich_lab, essays, records=10)
    use(rich_lab, "nobody/knows-this@1", records=10)
    assert billing.bill_batch(at=LATER) == 1
    assert billing.bill_batch(at=NOON + timedelta(days=15)) == 1
    assert sorted(Charge.objects.values_list("kind", "amount_units")) == [
        ("ungranted", 0),
        ("unknown", 0),
    ]
    assert billing.bill_batch(at=NOON + timedelta(days=15)) == 0
    assert not Entry.objects.filter(kind="usage").exists()


def test_a_grant_that_comes_too_late_prices_what_is_used_from_then_on(rich_lab, essays):
    made = use(rich_lab, essays, records=40, is_ended=False)
    late = NOON + timedelta(days=15)
    assert billing.bill_batch(at=late) == 1
    grant(rich_lab, essays, at=late)
    more(made.run, made.subject, records=60, sequence=2, at=late + timedelta(hours=1))
    usage.end_run(run=made.run, at=late + timedelta(hours=2))
    billing.bill_batch(at=late + timedelta(hours=3))
    assert [one.amount_units for one in Charge.objects.order_by("revision")] == [0, 200_000]


def test_free_use_is_charged_nothing(rich_lab, ada):
    version = factories.version(factories.dataset(ada, "free"), texts(3))
    licensing.offer_licence(
        dataset=version.dataset,
        name="Free",
        spdx="CC-BY-4.0",
        purposes=["pretrain"],
        is_automatic=True,
        at=NOON,
    )
    grant(rich_lab, version)
    use(rich_lab, version, records=3)
    billing.bill_batch(at=LATER)
    assert Charge.objects.get().kind == "free"


def test_a_lab_without_money_waits_visibly_and_is_charged_when_money_comes(lab, essays, euro, ada):
    grant(lab, essays)
    use(lab, essays, records=50)
    use(lab, essays, records=100, at=NOON + timedelta(minutes=5))
    assert billing.bill_batch(at=LATER) == 2
    assert not Charge.objects.exists()
    assert [one.reason for one in Waiting.objects.all()] == ["no_funds", "no_funds"]
    assert billing.bill_batch(at=LATER) == 0
    deposits.deposit(lab=lab, asset=euro, amount_units=600_000, reference="a", at=LATER)
    assert billing.bill_batch(at=LATER) == 1
    assert Waiting.objects.count() == 1
    assert held(euro, Account.Kind.LAB, lab) == 100_000
    deposits.set_credit_limit(
        lab=lab, asset=euro, limit_units=2_000_000, reason="invoiced", at=LATER
    )
    assert billing.bill_batch(at=LATER) == 1
    assert (pending(euro, ada), Waiting.objects.count()) == (1_500_000, 0)
    assert held(euro, Account.Kind.LAB, lab) == -900_000


def test_a_price_in_an_asset_nobody_registered_waits_until_it_is(rich_lab, ada, euro):
    version = factories.version(factories.dataset(ada, "exotic"), texts(10))
    priced(version, type(euro)(code="iso4217:XTS"))
    grant(rich_lab, version)
    use(rich_lab, version, records=10)
    assert billing.bill_batch(at=LATER) == 1
    assert Waiting.objects.get().reason == "unknown_asset"
    assert billing.bill_batch(at=LATER) == 0
    other = deposits.register_asset(code="iso4217:XTS", symbol="XTS", scale=6)
    deposits.deposit(lab=rich_lab, asset=other, amount_units=10**6, reference="a", at=LATER)
    assert billing.bill_batch(at=LATER + timedelta(hours=1)) == 1
    assert Charge.objects.get().amount_units == 10_000


def test_two_assets_in_one_batch_make_two_entries(rich_lab, essays, ada, euro):
    dollar = deposits.register_asset(code="iso4217:USD", symbol="USD", scale=2)
    deposits.deposit(lab=rich_lab, asset=dollar, amount_units=10_000, reference="b", at=NOON)
    other = priced(
        factories.version(factories.dataset(ada, "other"), texts(10)), dollar, price_units=500
    )
    for version in (essays, other):
        grant(rich_lab, version)
        use(rich_lab, version, records=10)
    assert billing.bill_batch(at=LATER) == 2
    assert Entry.objects.filter(kind="usage").count() == 2
    assert (pending(euro, ada), pending(dollar, ada)) == (100_000, 5)


def test_a_lab_gets_an_account_only_in_the_assets_that_it_uses(rich_lab, essays, ada, euro):
    """Another lab's asset in the same batch, or one that nobody registered, opens none."""
    dollar = deposits.register_asset(code="iso4217:USD", symbol="USD", scale=2)
    deposits.deposit(lab=rich_lab, asset=dollar, amount_units=10_000, reference="b", at=NOON)
    poor = factories.party("A poorer lab", is_lab=True)
    other = priced(
        factories.version(factories.dataset(ada, "other"), texts(10)), dollar, price_units=500
    )
    exotic = factories.version(factories.dataset(ada, "exotic"), texts(10))
    priced(exotic, type(euro)(code="iso4217:XTS"))
    for who, version in ((rich_lab, other), (poor, essays), (poor, exotic)):
        grant(who, version)
        use(who, version, records=10)
    assert billing.bill_batch(at=LATER) == 3
    assert {account.asset for account in Account.objects.filter(party=poor)} == {euro}
    assert set(Waiting.objects.values_list("reason", flat=True)) == {"no_funds", "unknown_asset"}
    assert not StageKind.objects.exists()


def test_the_fee_is_taken_from_its_day_on(rich_lab, essays, euro, ada):
    grant(rich_lab, essays)
    use(rich_lab, essays, records=10)
    billing.bill_batch(at=LATER)
    PlatformFee.objects.create(basis_points=250, valid_from=LATER + timedelta(hours=1))
    use(rich_lab, essays, records=10, at=LATER)
    billing.bill_batch(at=LATER + timedelta(hours=2))
    assert held(euro, Account.Kind.PLATFORM_FEE) == 2_500
    assert pending(euro, ada) == 197_500
    assert sum(line.amount_units for line in Line.objects.all()) == 0
