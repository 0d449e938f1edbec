"""Owners set prices: bases, tiers, quotas and limits, said in words, by nobody else."""

from __future__ import annotations

import pytest
from django.test import Client

from compensation.models import Asset
from compensation.wording import price_in_words
from provenance import licensing
from provenance.licensing import PlanTerms
from provenance.models import Licence, Party, Rate, RatePlan
from tests import doors, factories
from tests.factories import NOON

pytestmark = pytest.mark.django_db

TIERS = [
    {"from_quantity": 0, "price_units": 2_000_000},
    {"from_quantity": 100_000, "price_units": 1_500_000},
]


@pytest.fixture
def licence(ada: Party) -> Licence:
    return offered(ada, "essays")


def offered(owner: Party, name: str) -> Licence:
    version = factories.version(factories.dataset(owner, name), ["one text"])
    return licensing.offer_licence(
        dataset=version.dataset, name="Training", text="x", purposes=["pretrain"], at=NOON
    )


def tiered(licence: Licence, **more) -> Rate:
    terms = {"tiers": [(0, 2_000_000), (100_000, 1_500_000)], **more}
    return licensing.set_rate(
        licence=licence, basis="per_1k_records", asset="iso4217:EUR",
        valid_from=NOON, at=NOON, plan=PlanTerms(**terms),
    )  # fmt: skip


def test_an_owner_sets_tiers_quota_cap_and_minimum_and_reads_them_in_words(
    ada: Party, licence: Licence, euro: Asset
) -> None:
    body = {
        "basis": "per_1k_records", "asset": euro.code, "tiers": TIERS, "free_quantity": 10_000,
        "cap_units": 500_000_000, "minimum_units": 20_000_000, "revenue_basis_points": 150,
    }  # fmt: skip
    made = doors.of(ada).post(f"licences/{licence.pk}/rates", body, 201)
    assert made["plan"]["tiers"] == TIERS
    (shown,) = doors.of(ada).get(f"rates?licence={licence.pk}")["results"]
    assert shown["words"] == (
        "2.00 EUR per 1,000 records up to 100,000, then 1.50; the first 10,000 records of a month "
        "are free; at least 20.00 EUR in a month of use; at most 500.00 EUR a month; 1.50 % of the "
        "revenue of models made with it, shared by use"
    )


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"tiers": TIERS[1:]}, "bad_plan", "begins at 0"),
        ({"tiers": [*TIERS, TIERS[1]]}, "bad_plan", "greater quantity"),
        ({"tiers": []}, "bad_plan", "1 to 20 tiers"),
        ({"tiers": TIERS, "price_units": 5}, "invalid", "either price_units or tiers"),
        ({}, "invalid", "either price_units or tiers"),
        ({"tiers": TIERS, "cap_units": 5, "minimum_units": 6}, "bad_plan", "greater than the cap"),
        ({"price_units": 5, "basis": "per_word"}, "invalid", "per_word"),
        ({"price_units": -5}, "invalid", "greater than or equal to 0"),
    ],
)
def test_a_price_that_cannot_be_is_refused_with_what_is_wrong(
    ada: Party, licence: Licence, euro: Asset, change, code: str, words: str
) -> None:
    body = {"basis": "per_1k_records", "asset": euro.code, **change}
    answer = doors.of(ada).post(f"licences/{licence.pk}/rates", body, 400)
    assert words in str(answer), answer
    assert answer["code"] == code or code == "invalid"
    assert not Rate.objects.exists()


def test_nobody_else_sets_an_owners_price(
    ben: Party, lab: Party, ada: Party, licence: Licence, euro: Asset
) -> None:
    body = {"basis": "per_1k_records", "asset": euro.code, "price_units": 5}
    for other in (ben, lab):
        assert doors.of(other).post(f"licences/{licence.pk}/rates", body, 403)
    doors.of(ada, "finance").post(f"licences/{licence.pk}/rates", body, 403)
    assert not Rate.objects.exists()


