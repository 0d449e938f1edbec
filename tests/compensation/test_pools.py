"""Pools: subscriptions, minimums and shares of revenue are exact, per lab, and blind to cuts."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compensation import billing, deposits, pools
from compensation.models import Asset, Charge, Pool, PoolShare
from compensation.revenue import RevenueLowered, report_revenue
from compensation.sharing import Use, shared_out
from provenance import edges, licensing, usage
from provenance.licensing import PlanTerms
from provenance.models import Bundle, DatasetVersion, Party, RunEdge, Subscription
from tests import factories
from tests.compensation.conftest import grant, held, more, pending, priced, texts, use
from tests.factories import NOON

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
APRIL = datetime(2026, 4, 1, 2, tzinfo=UTC)
EURO = 1_000_000

ids = st.integers(1, 2**64).map(lambda number: UUID(int=number))
quantities = st.integers(1, 10**12)
amounts = st.integers(0, 10**15)


@st.composite
def cuts(draw):
    """Owners with a quantity each, and the same quantities cut otherwise into versions."""
    owners = draw(st.dictionaries(ids, quantities, min_size=1, max_size=4))
    ways = []
    for _ in range(2):
        uses = []
        for owner, quantity in owners.items():
            marks = draw(st.sets(st.integers(1, max(1, quantity - 1)), max_size=4))
            edges = [0, *sorted(mark for mark in marks if mark < quantity), quantity]
            uses += [Use(owner, draw(ids), b - a) for a, b in itertools.pairwise(edges)]
        ways.append(draw(st.permutations(uses)))
    return owners, ways


def by_owner(uses: list[Use], shares: dict[UUID, int]) -> dict[UUID, int]:
    owner_of = {use.version: use.owner for use in uses}
    totals: dict[UUID, int] = {}
    for version, units in shares.items():
        totals[owner_of[version]] = totals.get(owner_of[version], 0) + units
    return totals


@given(cuts(), amounts, st.integers(1, 20))
def test_no_cut_merge_or_order_of_datasets_changes_what_an_owner_gets(made, amount, times):
    owners, (one, other) = made
    versions = [use.version for use in (*one, *other)]
    if len(set(versions)) < len(versions):
        return
    whole = sum(owners.values()) * times
    first = by_owner(one, shared_out(amount, one, whole))
    assert first == by_owner(other, shared_out(amount, other, whole))
    assert first == {owner: amount * used // whole for owner, used in owners.items()}


@given(cuts(), amounts, amounts)
def test_a_correction_adds_up_to_what_the_whole_would_have_given(made, one, two):
    owners, (uses, _) = made
    if len({use.version for use in uses}) < len(uses):
        return
    less, all_of_it = sorted((one, two))
    whole = sum(owners.values())
    parts = [shared_out(less, uses, whole), shared_out(all_of_it, uses, whole, before=less)]
    assert all(units >= 0 for part in parts for units in part.values())
    got = [by_owner(uses, part) for part in parts]
    assert {owner: got[0][owner] + got[1][owner] for owner in owners} == {
        owner: all_of_it * used // whole for owner, used in owners.items()
    }


@given(cuts(), amounts)
def test_a_pool_never_gives_out_more_than_there_is_and_wastes_less_than_a_unit_an_owner(
    made, amount
):
    owners, (uses, _) = made
    if len({use.version for use in uses}) < len(uses):
        return
    given_out = sum(shared_out(amount, uses, sum(owners.values())).values())
    assert amount - len(owners) < given_out <= amount


def test_an_owner_whose_data_was_not_used_gets_nothing_of_a_pool():
    owners, versions = ([UUID(int=place) for place in range(first, first + 3)] for first in (1, 9))
    uses = [
        Use(owner, one, used) for owner, one, used in zip(owners, versions, (0, 3, 0), strict=True)
    ]
    assert shared_out(10, uses, 3) == {versions[0]: 0, versions[1]: 10, versions[2]: 0}


def licence_of(version: DatasetVersion):
    return version.dataset.licences.get()


@pytest.fixture
def letters(ada: Party, euro: Asset) -> DatasetVersion:
    return priced(factories.version(factories.dataset(ada, "letters"), texts(40, "letter")), euro)


@pytest.fixture
def bundle(ada: Party, essays, letters, euro: Asset) -> Bundle:
    """Both of Ada's datasets for ten euro a month."""
    return licensing.offer_bundle(
        owner=ada, name="All of it", licences=[licence_of(essays), licence_of(letters)],
        price_units=10 * EURO, asset=euro.code, at=NOON,
    )  # fmt: skip


def shares(kind: str) -> dict[str, int]:
    rows = PoolShare.objects.filter(pool__kind=kind).select_related("version__dataset")
    found: dict[str, int] = {}
    for row in rows:
        name = row.version.dataset.name
        found[name] = found.get(name, 0) + row.amount_units
    return found


