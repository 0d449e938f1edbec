"""What past use would have brought is what billing would have charged, and nothing is kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone

from compensation import billing
from compensation.models import Charge
from compensation.simulation import simulate
from provenance import licensing
from provenance.licensing import PlanTerms
from provenance.models import Rate, RatePlan
from tests.cast import NOON
from tests.compensation.conftest import grant, use
from tests.compensation.test_earnings import signed_in

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
TIERS = [(0, 20_000_001), (120, 7_000_003)]
PLANS = {
    "a straight price": None,
    "tiers": PlanTerms(tiers=TIERS),
    "a free quota and a cap": PlanTerms(tiers=TIERS, free_quantity=30, cap_units=1_500_000),
}


def reckoned(licence, euro, plan, **terms):
    rate = licensing.draft_rate(
        licence=licence, basis="per_1k_records", price_units=3_333_333, asset=euro.code, at=NOON,
        plan=plan, **terms,
    )  # fmt: skip
    return simulate(licence=licence, rate=rate, since=NOON - DAY, until=NOON + 40 * DAY)


@pytest.mark.parametrize("name", PLANS)
def test_it_says_what_billing_then_charges(rich_lab, essays, euro, name):
    licence = essays.dataset.licences.get()
    licensing.set_rate(
        licence=licence, basis="per_1k_records", price_units=3_333_333, asset=euro.code,
        valid_from=NOON, at=NOON, plan=PLANS[name],
    )  # fmt: skip
    grant(rich_lab, essays)
    for place, records in enumerate((70, 61, 33)):
        use(rich_lab, essays, records=records, at=NOON + timedelta(hours=place + 1))
    found = reckoned(licence, euro, PLANS[name])
    billing.bill_batch(at=NOON + DAY)
    charged = Charge.objects.aggregate(total=Sum("amount_units"))["total"]
    assert found.amount_units == charged > 0
    assert found.usage_count == 3


def test_a_minimum_is_counted_once_a_lab_and_month(rich_lab, essays, euro):
    licence = essays.dataset.licences.get()
    use(rich_lab, essays, records=1, at=NOON)
    use(rich_lab, essays, records=1, at=NOON + DAY)
    use(rich_lab, essays, records=1, at=NOON + 35 * DAY)
    found = reckoned(licence, euro, PlanTerms(tiers=[(0, 1_000)], minimum_units=5_000_000))
    assert [row.amount_units for row in found.rows] == [5_000_000, 5_000_000]


def test_trying_a_price_keeps_nothing(rich_lab, essays, euro):
    before = (Rate.objects.count(), RatePlan.objects.count(), Charge.objects.count())
    use(rich_lab, essays, records=10)
    reckoned(essays.dataset.licences.get(), euro, PLANS["tiers"])
    assert (Rate.objects.count(), RatePlan.objects.count(), Charge.objects.count()) == before


def test_its_page_is_the_owners_alone(ada, ben, rich_lab, essays, euro):
    licence = essays.dataset.licences.get()
    now = timezone.now()
    grant(rich_lab, essays, at=now - 2 * DAY)
    use(rich_lab, essays, records=50, at=now - DAY)
    address = reverse("admin:provenance_licence_verb", args=[licence.pk, "simulate"])
    said = {
        "simulate-basis": "per_1k_records",
        "simulate-price": "20",
        "simulate-asset": str(euro.pk),
        "simulate-mode": "graduated",
        "simulate-past_months": "3",
    }
    page = signed_in(ada).post(address, said).content.decode()
    assert "would have brought <b>1.00 EUR</b>" in page
    assert signed_in(ben).post(address, said).status_code in (302, 404)
    assert "would have brought <b>" not in signed_in(rich_lab).post(address, said).content.decode()
    nothing = signed_in(ada).post(address, {**said, "simulate-price": "x"})
    assert nothing.status_code == 422
