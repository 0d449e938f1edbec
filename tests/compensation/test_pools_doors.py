"""Bundles, subscriptions, revenue and pools through their doors, each tried by a second party."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.utils import timezone

from compensation import months, pools
from compensation.models import Asset, Pool, RevenueReport
from provenance import licensing, usage
from provenance.models import Bundle, Grant, Licence, Party, Subscription
from tests import doors, factories
from tests.compensation.conftest import grant, use
from tests.factories import NOON

pytestmark = pytest.mark.django_db

APRIL = datetime(2026, 4, 1, 2, tzinfo=UTC)


@pytest.fixture
def licence(essays) -> Licence:
    return essays.dataset.licences.get()


@pytest.fixture
def rival(db: None) -> Party:
    return factories.party("Dorado Models", is_lab=True)


@pytest.fixture
def bundle(ada: Party, licence: Licence, euro: Asset) -> Bundle:
    return licensing.offer_bundle(
        owner=ada, name="All", licences=[licence], price_units=5, asset=euro.code, at=NOON
    )


def body_of(licence: Licence, euro: Asset) -> dict:
    return {
        "name": "All", "licences": [str(licence.pk)], "price_units": 10, "asset": euro.code
    }  # fmt: skip


def test_an_owner_bundles_its_own_licences_alone(ada, ben, licence, euro):
    made = doors.of(ada).post("bundles", body_of(licence, euro), 201)
    assert made["licences"] == [str(licence.pk)]
    refused = doors.of(ben).post("bundles", body_of(licence, euro), 400)
    assert refused["code"] == "bad_bundle"
    doors.of(ada, "finance").post("bundles", body_of(licence, euro), 403)
    assert Bundle.objects.count() == 1


@pytest.mark.parametrize("change", [{"licences": []}, {"price_units": 0}, {"asset": "euros"}])
def test_a_bundle_that_cannot_be_is_refused(ada, licence, euro, change):
    doors.of(ada).post("bundles", {**body_of(licence, euro), **change}, 400)
    assert not Bundle.objects.exists()


def test_a_lab_subscribes_and_is_granted_what_the_bundle_holds(lab, ada, ben, rival, bundle):
    door = doors.of(lab)
    made = door.post("subscriptions", {"bundle": str(bundle.pk)}, 201)
    assert door.post("subscriptions", {"bundle": str(bundle.pk)}, 201)["id"] == made["id"]
    given = Grant.objects.get(lab=lab)
    assert (given.state, given.rate, given.valid_to) == ("given", None, None)
    assert doors.of(ada).get(f"subscriptions/{made['id']}")["lab"]["id"] == str(lab.pk)
    for other in (ben, rival):
        doors.of(other).get(f"subscriptions/{made['id']}", 404)
        doors.of(other).post(f"subscriptions/{made['id']}/end", None, 404)
    refused = doors.of(ada).post(f"grants/{given.pk}/revoke", {"reason": "x"}, 409)
    assert refused["code"] == "grant_of_subscription"
    ended = door.post(f"subscriptions/{made['id']}/end")
    assert ended["ends_at"] == months.end(months.name_of(timezone.now())).isoformat().replace(
        "+00:00", "Z"
    )
    given.refresh_from_db()
    assert (given.state, given.valid_to) == ("revoked", Subscription.objects.get().ends_at)


def test_neither_the_owner_nor_a_party_that_is_no_lab_subscribes(ada, ben, bundle):
    for other in (ada, ben):
        answer = doors.of(other).post("subscriptions", {"bundle": str(bundle.pk)}, 403)
        assert answer["code"] == "not_a_lab"


def test_a_retired_bundle_is_seen_by_its_owner_and_subscribers_alone(ada, lab, rival, bundle):
    licensing.subscribe(lab=lab, bundle=bundle, at=NOON)
    doors.of(rival).post(f"bundles/{bundle.pk}/retire", None, 403)
    assert doors.of(ada).post(f"bundles/{bundle.pk}/retire")["retired_at"]
    assert doors.of(lab).get(f"bundles/{bundle.pk}")
    doors.of(rival).get(f"bundles/{bundle.pk}", 404)
    doors.of(rival).post("subscriptions", {"bundle": str(bundle.pk)}, 400)


def revenue_of(model, euro: Asset, **change) -> dict:
    return {
        "model": str(model.pk), "period": "2026-03", "asset": euro.code, "revenue_units": 1_000,
        **change,
    }  # fmt: skip


def test_a_lab_reports_what_its_own_models_earned(lab, rival, ada, euro):
    model = usage.register_model(lab=lab, name="base", at=NOON)
    door = doors.of(lab)
    made = door.post("revenue-reports", revenue_of(model, euro), 201)
    assert door.post("revenue-reports", revenue_of(model, euro), 201)["id"] == made["id"]
    for other in (rival, ada):
        doors.of(other).post("revenue-reports", revenue_of(model, euro), 404)
        doors.of(other).get(f"revenue-reports/{made['id']}", 404)
    doors.of(lab, "develop").post("revenue-reports", revenue_of(model, euro), 403)
    assert RevenueReport.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [{"period": "2026-13"}, {"period": "2999-01"}, {"asset": "iso4217:XTS"}, {"revenue_units": -1}],
)
def test_revenue_that_cannot_be_is_refused(lab, euro, change):
    model = usage.register_model(lab=lab, name="base", at=NOON)
    doors.of(lab).post("revenue-reports", revenue_of(model, euro, **change), 400)
    assert not RevenueReport.objects.exists()


def test_a_pool_shows_each_side_its_own(rich_lab, rival, ada, ben, essays, bundle):
    licensing.subscribe(lab=rich_lab, bundle=bundle, at=NOON)
    use(rich_lab, essays, records=3)
    pools.settle_due(at=APRIL)
    for party in (rich_lab, ada):
        (seen,) = doors.of(party).get("pools?kind=subscription")["results"]
        assert [share["amount_units"] for share in seen["shares"]] == [5]
    for other in (rival, ben):
        assert doors.of(other).get("pools")["results"] == []
        doors.of(other).get(f"pools/{Pool.objects.get().pk}", 404)


def page_of(party: Party, email: str) -> Client:
    client = Client()
    client.force_login(factories.user(email, party=party))
    return client


def test_the_pages_offer_subscribe_report_and_show(rich_lab, ada, ben, licence, euro, essays):
    adas, labs = page_of(ada, "ada@aurora.example"), page_of(rich_lab, "lee@cobalt.example")
    form = {
        "offer-name": "Everything", "offer-licences": [str(licence.pk)], "offer-amount": "10.00",
        "offer-asset": euro.pk,
    }  # fmt: skip
    bundle = adas.post("/admin/provenance/bundle/do/offer/", form)["Location"]
    assert "10.00 EUR a month" in labs.get(bundle).content.decode()
    subscription = labs.post(f"{bundle}subscribe/")["Location"]
    assert "10.00 EUR a month" in adas.get(subscription).content.decode()
    bens = page_of(ben, "ben@birch.example")
    assert bens.get(subscription).status_code == 404
    assert labs.post(f"{subscription}end/").status_code == 302
    usage.register_model(lab=rich_lab, name="base", at=NOON)
    model = rich_lab.models.get()
    told = {
        "report-model": str(model.pk), "report-period": "2026-03", "report-amount": "7.50",
        "report-asset": euro.pk,
    }  # fmt: skip
    assert labs.post("/admin/compensation/revenuereport/do/report/", told).status_code == 302
    assert "7.50 EUR" in labs.get("/admin/compensation/revenuereport/").content.decode()
    assert adas.get("/admin/compensation/revenuereport/").status_code in (403, 404)


def test_the_page_of_a_pool_shows_its_shares(rich_lab, ada, ben, essays, bundle):
    licensing.subscribe(lab=rich_lab, bundle=bundle, at=NOON)
    grant(rich_lab, essays)
    use(rich_lab, essays, records=3)
    pools.settle_due(at=APRIL)
    address = f"/admin/compensation/pool/{Pool.objects.get().pk}/"
    for party, email in ((rich_lab, "lee@cobalt.example"), (ada, "ada@aurora.example")):
        assert str(essays) in page_of(party, email).get(address).content.decode()
    assert page_of(ben, "ben@birch.example").get(address).status_code == 404