def test_a_subscription_costs_a_flat_amount_shared_by_use(rich_lab, essays, letters, bundle, euro):
    licensing.subscribe(lab=rich_lab, bundle=bundle, at=NOON)
    use(rich_lab, essays, records=30)
    use(rich_lab, letters, records=10)
    billing.bill_batch(at=NOON + HOUR)
    assert set(Charge.objects.values_list("kind", "amount_units")) == {("free", 0)}
    assert pools.settle_due(at=NOON + DAY) == 0
    assert pools.settle_due(at=APRIL) == 1
    assert shares("subscription") == {"essays": 7_500_000, "letters": 2_500_000}
    assert pending(euro, bundle.owner) == 10 * EURO
    assert pools.settle_due(at=APRIL + HOUR) == 0
    assert held(euro, "lab", rich_lab) == 90 * EURO


def test_a_subscription_without_use_is_kept_by_size(rich_lab, essays, letters, bundle):
    licensing.subscribe(lab=rich_lab, bundle=bundle, at=NOON)
    pools.settle_due(at=APRIL)
    assert sum(shares("subscription").values()) == 10 * EURO
    assert shares("subscription")["essays"] > shares("subscription")["letters"]


def test_each_month_counts_its_own_use_and_ends_with_the_subscription(
    rich_lab, essays, letters, bundle
):
    subscription = licensing.subscribe(lab=rich_lab, bundle=bundle, at=NOON)
    made = use(rich_lab, essays, records=100, is_ended=False)
    billing.bill_batch(at=NOON + DAY)
    more(made.run, essays.pk, records=101, sequence=2, at=APRIL)
    usage.end_run(run=made.run, at=APRIL)
    use(rich_lab, letters, records=99, at=APRIL)
    billing.bill_batch(at=APRIL + HOUR)
    licensing.unsubscribe(subscription=subscription, at=APRIL + DAY)
    assert pools.settle_due(at=datetime(2026, 7, 1, tzinfo=UTC)) == 2
    parts = {
        (row.pool.period, row.version.dataset.name): row.amount_units
        for row in PoolShare.objects.select_related("pool", "version__dataset")
    }
    assert parts == {
        ("2026-03", "essays"): 10 * EURO,
        ("2026-04", "essays"): 100_000,
        ("2026-04", "letters"): 9_900_000,
    }
    late = use(rich_lab, essays, records=1, at=datetime(2026, 5, 2, tzinfo=UTC))
    assert late.is_ungranted


def test_what_a_lab_cannot_pay_waits_whole_and_is_charged_once_when_money_comes(
    lab, essays, bundle, euro
):
    licensing.subscribe(lab=lab, bundle=bundle, at=NOON)
    assert pools.settle_due(at=APRIL) == 0
    assert not Charge.objects.exists()
    deposits.deposit(lab=lab, asset=euro, amount_units=10 * EURO, reference="a", at=APRIL)
    assert [pools.settle_due(at=APRIL + HOUR) for _ in range(2)] == [1, 0]
    assert held(euro, "lab", lab) == 0
    (pool,) = Pool.objects.all()
    assert pools.settle(pool.pk, at=APRIL + DAY) is False


def minimum(version: DatasetVersion, euro: Asset, **terms) -> DatasetVersion:
    plan = PlanTerms(tiers=[(0, EURO)], minimum_units=EURO, **terms)
    licensing.set_rate(
        licence=licence_of(version), basis="per_1k_records", asset=euro.code,
        valid_from=NOON, at=NOON, plan=plan,
    )  # fmt: skip
    return version


def test_a_minimum_tops_up_what_the_month_lacked(rich_lab, essays, letters, euro, ada):
    for version in (essays, letters):
        grant(rich_lab, minimum(version, euro), at=NOON + HOUR)
    use(rich_lab, essays, records=100, at=NOON + HOUR)
    use(rich_lab, letters, records=200, at=NOON + HOUR)
    billing.bill_batch(at=NOON + 2 * HOUR)
    assert pending(euro, ada) == 300_000
    assert pools.settle_due(at=APRIL) == 1
    assert pending(euro, ada) == EURO
    parts = shares("minimum")
    # Which of the two gets the odd unit follows their ids, which are drawn by chance.
    assert (sum(parts.values()), parts["essays"] - 233_333 in (0, 1)) == (700_000, True)


@pytest.mark.parametrize("records", [0, 1_000, 5_000])
def test_no_minimum_is_owed_without_use_or_once_it_is_reached(rich_lab, essays, euro, records):
    grant(rich_lab, minimum(essays, euro), at=NOON + HOUR)
    if records:
        use(rich_lab, essays, records=records, at=NOON + HOUR)
        billing.bill_batch(at=NOON + 2 * HOUR)
    assert pools.settle_due(at=APRIL) == 0
    assert not Pool.objects.exists()


@pytest.fixture
def notes(ben: Party, euro: Asset) -> DatasetVersion:
    return priced(factories.version(factories.dataset(ben, "notes"), texts(50, "note")), euro)