def test_rates_of_what_is_not_on_offer_are_seen_by_their_owner_alone(
    ada: Party, ben: Party, licence: Licence, euro: Asset
) -> None:
    rate = tiered(licence)
    licensing.retire_licence(licence=licence, at=NOON)
    assert doors.of(ada).get(f"rates/{rate.pk}")["id"] == rate.pk
    assert doors.of(ben).get("rates")["results"] == []
    doors.of(ben).get(f"rates/{rate.pk}", 404)


def test_one_owners_like_prices_are_one_plan_over_all_its_datasets(
    ada: Party, ben: Party, licence: Licence
) -> None:
    plans = [tiered(one).plan for one in (licence, offered(ada, "letters"), offered(ben, "notes"))]
    assert plans[0] == plans[1] != plans[2]
    assert RatePlan.objects.count() == 2
    assert tiered(licence, cap_units=5).plan != plans[0]


def test_a_grant_freezes_the_plan(ada: Party, lab: Party, licence: Licence) -> None:
    first = tiered(licence)
    grant = licensing.request_grant(lab=lab, licence=licence, purposes=["pretrain"], at=NOON)
    licensing.give_grant(grant=grant, at=NOON)
    tiered(licence, cap_units=5)
    grant.refresh_from_db()
    assert grant.rate == first
    assert grant.terms["rate"]["plan"]["tiers"] == [[0, "2000000"], [100_000, "1500000"]]


def test_words_name_every_basis_in_the_assets_own_scale(licence: Licence, euro: Asset) -> None:
    said = {}
    for basis in Rate.Basis.values:
        rate = licensing.set_rate(
            licence=licence, basis=basis, price_units=12_500_000, asset=euro.code,
            valid_from=NOON, at=NOON,
        )  # fmt: skip
        said[basis] = price_in_words(rate)
    assert said == {
        "per_1k_records": "12.50 EUR per 1,000 records",
        "per_1m_tokens": "12.50 EUR per 1,000,000 tokens (counted by tallymark-tokens/1)",
        "flat_per_run": "12.50 EUR flat per run",
        "per_epoch": "12.50 EUR per epoch",
        "per_fetch": "12.50 EUR per fetch",
    }
    assert price_in_words(tiered(licence, mode="volume")) == (
        "2.00 EUR per 1,000 records, or 1.50 for all from 100,000 on"
    )
    rate.asset = "iso4217:XTS"
    assert price_in_words(rate) == "12,500,000 units of iso4217:XTS per fetch"


def page_of(party: Party, email: str) -> Client:
    client = Client()
    client.force_login(factories.user(email, party=party))
    return client


def test_the_page_takes_a_price_with_tiers_and_names_a_line_it_cannot_read(
    ada: Party, ben: Party, licence: Licence, euro: Asset
) -> None:
    address = f"/admin/provenance/licence/{licence.pk}/price/"
    form = {
        "price-basis": "per_1k_records", "price-price": "2.00", "price-asset": euro.pk,
        "price-tiers": "100,000: 1.50\n", "price-mode": "graduated", "price-cap": "500",
    }  # fmt: skip
    adas = page_of(ada, "ada@aurora.example")
    wrong = adas.post(address, {**form, "price-tiers": "many: cheap"})
    assert wrong.status_code == 422
    assert "write it like" in wrong.content.decode()
    assert page_of(ben, "ben@birch.example").post(address, form).status_code in (302, 404)
    assert not Rate.objects.exists()
    assert adas.post(address, form).status_code == 302
    rate = Rate.objects.get()
    assert rate.plan.tiers == [[0, 2_000_000], [100_000, 1_500_000]]
    assert "at most 500.00 EUR a month" in adas.get(address.removesuffix("price/")).content.decode()
    again = adas.get(address).context["form"]
    assert "In force now: 2.00 EUR per 1,000 records" in again.fields["price"].help_text
    assert {name: again[name].value() for name in ("price", "asset", "tiers", "cap")} == {
        "price": "2.00", "asset": euro.pk, "tiers": "100000: 1.50", "cap": "500.00",
    }  # fmt: skip
