"""Use that waits for a grant costs nothing yet; with a grant in time, what it had cost with one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from compensation import billing, invariants, pools, simulation
from compensation.models import Charge, PoolShare
from deploy import health
from provenance import coverage, licensing, usage
from provenance.models import Bundle, Grant, Usage
from tests import factories
from tests.compensation.conftest import grant, more, pending, priced, texts, use
from tests.compensation.test_ownership_transfer import passed
from tests.factories import NOON

DAY = timedelta(days=1)
WAIT = 14 * DAY
MINUTE = timedelta(minutes=1)
EURO = 1_000_000
pytestmark = pytest.mark.django_db


def amounts() -> list[tuple[str, int]]:
    return list(Charge.objects.order_by("revision").values_list("kind", "amount_units"))


def settled(at: datetime) -> None:
    """Everything due is billed, twice, and the books hold."""
    for _ in range(2):
        while billing.bill_batch(at=at):
            pass
    assert not list(invariants.broken())


def test_what_waits_is_not_charged_and_after_its_time_costs_nothing(rich_lab, essays, ada, euro):
    use(rich_lab, essays, records=40)
    for at in (NOON + DAY, NOON + WAIT - MINUTE, NOON + WAIT + MINUTE):
        assert billing.bill_batch(at=at) == 0
    settled(NOON + WAIT + 10 * MINUTE)
    assert amounts() == [("ungranted", 0)]
    assert pending(euro, ada) == 0


@pytest.mark.parametrize("given", [NOON + DAY, NOON + WAIT - timedelta(microseconds=1)])
def test_a_grant_in_time_charges_all_of_it_once_at_the_list_price_of_then(
    rich_lab, essays, ada, euro, given
):
    licence = essays.dataset.licences.get()
    use(rich_lab, essays, records=40)
    licensing.set_rate(
        licence=licence, basis="per_1k_records", price_units=50 * EURO, asset=euro.code,
        valid_from=NOON + timedelta(hours=1), at=NOON + timedelta(hours=1),
    )  # fmt: skip
    grant(rich_lab, essays, at=given)
    assert Grant.objects.get().rate.price_units == 50 * EURO
    settled(NOON + WAIT + DAY)
    assert amounts() == [("priced", 400_000)]
    assert pending(euro, ada) > 0


def test_it_costs_to_the_unit_what_it_had_cost_with_a_grant_from_the_start(
    rich_lab, essays, ada, euro
):
    early = priced(factories.version(factories.dataset(ada, "early"), texts(77, "early")), euro)
    grant(rich_lab, early)
    with_grant = use(rich_lab, early, records=77, is_ended=False)
    late = priced(factories.version(factories.dataset(ada, "late"), texts(77, "late")), euro)
    without = use(rich_lab, late, records=77, is_ended=False)
    billing.bill_batch(at=NOON + DAY)
    grant(rich_lab, late, at=NOON + 2 * DAY)
    for one in (with_grant, without):
        more(one.run, one.subject, records=99, sequence=2, at=NOON + 3 * DAY)
        usage.end_run(run=one.run, at=NOON + 3 * DAY)
    settled(NOON + 4 * DAY)
    totals = {
        one.pk: sum(Charge.objects.filter(usage=one).values_list("amount_units", flat=True))
        for one in (with_grant, without)
    }
    assert totals[with_grant.pk] == totals[without.pk] == 99_000


def test_covering_again_or_late_charges_nothing_more(rich_lab, essays):
    made = use(rich_lab, essays, records=40)
    grant(rich_lab, essays, at=NOON + DAY)
    settled(NOON + 2 * DAY)
    assert coverage.cover(Grant.objects.get(), at=NOON + 2 * DAY) == 0
    assert coverage.cover_missed(at=NOON + 2 * DAY) == 0
    settled(NOON + WAIT + DAY)
    assert amounts() == [("priced", 400_000)]
    made.refresh_from_db()
    assert Charge.objects.get().revision == made.revision == 2


def test_where_the_dataset_passed_on_meanwhile_each_owner_earns_for_its_own_time(
    rich_lab, essays, ada, ben, euro
):
    hour = timedelta(hours=1)
    made = use(rich_lab, essays, records=30, is_ended=False)
    passed(essays, ben, NOON + hour)
    more(made.run, made.subject, records=80, sequence=2, at=NOON + 2 * hour)
    usage.end_run(run=made.run, at=NOON + 3 * hour)
    assert billing.bill_batch(at=NOON + DAY) == 0
    grant(rich_lab, essays, at=NOON + 2 * DAY)
    settled(NOON + 3 * DAY)
    assert (pending(euro, ada), pending(euro, ben)) == (300_000, 500_000)


def bundle(owner, version, euro) -> Bundle:
    return licensing.offer_bundle(
        owner=owner, name="All", licences=[version.dataset.licences.get()],
        price_units=10 * EURO, asset=euro.code, at=NOON,
    )  # fmt: skip


def test_a_subscription_pays_for_use_earlier_in_its_first_month(rich_lab, essays, ada, euro):
    use(rich_lab, essays, records=40)
    licensing.subscribe(lab=rich_lab, bundle=bundle(ada, essays, euro), at=NOON + DAY)
    settled(NOON + 2 * DAY)
    assert amounts() == [("free", 0)]


def test_use_of_an_earlier_month_costs_the_list_price_and_takes_no_part_of_the_subscription(
    rich_lab, essays, ada, ben, euro
):
    march = datetime(2026, 3, 31, 12, tzinfo=UTC)
    april = march + DAY
    notes = priced(factories.version(factories.dataset(ada, "notes"), texts(9)), euro)
    made = use(rich_lab, essays, records=40, at=march)
    both = licensing.offer_bundle(
        owner=ada, name="All", price_units=10 * EURO, asset=euro.code, at=march,
        licences=[one.dataset.licences.get() for one in (essays, notes)],
    )  # fmt: skip
    licensing.subscribe(lab=rich_lab, bundle=both, at=april)
    use(rich_lab, notes, records=1, at=april)
    settled(april + DAY)
    assert Charge.objects.get(usage=made).amount_units == 400_000
    assert pools.settle_due(at=datetime(2026, 5, 1, 2, tzinfo=UTC)) == 1
    assert [row.version for row in PoolShare.objects.select_related("version")] == [notes]


def test_nobody_counts_it_while_it_waits(rich_lab, essays, euro):
    now = datetime.now(UTC)
    use(rich_lab, essays, records=40, at=now)
    licence = essays.dataset.licences.get()
    rate = licence.rates.get()
    span = {"licence": licence, "rate": rate, "since": now - DAY, "until": now + DAY}
    assert health.uncharged_count(now) == 0
    tried = simulation.simulate(**span)
    assert tried.rows == []
    grant(rich_lab, essays, at=now)
    assert health.uncharged_count(now) == 1
    tried = simulation.simulate(**span)
    assert [row.amount_units for row in tried.rows] == [400_000]
    assert Usage.objects.get().rate == rate