def shares_revenue(version: DatasetVersion, euro: Asset, points: int) -> None:
    licensing.set_rate(
        licence=licence_of(version), basis="per_1k_records", asset=euro.code, valid_from=NOON,
        at=NOON, price_units=0, revenue_basis_points=points,
    )  # fmt: skip


def model_of(lab: Party, name: str, *used: tuple[DatasetVersion, int], base=None):
    run = usage.start_run(lab=lab, purpose="pretrain", at=NOON)
    for version, records in used:
        more(run, version.pk, records=records, sequence=1, at=NOON + HOUR)
    if base is not None:
        edges.add_edge(run=run, direction=RunEdge.Direction.CONSUMED, model=base, at=NOON)
    usage.end_run(run=run, at=NOON + HOUR)
    return usage.register_model(lab=lab, name=name, run=run, at=NOON + HOUR)


def earned(lab: Party, model, euro: Asset, units: int, at=NOON + DAY):
    return report_revenue(
        lab=lab, model=model, asset=euro, period="2026-03", revenue_units=units, at=at
    )


def test_a_models_revenue_is_shared_by_use_times_points(rich_lab, essays, letters, notes, euro):
    for version, points in ((essays, 100), (notes, 300)):
        shares_revenue(version, euro, points)
    for version in (essays, letters, notes):
        grant(rich_lab, version, at=NOON + HOUR)
    base = model_of(rich_lab, "base", (essays, 75), (letters, 1_000))
    tuned = model_of(rich_lab, "tuned", (notes, 25), base=base)
    billing.bill_batch(at=NOON + 2 * HOUR)
    before = {owner: pending(euro, owner) for owner in (essays.dataset.owner, notes.dataset.owner)}
    earned(rich_lab, tuned, euro, 1_000 * EURO)
    assert pools.settle_due(at=NOON + DAY) == 0
    assert pools.settle_due(at=APRIL) == 1
    gained = {owner: pending(euro, owner) - units for owner, units in before.items()}
    tokens = {
        version: version.token_count * records // version.record_count
        for version, records in ((essays, 75), (notes, 25))
    }
    whole = sum(tokens.values()) * 10_000
    assert gained == {
        essays.dataset.owner: 1_000 * EURO * tokens[essays] * 100 // whole,
        notes.dataset.owner: 1_000 * EURO * tokens[notes] * 300 // whole,
    }


def test_a_correction_pays_the_difference_and_a_repeat_nothing(rich_lab, essays, euro, ada):
    shares_revenue(essays, euro, 100)
    grant(rich_lab, essays, at=NOON + HOUR)
    model = model_of(rich_lab, "base", (essays, 10))
    earned(rich_lab, model, euro, 100)
    earned(rich_lab, model, euro, 900)
    assert earned(rich_lab, model, euro, 900).revision == 2
    assert (pools.settle_due(at=APRIL), pending(euro, ada)) == (1, 9)
    earned(rich_lab, model, euro, 1_750, at=APRIL)
    assert (pools.settle_due(at=APRIL + HOUR), pending(euro, ada)) == (1, 17)
    with pytest.raises(RevenueLowered):
        earned(rich_lab, model, euro, 1_000, at=APRIL)
    assert sorted(
        Charge.objects.filter(kind="revenue").values_list("revision", "amount_units")
    ) == [
        (2, 9),
        (3, 8),
    ]


def test_a_dataset_in_two_earns_what_it_earned_in_one(rich_lab, ada, ben, euro):
    """The same texts, once in one dataset of Ada's and once in two of Ben's."""
    words = texts(30)
    one = priced(factories.version(factories.dataset(ada, "one"), words), euro)
    parts = [
        priced(factories.version(factories.dataset(ben, name), part), euro)
        for name, part in (("half", words[:13]), ("rest", words[13:]))
    ]
    for version in (one, *parts):
        shares_revenue(version, euro, 333)
        grant(rich_lab, version, at=NOON + HOUR)
    counts = [(one, 30), (parts[0], 13), (parts[1], 17)]
    model = model_of(rich_lab, "both", *counts)
    earned(rich_lab, model, euro, 1_000_003)
    pools.settle_due(at=APRIL)
    assert pending(euro, ada) == pending(euro, ben) == 1_000_003 * 333 // 20_000


def test_pools_of_labs_are_apart(rich_lab, essays, bundle, euro, ada):
    rival = factories.party("Dorado Models", is_lab=True)
    deposits.deposit(lab=rival, asset=euro, amount_units=50 * EURO, reference="d", at=NOON)
    for lab in (rich_lab, rival):
        licensing.subscribe(lab=lab, bundle=bundle, at=NOON)
    use(rival, essays, records=5)
    billing.bill_batch(at=NOON + HOUR)
    assert pools.settle_due(at=APRIL) == 2
    mine = PoolShare.objects.filter(pool__lab=rival)
    assert [row.amount_units for row in mine] == [10 * EURO]
    assert pending(euro, ada) == 20 * EURO
    assert Subscription.objects.count() == 2
